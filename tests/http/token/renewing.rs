//! A device that shows its newest token gets the next one.

use tests::{DEVICE, Gateway, Socket, half_ref};

use super::{authorise, wait_until_expired, with_short_lived_tokens};

#[test]
fn a_token_of_another_device_does_not_renew() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    let foreign = gateway.claim("another");
    let answer = gateway.request_token("browser", DEVICE, Some(&foreign));
    assert_eq!(answer.problem_name(), "device-claimed");
}

#[test]
fn an_invalid_token_header_counts_as_absent() {
    let gateway = Gateway::trial();
    for shown in ["", "short", &"x".repeat(64), &"x".repeat(2000)] {
        let answer = gateway.request_token("browser", &format!("d{}", shown.len()), Some(shown));
        assert_eq!(answer.status, 200, "{shown:?}");
    }
}

#[test]
fn the_newest_token_renews() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    assert_ne!(first, second);
    authorise(&gateway, &second).succeeds();
}

#[test]
fn the_newest_token_renews_through_another_claiming_channel() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    gateway.request_token("ios", DEVICE, Some(&first)).succeeds();
}

#[test]
fn an_expired_newest_token_renews() {
    let gateway = with_short_lived_tokens();
    let first = gateway.claim(DEVICE);
    wait_until_expired(&gateway, &first);
    let second = gateway.request_token("browser", DEVICE, Some(&first));
    authorise(&gateway, &second.token()).succeeds();
}

#[test]
fn the_previous_token_works_until_the_newest_is_used() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    authorise(&gateway, &first).succeeds();
    authorise(&gateway, &second).succeeds();
    assert_eq!(authorise(&gateway, &first).problem_name(), "token-unknown");
}

#[test]
fn a_renewal_whose_answer_was_lost_can_be_repeated() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let renew = || gateway.request_token("browser", DEVICE, Some(&first)).token();
    let lost = renew();
    let arrived = renew();
    authorise(&gateway, &arrived).succeeds();
    assert_eq!(authorise(&gateway, &lost).problem_name(), "token-unknown");
}

#[test]
fn of_two_renewals_at_once_the_first_one_used_ends_the_other() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let renew = || gateway.request_token("browser", DEVICE, Some(&first)).token();
    let (one, other) = (renew(), renew());
    authorise(&gateway, &one).succeeds();
    assert_eq!(authorise(&gateway, &other).problem_name(), "token-unknown");
}

#[test]
fn the_previous_token_does_not_renew_after_the_newest_is_used() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    authorise(&gateway, &second).succeeds();
    let answer = gateway.request_token("browser", DEVICE, Some(&first));
    assert_eq!(answer.problem_name(), "device-claimed");
}

#[test]
fn renewing_counts_as_using_the_token() {
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
