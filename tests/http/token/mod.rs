//! `PUT /token` and `DELETE /token`.

mod claiming;
mod operator_issued;
mod renewing;
mod revoking;
mod test_channel;

use std::collections::BTreeSet;

use serde_json::json;
use tests::{Answer, DEVICE, Gateway, gateway::eventually, half_ref};

/// Uses a token.
fn authorise(gateway: &Gateway, token: &str) -> Answer {
    gateway.connect_socket(token, DEVICE, &half_ref())
}

fn wait_until_expired(gateway: &Gateway, token: &str) {
    eventually("the token expires", || {
        let answer = authorise(gateway, token);
        answer.status == 401 && answer.problem_name() == "token-expired"
    });
}

/// A gateway whose tokens expire after a second.
fn with_short_lived_tokens() -> Gateway {
    Gateway::builder()
        .flag("--token-ttl", "1s")
        .flag("--authorisations-per-second", "1000")
        .flag("--open-authorisations", "1000000")
        .start()
}

#[test]
fn a_token_comes_with_its_lifetime_in_seconds() {
    let gateway = Gateway::builder().flag("--token-ttl", "90s").start();
    let answer = gateway.request_token("test", DEVICE, None);
    let token = answer.token();
    assert_eq!(answer.ok(), json!({"success": true, "token": token, "expiresIn": 90}));
}

#[test]
fn the_vendors_example_gets_a_token() {
    let gateway = Gateway::trial();
    let body =
        json!({"channel": "test", "deviceTag": "my_deviceTag", "deviceData": {"platform": "test"}});
    let answer = gateway.call("PUT", "/token").json(&body).send();
    assert_eq!(answer.ok()["success"], true);
}

#[test]
fn tokens_are_long_and_unique() {
    let gateway = Gateway::trial();
    let tokens: BTreeSet<_> = (0..50).map(|_| gateway.token(DEVICE)).collect();
    assert_eq!(tokens.len(), 50);
    assert!(tokens.iter().all(|token| token.len() >= 64));
}

#[test]
fn a_token_is_in_the_body_only() {
    let answer = Gateway::trial().request_token("browser", DEVICE, None);
    assert!(!answer.headers.contains_key("token"));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[test]
fn an_expired_token_does_not_authorise() {
    let gateway = with_short_lived_tokens();
    let token = gateway.token(DEVICE);
    wait_until_expired(&gateway, &token);
    assert_eq!(authorise(&gateway, &token).status, 401);
}
