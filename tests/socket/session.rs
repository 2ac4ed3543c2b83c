//! An open socket.

use serde_json::json;
use tests::{DEVICE, Gateway, Socket, half_ref};
use tungstenite::Message;

fn opened(gateway: &Gateway) -> Socket {
    let half_ref = half_ref();
    assert_eq!(
        gateway
            .connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref)
            .status,
        200
    );
    Socket::open(gateway, &half_ref)
}

#[test]
fn a_ping_frame_is_answered_with_a_pong_frame() {
    let gateway = Gateway::trial();
    let mut socket = opened(&gateway);
    socket.hello();
    socket.send(Message::text(r#"{"type":"ping"}"#));
    assert_eq!(socket.frame(), json!({"type": "pong"}));
}
