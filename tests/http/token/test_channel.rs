//! The channel `test` gives out tokens without a claim.

use tests::{DEVICE, Gateway, Socket, half_ref};

use super::authorise;
use crate::OPERATOR_KEY;

#[test]
fn a_claimed_device_does_not_renew_through_the_test_channel() {
    let gateway = Gateway::trial();
    let token = gateway.claim(DEVICE);
    let answer = gateway.request_token("test", DEVICE, Some(&token));
    assert_eq!(answer.problem_name(), "device-claimed");
}

#[test]
fn the_test_channel_is_open_in_a_trial() {
    let gateway = Gateway::trial();
    gateway.request_token("test", DEVICE, None).succeeds();
}

#[test]
fn every_token_of_the_test_channel_works() {
    let gateway = Gateway::trial();
    let tokens = [gateway.token(DEVICE), gateway.token(DEVICE)];
    for token in tokens {
        authorise(&gateway, &token).succeeds();
    }
}

#[test]
fn the_test_channel_is_closed_outside_a_trial() {
    let gateway = Gateway::builder().flag("--operator-key", OPERATOR_KEY).start();
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.status, 403);
    assert_eq!(answer.problem_name(), "channel-closed");
}

#[test]
fn the_other_channels_are_open_outside_a_trial() {
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
fn a_claim_revokes_the_tokens_of_the_test_channel() {
    let gateway = Gateway::trial();
    let tested = gateway.token(DEVICE);
    let _ = gateway.claim(DEVICE);
    assert_eq!(authorise(&gateway, &tested).problem_name(), "token-unknown");
}

#[test]
fn a_claim_revokes_the_authorisations_of_the_test_channel() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
    let _ = gateway.claim(DEVICE);
    assert_eq!(Socket::open(&gateway, &half_ref).closed().0, 4003);
}

#[test]
fn a_claim_closes_the_socket_of_the_test_channel() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
    let mut socket = Socket::open(&gateway, &half_ref);
    let _ = gateway.claim(DEVICE);
    assert_eq!(socket.closed().0, 4003);
}
