//! `POST /prospect/connectsocket`.

use std::{thread, time::Duration};

use serde_json::json;
use tests::{Answer, Connection, DEVICE, Gateway, Socket, gateway::eventually, half_ref, tools};

fn ask(gateway: &Gateway, token: &str, body: &serde_json::Value) -> Answer {
    gateway.call("POST", "/prospect/connectsocket").header("token", token).json(body).send()
}

/// The answer to an authorisation with this `linkinjected`.
fn with_link(link: &serde_json::Value) -> Answer {
    let gateway = Gateway::trial();
    let body = json!({"halfRef": half_ref(), "deviceTag": DEVICE, "linkinjected": link});
    ask(&gateway, &gateway.token(DEVICE), &body)
}

#[test]
fn an_authorisation_is_answered_as_the_document_says() {
    let gateway = Gateway::trial();
    let answer = gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref());
    assert_eq!(answer.ok(), json!({"success": true}));
    assert_eq!(answer.header("content-type"), "application/json");
}

/// The snippet as it is printed, but for the base URL and the token.
#[test]
#[ignore = "needs curl"]
fn the_documents_curl_snippet_works() {
    const SNIPPET: &str = r#"curl --location "AMPLIFI_BASE_URL/prospect/connectsocket" --data "{    \"halfRef\":\"l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t\",   \"deviceTag\":\"my_deviceTag\"  }" --header "Content-Type: application/json" --header "token: A long random string token received from /token request""#;
    let gateway = Gateway::trial();
    let snippet = SNIPPET
        .replace("AMPLIFI_BASE_URL", &gateway.url)
        .replace("A long random string token received from /token request", &gateway.token(DEVICE));
    let printed = tools::succeed(std::process::Command::new("sh").arg("-c").arg(snippet), "");
    assert_eq!(printed, r#"{"success":true}"#);
}

#[test]
fn header_names_are_case_insensitive() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let body = json!({"halfRef": half_ref(), "deviceTag": DEVICE}).to_string();
    let headers = [("TOKEN", token.as_str()), ("Content-Type", "Application/JSON; charset=utf-8")];
    Connection::open(&gateway).ask("POST /prospect/connectsocket", &headers, body).succeeds();
}

#[test]
fn the_same_request_is_repeatable() {
    let gateway = Gateway::trial();
    let (token, half_ref) = (gateway.token(DEVICE), half_ref());
    for _ in 0..5 {
        gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    }
    Socket::open(&gateway, &half_ref).hello();
}

#[test]
fn a_half_ref_is_repeatable_with_another_token_of_the_device() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    for token in [gateway.token(DEVICE), gateway.token(DEVICE)] {
        gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    }
}

#[test]
fn a_half_ref_is_repeatable_with_another_linkinjected() {
    let gateway = Gateway::trial();
    let (token, half_ref) = (gateway.token(DEVICE), half_ref());
    for link in [json!("one"), json!("other"), json!(null)] {
        let body = json!({"halfRef": half_ref, "deviceTag": DEVICE, "linkinjected": link});
        ask(&gateway, &token, &body).succeeds();
    }
}

#[test]
fn an_expired_half_ref_can_be_authorised_again() {
    let gateway = Gateway::builder().flag("--authorisation-ttl", "1s").start();
    let (token, half_ref) = (gateway.token(DEVICE), half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    thread::sleep(Duration::from_millis(1100));
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    Socket::open(&gateway, &half_ref).hello();
}

#[test]
fn a_fourth_open_authorisation_replaces_the_oldest() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let half_refs = [half_ref(), half_ref(), half_ref(), half_ref()];
    for half_ref in &half_refs {
        gateway.connect_socket(&token, DEVICE, half_ref).succeeds();
    }
    assert_eq!(Socket::open(&gateway, &half_refs[0]).closed().0, 4002);
    for half_ref in &half_refs[1..] {
        Socket::open(&gateway, half_ref).hello();
    }
}

#[test]
fn a_repeated_request_does_not_count_twice() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let half_refs = [half_ref(), half_ref(), half_ref()];
    for half_ref in half_refs.iter().chain(&half_refs) {
        gateway.connect_socket(&token, DEVICE, half_ref).succeeds();
    }
}

#[test]
fn an_opened_socket_makes_room_for_an_authorisation() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let half_refs = [half_ref(), half_ref(), half_ref()];
    for half_ref in &half_refs {
        gateway.connect_socket(&token, DEVICE, half_ref).succeeds();
    }
    Socket::open(&gateway, &half_refs[0]).hello();
    gateway.connect_socket(&token, DEVICE, &half_ref()).succeeds();
}

#[test]
fn open_authorisations_are_counted_per_device() {
    let gateway = Gateway::builder().flag("--open-authorisations", "1").start();
    for device in ["one", "other"] {
        let token = gateway.token(device);
        gateway.connect_socket(&token, device, &half_ref()).succeeds();
    }
}

#[test]
fn a_device_over_its_rate_gets_a_retry_after() {
    let gateway = Gateway::builder().flag("--authorisations-per-second", "1").start();
    let (token, half_ref) = (gateway.token(DEVICE), half_ref());
    let refused = (0..100)
        .map(|_| gateway.connect_socket(&token, DEVICE, &half_ref))
        .find(|answer| answer.status != 200)
        .expect("a refusal");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.problem_name(), "too-many-authorisations");
    assert_eq!(refused.header("retry-after"), "1");
}

#[test]
fn the_rate_is_per_device() {
    let gateway = Gateway::builder().flag("--authorisations-per-second", "1").start();
    let (token, half_ref) = (gateway.token(DEVICE), half_ref());
    let refused = (0..100).any(|_| gateway.connect_socket(&token, DEVICE, &half_ref).status == 429);
    assert!(refused);
    let answer = gateway.connect_socket(&gateway.token("other"), "other", &tests::half_ref());
    assert_eq!(answer.status, 200);
}

#[test]
fn a_token_of_another_device_is_refused() {
    let gateway = Gateway::trial();
    let answer = gateway.connect_socket(&gateway.token("another"), DEVICE, &half_ref());
    assert_eq!(answer.status, 403);
    assert_eq!(answer.problem_name(), "device-mismatch");
}

#[test]
fn a_spent_half_ref_is_refused() {
    let gateway = Gateway::trial();
    let (token, half_ref) = (gateway.token(DEVICE), half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    let _socket = Socket::open(&gateway, &half_ref);
    let answer = gateway.connect_socket(&token, DEVICE, &half_ref);
    assert_eq!(answer.status, 409);
    assert_eq!(answer.problem_name(), "half-ref-spent");
}

#[test]
fn a_half_ref_of_another_device_is_refused() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token("another"), "another", &half_ref).succeeds();
    let answer = gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref);
    assert_eq!(answer.status, 409);
    assert_eq!(answer.problem_name(), "half-ref-foreign");
}

#[test]
fn a_spent_half_ref_of_another_device_is_foreign() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token("another"), "another", &half_ref).succeeds();
    let _socket = Socket::open(&gateway, &half_ref);
    let answer = gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref);
    assert_eq!(answer.problem_name(), "half-ref-foreign");
}

#[test]
fn a_missing_token_is_reported_before_the_body() {
    let answer = Gateway::trial().call("POST", "/prospect/connectsocket").body("{").send();
    assert_eq!(answer.problem_name(), "token-missing");
    assert_eq!(answer.header("www-authenticate"), "Token");
}

#[test]
fn a_malformed_token_is_reported_before_the_body() {
    let gateway = Gateway::trial();
    let call = gateway.call("POST", "/prospect/connectsocket");
    let answer = call.header("token", "not-a-token").body("{").send();
    assert_eq!(answer.problem_name(), "token-malformed");
}

#[test]
fn an_unknown_token_is_reported_before_the_body() {
    let gateway = Gateway::trial();
    let call = gateway.call("POST", "/prospect/connectsocket");
    let answer = call.header("token", &"x".repeat(64)).body("{").send();
    assert_eq!(answer.problem_name(), "token-unknown");
}

#[test]
fn an_expired_token_is_reported_before_the_body() {
    let gateway = Gateway::builder().flag("--token-ttl", "1s").start();
    let token = gateway.token(DEVICE);
    let call = || gateway.call("POST", "/prospect/connectsocket");
    eventually("the token expires", || {
        let answer = call().header("token", &token).json_text("{").send();
        answer.problem_name() == "token-expired"
    });
}

#[test]
fn a_missing_token_is_reported_before_a_body_too_large() {
    let gateway = Gateway::trial();
    let call = gateway.call("POST", "/prospect/connectsocket");
    let answer = call.json_text(" ".repeat(20_000)).send();
    assert_eq!(answer.problem_name(), "token-missing");
}

#[test]
fn two_tokens_are_malformed() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let answer = gateway
        .call("POST", "/prospect/connectsocket")
        .header("token", &token)
        .header("token", &token)
        .json(&json!({"halfRef": half_ref(), "deviceTag": DEVICE}))
        .send();
    assert_eq!(answer.problem_name(), "token-malformed");
}

#[test]
fn a_body_that_is_refused_does_not_use_the_token() {
    let gateway = Gateway::trial();
    let first = gateway.claim(DEVICE);
    let second = gateway.request_token("browser", DEVICE, Some(&first)).token();
    assert_eq!(ask(&gateway, &second, &json!({})).status, 422);
    gateway.connect_socket(&first, DEVICE, &half_ref()).succeeds();
}

#[test]
fn linkinjected_can_be_null() {
    with_link(&json!(null)).succeeds();
}

#[test]
fn linkinjected_can_be_empty() {
    with_link(&json!("")).succeeds();
}

#[test]
fn linkinjected_can_be_any_text() {
    with_link(&json!("javascript:alert(1) — ŧêxt \u{1f680} \u{0}")).succeeds();
}

#[test]
fn linkinjected_has_at_most_2048_characters() {
    with_link(&json!("é".repeat(2048))).succeeds();
    assert_eq!(with_link(&json!("é".repeat(2049))).field_errors(), ["/linkinjected length"]);
}

#[test]
fn linkinjected_that_is_not_a_string_is_refused() {
    assert_eq!(with_link(&json!(7)).field_errors(), ["/linkinjected type"]);
}
