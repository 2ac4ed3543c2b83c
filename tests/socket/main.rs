//! The websocket: its handshake and its life, seen by clients that share no code with the server.

mod autobahn;
mod handshake;
mod session;
mod wire;

use tests::{Gateway, half_ref};

/// Has a socket wait for this `halfRef`.
fn authorise(gateway: &Gateway, token: &str, device: &str, half_ref: &str) {
    let answer = gateway.connect_socket(token, device, half_ref);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A `halfRef` whose socket waits, of a device on the test channel.
fn waiting(gateway: &Gateway, device: &str) -> String {
    let half_ref = half_ref();
    authorise(gateway, &gateway.token(device), device, &half_ref);
    half_ref
}
