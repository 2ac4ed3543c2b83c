//! Probes.

use tests::Gateway;

#[test]
fn a_gateway_is_alive() {
    let answer = Gateway::trial().get("/livez");
    assert_eq!(answer.ok(), serde_json::json!({"success": true}));
}

#[test]
fn a_gateway_is_ready() {
    let answer = Gateway::trial().get("/readyz");
    assert_eq!(answer.ok(), serde_json::json!({"success": true}));
}
