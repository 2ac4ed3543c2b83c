//! `PUT /token` and `DELETE /token`: who gets a token for a device, and what ends it.

use std::collections::BTreeSet;

use serde_json::json;
use tests::{Answer, DEVICE, Gateway, Socket, gateway::eventually, half_ref};

use crate::OPERATOR_KEY;

/// What a token is good for.
fn authorise(gateway: &Gateway, token: &str) -> Answer {
    gateway.connect_socket(token, DEVICE, &half_ref())
}

fn expire(gateway: &Gateway, token: &str) {
    eventually("the token expires", || {
        let answer = authorise(gateway, token);
        answer.status == 401 && answer.problem_name() == "token-expired"
    });
}

/// A gateway whose tokens expire while one waits.
fn hasty() -> Gateway {
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
fn the_vendors_own_example_gets_a_token() {
    let gateway = Gateway::trial();
    let body =
        json!({"channel": "test", "deviceTag": "my_deviceTag", "deviceData": {"platform": "test"}});
    let answer = gateway.call("PUT", "/token").json(&body).send();
    assert_eq!(answer.ok()["success"], true);
}

#[test]
fn tokens_are_long_and_never_the_same() {
    let gateway = Gateway::trial();
    let tokens: BTreeSet<_> = (0..50).map(|_| gateway.token(DEVICE)).collect();
    assert_eq!(tokens.len(), 50);
    assert!(tokens.iter().all(|token| token.len() >= 64));
}

#[test]
fn a_token_is_answered_in_the_body_alone() {
    let answer = Gateway::trial().request_token("browser", DEVICE, None);
    assert!(!answer.headers.contains_key("token"));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[test]
fn the_claiming_channels_claim_for_whoever_asks_first() {
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
fn a_stranger_gets_no_token_through_any_channel() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    for channel in ["browser", "android", "ios", "test"] {
        let answer = gateway.request_token(channel, DEVICE, None);
        assert_eq!(answer.problem_name(), "device-claimed", "{channel}");
    }
}

#[test]
fn a_stranger_with_a_token_of_its_own_gets_no_authorisation() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    let answer = authorise(&gateway, &gateway.claim("a-strangers-device"));
    assert_eq!(answer.problem_name(), "device-mismatch");
}

#[test]
fn a_stranger_opens_no_socket() {
    let gateway = Gateway::trial();
    authorise(&gateway, &gateway.claim(DEVICE)).succeeds();
    let handshake = tests::socket::handshake(&gateway, &half_ref());
    let Err(answer) = Socket::try_open(&gateway, handshake) else {
        panic!("a stranger's socket is open")
    };
    assert_eq!(answer.problem_name(), "half-ref-unknown");
}

#[test]
fn a_strangers_attempts_leave_the_holder_its_token() {
    let gateway = Gateway::trial();
    let token = gateway.claim(DEVICE);
    for channel in ["browser", "test"] {
        assert_eq!(gateway.request_token(channel, DEVICE, None).status, 409);
    }
    authorise(&gateway, &token).succeeds();
}

#[test]
fn a_token_of_another_device_renews_nothing() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    let foreign = gateway.claim("another");
    let answer = gateway.request_token("browser", DEVICE, Some(&foreign));
    assert_eq!(answer.problem_name(), "device-claimed");
}

#[test]
fn what_is_no_token_counts_as_none_where_none_is_needed() {
    let gateway = Gateway::trial();
    for shown in ["", "short", &"x".repeat(64), &"x".repeat(2000)] {
        let answer = gateway.request_token("browser", &format!("d{}", shown.len()), Some(shown));
        assert_eq!(answer.status, 200, "{shown:?}");
    }
}

#[test]
fn the_newest_token_gets_the_next_one() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    assert_ne!(first, second);
    authorise(&gateway, &second).succeeds();
}

#[test]
fn the_newest_token_gets_the_next_one_through_another_claiming_channel() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    gateway.request_token("ios", DEVICE, Some(&first)).succeeds();
}

#[test]
fn the_newest_token_gets_none_through_the_test_channel() {
    let gateway = Gateway::trial();
    let token = gateway.claim(DEVICE);
    let answer = gateway.request_token("test", DEVICE, Some(&token));
    assert_eq!(answer.problem_name(), "device-claimed");
}

#[test]
fn the_newest_token_gets_the_next_one_after_it_expired() {
    let gateway = hasty();
    let first = gateway.claim(DEVICE);
    expire(&gateway, &first);
    let second = gateway.request_token("browser", DEVICE, Some(&first));
    authorise(&gateway, &second.token()).succeeds();
}

#[test]
fn an_expired_claim_is_still_a_claim() {
    let gateway = hasty();
    let token = gateway.claim(DEVICE);
    expire(&gateway, &token);
    for channel in ["browser", "test"] {
        let answer = gateway.request_token(channel, DEVICE, None);
        assert_eq!(answer.problem_name(), "device-claimed", "{channel}");
    }
}

#[test]
fn the_token_before_the_newest_is_good_until_the_newest_is_used() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    authorise(&gateway, &first).succeeds();
    authorise(&gateway, &second).succeeds();
    assert_eq!(authorise(&gateway, &first).problem_name(), "token-unknown");
}

#[test]
fn a_lost_answer_can_be_asked_for_again() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let renew = || gateway.request_token("browser", DEVICE, Some(&first)).token();
    let lost = renew();
    let arrived = renew();
    assert_eq!(authorise(&gateway, &lost).problem_name(), "token-unknown");
    authorise(&gateway, &arrived).succeeds();
}

#[test]
fn the_token_before_the_newest_gets_no_other_once_the_newest_is_used() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    authorise(&gateway, &second).succeeds();
    let answer = gateway.request_token("browser", DEVICE, Some(&first));
    assert_eq!(answer.problem_name(), "device-claimed");
}

#[test]
fn renewing_with_the_newest_uses_it() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    let _ = gateway.request_token("browser", DEVICE, Some(&second)).token();
    assert_eq!(authorise(&gateway, &first).problem_name(), "token-unknown");
}

#[test]
fn renewing_keeps_open_authorisations_and_the_open_socket() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let half_ref = half_ref();
    gateway.connect_socket(&first, DEVICE, &half_ref).succeeds();
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    authorise(&gateway, &second).succeeds();
    Socket::open(&gateway, &half_ref).hello();
}

#[test]
fn the_test_channel_is_open_in_a_trial() {
    let gateway = Gateway::trial();
    gateway.request_token("test", DEVICE, None).succeeds();
}

#[test]
fn the_test_channel_gives_every_asker_a_token_that_works() {
    let gateway = Gateway::trial();
    let tokens = [gateway.token(DEVICE), gateway.token(DEVICE)];
    for token in tokens {
        authorise(&gateway, &token).succeeds();
    }
}

#[test]
fn the_test_channel_is_closed_where_it_is_no_trial() {
    let gateway = Gateway::builder().flag("--operator-key", OPERATOR_KEY).start();
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.status, 403);
    assert_eq!(answer.problem_name(), "channel-closed");
}

#[test]
fn the_other_channels_are_open_where_it_is_no_trial() {
    let gateway = Gateway::builder().flag("--operator-key", OPERATOR_KEY).start();
    for channel in ["browser", "android", "ios"] {
        gateway.request_token(channel, channel, None).succeeds();
    }
}

#[test]
fn the_operator_can_open_the_test_channel() {
    let gateway = Gateway::builder()
        .flag("--operator-key", OPERATOR_KEY)
        .flag("--test-channel", "on")
        .start();
    gateway.request_token("test", DEVICE, None).succeeds();
}

#[test]
fn the_operator_can_close_the_test_channel_of_a_trial() {
    let gateway = Gateway::builder().flag("--test-channel", "off").start();
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.problem_name(), "channel-closed");
}

#[test]
fn a_claim_ends_the_tokens_of_the_test_channel() {
    let gateway = Gateway::trial();
    let tested = gateway.token(DEVICE);
    let _ = gateway.claim(DEVICE);
    assert_eq!(authorise(&gateway, &tested).problem_name(), "token-unknown");
}

#[test]
fn a_claim_ends_the_authorisations_of_the_test_channel() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
    let _ = gateway.claim(DEVICE);
    assert_eq!(Socket::open(&gateway, &half_ref).closed().0, 4003);
}

#[test]
fn a_claim_ends_the_socket_of_the_test_channel() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
    let mut socket = Socket::open(&gateway, &half_ref);
    let _ = gateway.claim(DEVICE);
    assert_eq!(socket.closed().0, 4003);
}

#[test]
fn where_the_operator_gives_tokens_no_channel_does() {
    let gateway =
        Gateway::builder().flag("--token-issuer", "operator").flag("--test-channel", "on").start();
    for channel in ["browser", "android", "ios", "test"] {
        let answer = gateway.request_token(channel, DEVICE, None);
        assert_eq!(answer.status, 403);
        assert_eq!(answer.problem_name(), "issuer-closed", "{channel}");
    }
}

#[test]
fn where_the_operator_gives_tokens_its_tokens_renew_nothing_by_themselves() {
    let gateway = Gateway::builder().flag("--token-issuer", "operator").start();
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    let answer = gateway.request_token("browser", DEVICE, Some(&token));
    assert_eq!(answer.problem_name(), "issuer-closed");
}

#[test]
fn where_the_operator_gives_tokens_they_work() {
    let gateway = Gateway::builder().flag("--token-issuer", "operator").start();
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    authorise(&gateway, &token).succeeds();
}

#[test]
fn an_expired_token_authorises_nothing() {
    let gateway = hasty();
    let token = gateway.token(DEVICE);
    expire(&gateway, &token);
    assert_eq!(authorise(&gateway, &token).status, 401);
}

#[test]
fn a_revoked_token_is_answered_with_nothing() {
    let gateway = Gateway::trial();
    let answer = gateway.revoke_token(&gateway.token(DEVICE));
    assert_eq!((answer.status, answer.text()), (204, String::new()));
}

#[test]
fn a_revoked_token_authorises_nothing() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(authorise(&gateway, &token).problem_name(), "token-unknown");
}

#[test]
fn revoking_can_be_repeated() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(gateway.revoke_token(&token).status, 204);
}

#[test]
fn revoking_a_token_that_was_never_given_is_no_error() {
    assert_eq!(Gateway::trial().revoke_token(&"x".repeat(64)).status, 204);
}

#[test]
fn revoking_needs_a_token() {
    let answer = Gateway::trial().call("DELETE", "/token").send();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.problem_name(), "token-missing");
}

#[test]
fn revoking_needs_what_can_be_a_token() {
    let answer = Gateway::trial().revoke_token("not-a-token");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.problem_name(), "token-malformed");
}

#[test]
fn revoking_ends_open_authorisations() {
    let gateway = Gateway::trial();
    let (token, half_ref) = (gateway.claim(DEVICE), half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(Socket::open(&gateway, &half_ref).closed().0, 4003);
}

#[test]
fn revoking_ends_the_open_socket() {
    let gateway = Gateway::trial();
    let (token, half_ref) = (gateway.claim(DEVICE), half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    let mut socket = Socket::open(&gateway, &half_ref);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(socket.closed().0, 4003);
}

#[test]
fn revoking_one_test_token_leaves_the_others() {
    let gateway = Gateway::trial();
    let (one, other) = (gateway.token(DEVICE), gateway.token(DEVICE));
    assert_eq!(gateway.revoke_token(&one).status, 204);
    authorise(&gateway, &other).succeeds();
}

#[test]
fn revoking_ends_the_claim() {
    let gateway = Gateway::trial();
    assert_eq!(gateway.revoke_token(&gateway.claim(DEVICE)).status, 204);
    gateway.request_token("browser", DEVICE, None).succeeds();
}

#[test]
fn a_revoked_token_does_not_get_the_next_one_of_a_later_claim() {
    let gateway = Gateway::trial();
    let revoked = gateway.claim(DEVICE);
    assert_eq!(gateway.revoke_token(&revoked).status, 204);
    let _ = gateway.claim(DEVICE);
    let answer = gateway.request_token("browser", DEVICE, Some(&revoked));
    assert_eq!(answer.problem_name(), "device-claimed");
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
fn a_gateway_that_knows_enough_devices_refuses_another() {
    let gateway = Gateway::builder().flag("--devices", "1").start();
    let _ = gateway.claim(DEVICE);
    let answer = gateway.request_token("browser", "one-too-many", None);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem_name(), "devices-full");
}

#[test]
fn a_gateway_that_knows_enough_devices_still_serves_those() {
    let gateway = Gateway::builder().flag("--devices", "1").start();
    let token = gateway.claim(DEVICE);
    gateway.request_token("browser", DEVICE, Some(&token)).succeeds();
}

#[test]
fn a_device_that_ends_makes_room_for_another() {
    let gateway = Gateway::builder().flag("--devices", "1").start();
    assert_eq!(gateway.revoke_token(&gateway.claim(DEVICE)).status, 204);
    gateway.request_token("browser", "another", None).succeeds();
}
