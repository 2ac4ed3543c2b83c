//! `GET /operator/events` and `DELETE /operator/events`.

mod contents;
mod limit;
mod releasing;
mod resuming;
mod shares;

use tests::{DEVICE, Gateway, Prospect};

use crate::unlimited;

/// A gateway with a prospect that sent so many messages, with the ids `1`, `2` and so on. The first
/// event is `connected`.
fn with_messages(count: usize) -> (Gateway, Prospect) {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for id in 1..=count {
        prospect.deliver(&id.to_string(), "1");
    }
    (gateway, prospect)
}
