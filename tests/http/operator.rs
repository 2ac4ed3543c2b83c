//! `POST /operator/prospects/{deviceTag}/token`.

use tests::{Connection, DEVICE, Gateway, half_ref};

fn route(device: &str) -> String {
    format!("/operator/prospects/{device}/token")
}

#[test]
fn a_key_is_needed() {
    let answer = Gateway::trial().call("POST", &route(DEVICE)).send();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.problem_name(), "operator-key-unknown");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[test]
fn another_key_is_refused() {
    let gateway = Gateway::trial();
    let key = gateway.operator_key.as_str();
    for wrong in [&"x".repeat(key.len()), &key[1..], &format!("{key}x"), "", &key.to_uppercase()] {
        let answer = gateway.issue_token(wrong, DEVICE);
        assert_eq!(answer.problem_name(), "operator-key-unknown", "{wrong}");
    }
}

#[test]
fn a_key_in_another_scheme_is_refused() {
    let gateway = Gateway::trial();
    for scheme in ["Basic ", "Token ", ""] {
        let shown = format!("{scheme}{}", gateway.operator_key);
        let call = gateway.call("POST", &route(DEVICE));
        let answer = call.header("authorization", &shown).send();
        assert_eq!(answer.problem_name(), "operator-key-unknown", "{scheme}");
    }
}

#[test]
fn the_scheme_takes_any_case() {
    let gateway = Gateway::trial();
    let shown = format!("bEARER {}", gateway.operator_key);
    let call = gateway.call("POST", &route(DEVICE));
    call.header("authorization", &shown).send().succeeds();
}

#[test]
fn a_prospects_token_is_refused_as_a_key() {
    let gateway = Gateway::trial();
    let answer = gateway.issue_token(&gateway.token(DEVICE), DEVICE);
    assert_eq!(answer.problem_name(), "operator-key-unknown");
}

#[test]
fn an_issued_token_works_for_an_unclaimed_device() {
    let gateway = Gateway::trial();
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    gateway.connect_socket(&token, DEVICE, &half_ref()).succeeds();
}

#[test]
fn an_issued_token_works_for_a_claimed_device() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    gateway.connect_socket(&token, DEVICE, &half_ref()).succeeds();
}

#[test]
fn the_previous_token_works_until_the_issued_one_is_used() {
    let gateway = Gateway::trial();
    let before = gateway.claim(DEVICE);
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    gateway.connect_socket(&before, DEVICE, &half_ref()).succeeds();
    gateway.connect_socket(&token, DEVICE, &half_ref()).succeeds();
    let answer = gateway.connect_socket(&before, DEVICE, &half_ref());
    assert_eq!(answer.problem_name(), "token-unknown");
}

#[test]
fn an_issued_token_claims_the_device() {
    let gateway = Gateway::trial();
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    let stranger = gateway.request_token("browser", DEVICE, None);
    assert_eq!(stranger.problem_name(), "device-claimed");
    gateway.request_token("browser", DEVICE, Some(&token)).succeeds();
}

#[test]
fn an_invalid_device_tag_is_not_found() {
    let gateway = Gateway::trial();
    let long = "x".repeat(129);
    for tag in ["a%20b", "a%2Fb", "%2e", "%2e%2e", "%C3%A9", "%FF", "%00", "a!b", &long] {
        let answer = gateway.issue_token(&gateway.operator_key, tag);
        assert_eq!(answer.status, 404, "{tag}");
        assert_eq!(answer.problem_name(), "not-found", "{tag}");
    }
}

#[test]
fn an_invalid_device_tag_without_a_key_is_401() {
    let answer = Gateway::trial().call("POST", &route("a%20b")).send();
    assert_eq!(answer.problem_name(), "operator-key-unknown");
}

#[test]
fn a_device_tag_can_be_percent_encoded() {
    let gateway = Gateway::trial();
    for (tag, encoded) in [
        ("a@b", "a%40b"),
        ("a+b", "a%2Bb"),
        ("a=b", "a%3Db"),
        ("a:b~c", "a%3Ab%7Ec"),
        ("...", "%2e%2e%2e"),
        ("abc", "%61%62%63"),
    ] {
        let token = gateway.issue_token(&gateway.operator_key, encoded).token();
        let answer = gateway.connect_socket(&token, tag, &half_ref());
        assert_eq!(answer.status, 200, "{tag}");
    }
}

#[test]
fn a_device_tag_needs_no_percent_encoding() {
    let gateway = Gateway::trial();
    let tag = "A-z_0.9:@~+=";
    let token = gateway.issue_token(&gateway.operator_key, tag).token();
    gateway.connect_socket(&token, tag, &half_ref()).succeeds();
}

#[test]
fn a_device_tag_of_128_characters_is_accepted() {
    let gateway = Gateway::trial();
    let answer = gateway.issue_token(&gateway.operator_key, &"x".repeat(128));
    assert_eq!(answer.status, 200);
}

#[test]
fn a_body_is_ignored() {
    let gateway = Gateway::trial();
    let key = format!("Bearer {}", gateway.operator_key);
    let mut connection = Connection::open(&gateway);
    for body in ["", "{}", "not JSON"] {
        let headers = [("authorization", key.as_str())];
        connection.ask(&format!("POST {}", route(DEVICE)), &headers, body).succeeds();
    }
}
