//! The first request for a device claims it; later ones need its token.

use serde_json::json;
use tests::{Answer, DEVICE, Gateway, Socket, gateway::eventually, half_ref};

use super::{authorise, wait_until_expired, with_short_lived_tokens};

#[test]
fn the_first_request_claims_the_device() {
    let gateway = Gateway::trial();
    for channel in ["browser", "android", "ios"] {
        let device = format!("device-of-{channel}");
        gateway.request_token(channel, &device, None).succeeds();
        let stranger = gateway.request_token(channel, &device, None);
        assert_eq!(stranger.status, 409);
        assert_eq!(stranger.problem_name(), "device-claimed");
    }
}

#[test]
fn a_claimed_device_gets_no_token_through_any_channel() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    for channel in ["browser", "android", "ios", "test"] {
        let answer = gateway.request_token(channel, DEVICE, None);
        assert_eq!(answer.problem_name(), "device-claimed", "{channel}");
    }
}

#[test]
fn a_token_of_another_device_is_a_device_mismatch() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    let answer = authorise(&gateway, &gateway.claim("a-strangers-device"));
    assert_eq!(answer.problem_name(), "device-mismatch");
}

#[test]
fn an_unknown_half_ref_opens_no_socket() {
    let gateway = Gateway::trial();
    authorise(&gateway, &gateway.claim(DEVICE)).succeeds();
    let handshake = tests::socket::handshake(&gateway, &half_ref());
    let Err(answer) = Socket::try_open(&gateway, handshake) else {
        panic!("a stranger's socket is open")
    };
    assert_eq!(answer.problem_name(), "half-ref-unknown");
}

#[test]
fn refused_requests_leave_the_token_valid() {
    let gateway = Gateway::trial();
    let token = gateway.claim(DEVICE);
    for channel in ["browser", "test"] {
        assert_eq!(gateway.request_token(channel, DEVICE, None).status, 409);
    }
    authorise(&gateway, &token).succeeds();
}

#[test]
fn a_claim_outlives_its_expired_token() {
    let gateway = with_short_lived_tokens();
    let token = gateway.claim(DEVICE);
    wait_until_expired(&gateway, &token);
    for channel in ["browser", "test"] {
        let answer = gateway.request_token(channel, DEVICE, None);
        assert_eq!(answer.problem_name(), "device-claimed", "{channel}");
    }
}

#[test]
fn a_claim_ends_with_its_record() {
    let gateway = Gateway::builder().flag("--token-ttl", "1s").flag("--record-ttl", "1s").start();
    let _ = gateway.claim(DEVICE);
    eventually("the device can be claimed again", || {
        gateway.request_token("browser", DEVICE, None).status == 200
    });
}

#[test]
fn a_device_over_the_limit_is_refused() {
    let gateway = Gateway::builder().flag("--devices", "1").start();
    let _ = gateway.claim(DEVICE);
    let answer = gateway.request_token("browser", "one-too-many", None);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem_name(), "devices-full");
}

#[test]
fn known_devices_are_served_at_the_limit() {
    let gateway = Gateway::builder().flag("--devices", "1").start();
    let token = gateway.claim(DEVICE);
    gateway.request_token("browser", DEVICE, Some(&token)).succeeds();
}

#[test]
fn revoking_makes_room_for_another_device() {
    let gateway = Gateway::builder().flag("--devices", "1").start();
    assert_eq!(gateway.revoke_token(&gateway.claim(DEVICE)).status, 204);
    gateway.request_token("browser", "another", None).succeeds();
}

const KEY: &str = "6f1a7c1e-0f4b-4b57-9f9e-3f0f5e6c8d21";

/// Claims the device with an idempotency key.
fn claim_with(gateway: &Gateway, key: &str) -> Answer {
    let body = json!({"channel": "browser", "deviceTag": DEVICE});
    gateway.call("PUT", "/token").json(&body).header("idempotency-key", key).send()
}

#[test]
fn a_first_claim_whose_answer_was_lost_can_be_repeated_with_its_key() {
    let gateway = Gateway::trial();
    for _ in 0..50 {
        let lost = claim_with(&gateway, KEY).token();
        let arrived = claim_with(&gateway, KEY).token();
        assert_eq!(authorise(&gateway, &lost).problem_name(), "token-unknown");
        assert_ne!(lost, arrived);
    }
    let token = claim_with(&gateway, KEY).token();
    authorise(&gateway, &token).succeeds();
}

#[test]
fn the_key_of_a_claim_is_spent_when_the_token_is_used() {
    let gateway = Gateway::trial();
    let token = claim_with(&gateway, KEY).token();
    authorise(&gateway, &token).succeeds();
    assert_eq!(claim_with(&gateway, KEY).problem_name(), "device-claimed");
}

#[test]
fn another_key_does_not_repeat_a_claim() {
    let gateway = Gateway::trial();
    claim_with(&gateway, KEY).succeeds();
    let other = KEY.replace('6', "7");
    assert_eq!(claim_with(&gateway, &other).problem_name(), "device-claimed");
}

#[test]
fn the_key_of_a_claim_has_at_least_32_visible_characters() {
    let gateway = Gateway::trial();
    for key in ["", "short", &"x".repeat(31), &"x".repeat(256), &format!("{KEY} {KEY}")] {
        let answer = claim_with(&gateway, key);
        assert_eq!(answer.status, 422, "{key:?}");
        assert_eq!(answer.problem_name(), "idempotency-key-malformed", "{key:?}");
    }
    let detail = claim_with(&gateway, "short").problem()["detail"].clone();
    assert_eq!(detail, "The key must have a length of 32 to 255.");
    for key in ["x".repeat(32), "y".repeat(255)] {
        let device = format!("device-{}", key.len());
        let body = json!({"channel": "browser", "deviceTag": device});
        gateway.call("PUT", "/token").json(&body).header("idempotency-key", &key).send().succeeds();
    }
}
