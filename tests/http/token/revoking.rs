//! `DELETE /token` revokes the token, its authorisations and its socket.

use tests::{DEVICE, Gateway, Socket, half_ref};

use super::authorise;

#[test]
fn revoking_is_answered_without_a_body() {
    let gateway = Gateway::trial();
    let answer = gateway.revoke_token(&gateway.token(DEVICE));
    assert_eq!((answer.status, answer.text()), (204, String::new()));
}

#[test]
fn a_revoked_token_does_not_authorise() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(authorise(&gateway, &token).problem_name(), "token-unknown");
}

#[test]
fn revoking_is_repeatable() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(gateway.revoke_token(&token).status, 204);
}

#[test]
fn revoking_an_unknown_token_succeeds() {
    assert_eq!(Gateway::trial().revoke_token(&"x".repeat(64)).status, 204);
}

#[test]
fn revoking_without_a_token_is_refused() {
    let answer = Gateway::trial().call("DELETE", "/token").send();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.problem_name(), "token-missing");
}

#[test]
fn revoking_with_a_malformed_token_is_refused() {
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
fn revoking_closes_the_open_socket() {
    let gateway = Gateway::trial();
    let (token, half_ref) = (gateway.claim(DEVICE), half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    let mut socket = Socket::open(&gateway, &half_ref);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(socket.closed().0, 4003);
}

#[test]
fn revoking_one_test_token_leaves_the_others_valid() {
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
fn a_revoked_token_does_not_renew_a_later_claim() {
    let gateway = Gateway::trial();
    let revoked = gateway.claim(DEVICE);
    assert_eq!(gateway.revoke_token(&revoked).status, 204);
    let _ = gateway.claim(DEVICE);
    let answer = gateway.request_token("browser", DEVICE, Some(&revoked));
    assert_eq!(answer.problem_name(), "device-claimed");
}
