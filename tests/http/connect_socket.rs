//! `POST /prospect/connectsocket`.

use serde_json::json;
use tests::{DEVICE, Gateway, half_ref};

#[test]
fn an_authorisation_is_answered_as_the_document_says() {
    let gateway = Gateway::trial();
    let answer = gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref());
    assert_eq!(answer.ok(), json!({"success": true}));
    assert_eq!(answer.header("content-type"), "application/json");
}
