//! Which web pages may call the gateway (CORS).

use serde_json::json;
use tests::{Answer, Call, DEVICE, Gateway};

const ALLOWED: &str = "https://www.example.com";
const OTHER: &str = "https://www.example.org";

fn gateway() -> Gateway {
    Gateway::builder().flag("--allowed-origin", ALLOWED).start()
}

fn preflight(gateway: &Gateway, origin: &str, method: &str, headers: &str) -> Answer {
    gateway
        .call("OPTIONS", "/token")
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers)
        .send()
}

/// What a browser finds in a list, whatever its case and spaces.
fn listed(answer: &Answer, header: &str) -> Vec<String> {
    let list = answer.header(header).to_lowercase();
    list.split(',').map(|name| name.trim().to_owned()).collect()
}

/// Checks that the answer has no header that allows anything.
fn assert_not_allowed(answer: &Answer) {
    let mut names = answer.headers.keys().map(ToString::to_string);
    assert!(!names.any(|name| name.starts_with("access-control-allow-")), "{answer:?}");
}

fn assert_allowed(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), ALLOWED);
}

fn from(call: Call, origin: &str) -> Answer {
    call.header("origin", origin).send()
}

#[test]
fn a_preflight_from_an_allowed_origin_succeeds() {
    let answer = preflight(&gateway(), ALLOWED, "PUT", "token, content-type");
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert_allowed(&answer);
}

#[test]
fn the_request_headers_of_the_contract_are_allowed() {
    let answer = preflight(&gateway(), ALLOWED, "POST", "token");
    let allowed = listed(&answer, "access-control-allow-headers");
    for name in [
        "token",
        "content-type",
        "authorization",
        "idempotency-key",
        "last-event-id",
        "if-none-match",
    ] {
        assert!(allowed.iter().any(|header| header == name), "{name}");
    }
}

#[test]
fn every_method_is_allowed() {
    let answer = preflight(&gateway(), ALLOWED, "DELETE", "token");
    let allowed = listed(&answer, "access-control-allow-methods");
    for name in ["get", "post", "put", "delete"] {
        assert!(allowed.iter().any(|method| method == name), "{name}");
    }
}

#[test]
fn other_headers_are_not_allowed() {
    let answer = preflight(&gateway(), ALLOWED, "PUT", "token, x-other");
    let allowed = listed(&answer, "access-control-allow-headers");
    assert!(!allowed.iter().any(|header| header == "x-other" || header == "*"));
}

#[test]
fn a_preflight_for_another_header_is_refused_and_does_not_blame_the_origin() {
    let answer = preflight(&gateway(), ALLOWED, "PUT", "token, x-other");
    assert_eq!(answer.problem_name(), "bad-request");
    assert!(answer.json()["detail"].as_str().unwrap().contains("idempotency-key"));
}

#[test]
fn a_refused_origin_is_in_the_log_and_the_answer_names_the_setting() {
    let gateway = gateway();
    let answer = preflight(&gateway, OTHER, "PUT", "token");
    assert_eq!(answer.problem_name(), "origin-refused");
    assert!(answer.json()["detail"].as_str().unwrap().contains("--allowed-origin"));
    assert!(
        gateway.log().contains(&format!("origin refused origin={OTHER:?}")),
        "{}",
        gateway.log()
    );
}

#[test]
fn cookies_are_not_allowed() {
    let answer = preflight(&gateway(), ALLOWED, "PUT", "token");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[test]
fn an_allowed_origin_can_read_the_answer() {
    let gateway = gateway();
    let body = json!({"channel": "test", "deviceTag": DEVICE});
    let answer = from(gateway.call("PUT", "/token").json(&body), ALLOWED);
    answer.succeeds();
    assert_allowed(&answer);
}

#[test]
fn request_id_and_retry_after_are_exposed() {
    let answer = from(gateway().call("GET", "/livez"), ALLOWED);
    let exposed = listed(&answer, "access-control-expose-headers");
    for name in ["x-request-id", "retry-after"] {
        assert!(exposed.iter().any(|header| header == name), "{name}");
    }
}

#[test]
fn an_allowed_origin_can_read_problems() {
    let gateway = gateway();
    for (method, path, status) in [
        ("DELETE", "/token", 401),
        ("GET", "/nowhere", 404),
        ("GET", "/token", 405),
        ("PUT", "/token", 415),
        ("GET", "/prospect/socket", 426),
        ("GET", "/swagger-ui/nothing", 404),
    ] {
        let answer = from(gateway.call(method, path), ALLOWED);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_allowed(&answer);
    }
}

#[test]
fn an_allowed_origin_can_read_body_errors() {
    let gateway = gateway();
    for (body, problem) in [("{", "malformed-json"), ("{}", "invalid-fields")] {
        let answer = from(gateway.call("PUT", "/token").json_text(body), ALLOWED);
        assert_eq!(answer.problem_name(), problem);
        assert_allowed(&answer);
    }
}

#[test]
fn an_allowed_origin_can_read_a_429() {
    let gateway = Gateway::builder()
        .flag("--allowed-origin", ALLOWED)
        .flag("--token-requests-per-second", "1")
        .start();
    let refused = (0..1000)
        .map(|_| from(gateway.call("PUT", "/token"), ALLOWED))
        .find(|answer| answer.status == 429);
    assert_allowed(&refused.expect("a rate"));
}

#[test]
fn an_allowed_origin_can_read_a_503() {
    let gateway = crate::descriptors::full_from_one_address(Gateway::builder())
        .flag("--allowed-origin", ALLOWED)
        .descriptors(300)
        .start();
    let _held = crate::descriptors::fill(&gateway);
    let answer = from(gateway.call("PUT", "/token"), ALLOWED);
    assert_eq!(answer.problem_name(), "out-of-descriptors");
    assert_allowed(&answer);
}

#[test]
fn every_allowed_origin_is_named_in_its_answers() {
    let gateway = Gateway::builder()
        .flag("--allowed-origin", ALLOWED)
        .flag("--allowed-origin", OTHER)
        .start();
    for origin in [ALLOWED, OTHER] {
        let answer = from(gateway.call("GET", "/livez"), origin);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
    }
}

#[test]
fn answers_vary_by_origin() {
    let gateway = gateway();
    for origin in [ALLOWED, OTHER] {
        let answer = from(gateway.call("GET", "/livez"), origin);
        let varies = listed(&answer, "vary");
        assert!(varies.iter().any(|name| name == "origin"), "{origin}: {varies:?}");
    }
}

#[test]
fn a_preflight_from_another_origin_is_refused() {
    assert_not_allowed(&preflight(&gateway(), OTHER, "PUT", "token"));
}

#[test]
fn another_origin_cannot_read_the_answer() {
    let gateway = gateway();
    for path in ["/livez", "/nowhere", "/openapi.json"] {
        assert_not_allowed(&from(gateway.call("GET", path), OTHER));
    }
}

#[test]
fn a_similar_origin_is_not_allowed() {
    let gateway = gateway();
    for origin in [
        "http://www.example.com",
        "https://www.example.com:8443",
        "https://www.example.com.example.org",
        "https://example.com",
        "null",
        "*",
        "",
    ] {
        assert_not_allowed(&from(gateway.call("GET", "/livez"), origin));
    }
}

#[test]
fn no_origin_is_allowed_by_default() {
    let gateway = Gateway::trial();
    assert_not_allowed(&preflight(&gateway, ALLOWED, "PUT", "token"));
    assert_not_allowed(&from(gateway.call("GET", "/livez"), ALLOWED));
}

#[test]
fn a_request_from_another_origin_is_answered() {
    let gateway = Gateway::trial();
    let body = json!({"channel": "test", "deviceTag": DEVICE});
    let call = gateway.call("PUT", "/token").json(&body);
    from(call, &gateway.url).succeeds();
}

#[test]
fn a_refused_preflight_is_a_problem() {
    let answer = preflight(&gateway(), OTHER, "PUT", "token");
    if answer.status >= 400 {
        assert_eq!(answer.problem()["status"], answer.status);
    }
}
