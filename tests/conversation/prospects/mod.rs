//! What the operator sees of prospects, and how a device is disconnected and erased.

mod disconnecting;
mod erasing;
mod get;
mod list;

use tests::{DEVICE, Gateway, Prospect};

/// Claims a device and opens its socket; gives the token as well.
fn open_claimed(gateway: &Gateway) -> (Prospect, String) {
    let token = gateway.claim(DEVICE);
    (Prospect::open_with(gateway, &token, DEVICE), token)
}
