//! The websocket, from handshake to close, as seen by clients that share no code with the server.

mod autobahn;
mod handshake;
mod session;
mod wire;

use tests::{Gateway, half_ref};

/// Authorises a websocket under this `halfRef`.
fn authorise(gateway: &Gateway, token: &str, device: &str, half_ref: &str) {
    let answer = gateway.connect_socket(token, device, half_ref);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A new `halfRef` that is authorised, for a device on the test channel.
fn authorised(gateway: &Gateway, device: &str) -> String {
    let half_ref = half_ref();
    authorise(gateway, &gateway.token(device), device, &half_ref);
    half_ref
}
