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

/// Where no origin is allowed, nothing else that a browser may be told counts.
fn lets_nobody_in(answer: &Answer) {
    let mut names = answer.headers.keys().map(ToString::to_string);
    assert!(!names.any(|name| name.starts_with("access-control-allow-")), "{answer:?}");
}

fn lets_in(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), ALLOWED);
}

fn from(call: Call, origin: &str) -> Answer {
    call.header("origin", origin).send()
}

#[test]
fn a_page_of_an_allowed_origin_may_ask() {
    let answer = preflight(&gateway(), ALLOWED, "PUT", "token, content-type");
    assert!((200..300).contains(&answer.status), "{answer:?}");
    lets_in(&answer);
}

#[test]
fn a_page_may_send_the_header_token() {
    let answer = preflight(&gateway(), ALLOWED, "POST", "token");
    let allowed = listed(&answer, "access-control-allow-headers");
    for name in ["token", "content-type", "authorization"] {
        assert!(allowed.iter().any(|header| header == name), "{name}");
    }
}

#[test]
fn a_page_may_use_every_method() {
    let answer = preflight(&gateway(), ALLOWED, "DELETE", "token");
    let allowed = listed(&answer, "access-control-allow-methods");
    for name in ["get", "post", "put", "delete"] {
        assert!(allowed.iter().any(|method| method == name), "{name}");
    }
}

#[test]
fn a_page_may_not_send_other_headers() {
    let answer = preflight(&gateway(), ALLOWED, "PUT", "token, x-other");
    let allowed = listed(&answer, "access-control-allow-headers");
    assert!(!allowed.iter().any(|header| header == "x-other" || header == "*"));
}

#[test]
fn no_cookies_are_asked_for() {
    let answer = preflight(&gateway(), ALLOWED, "PUT", "token");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[test]
fn a_page_of_an_allowed_origin_reads_the_answer() {
    let gateway = gateway();
    let body = json!({"channel": "test", "deviceTag": DEVICE});
    let answer = from(gateway.call("PUT", "/token").json(&body), ALLOWED);
    answer.succeeds();
    lets_in(&answer);
}

#[test]
fn a_page_reads_the_request_id_and_when_to_come_back() {
    let answer = from(gateway().call("GET", "/livez"), ALLOWED);
    let exposed = listed(&answer, "access-control-expose-headers");
    for name in ["x-request-id", "retry-after"] {
        assert!(exposed.iter().any(|header| header == name), "{name}");
    }
}

#[test]
fn a_page_of_an_allowed_origin_reads_the_problem() {
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
        lets_in(&answer);
    }
}

#[test]
fn a_page_of_an_allowed_origin_reads_what_is_wrong_with_its_body() {
    let gateway = gateway();
    for (body, problem) in [("{", "malformed-json"), ("{}", "invalid-fields")] {
        let answer = from(gateway.call("PUT", "/token").json_text(body), ALLOWED);
        assert_eq!(answer.problem_name(), problem);
        lets_in(&answer);
    }
}

#[test]
fn a_page_of_an_allowed_origin_reads_that_it_asked_too_often() {
    let gateway = Gateway::builder()
        .flag("--allowed-origin", ALLOWED)
        .flag("--token-requests-per-second", "1")
        .start();
    let refused = (0..1000)
        .map(|_| from(gateway.call("PUT", "/token"), ALLOWED))
        .find(|answer| answer.status == 429);
    lets_in(&refused.expect("a rate"));
}

#[test]
fn a_page_of_an_allowed_origin_reads_that_the_gateway_is_full() {
    let gateway = Gateway::builder().flag("--allowed-origin", ALLOWED).descriptors(300).start();
    let _held = crate::descriptors::fill(&gateway);
    let answer = from(gateway.call("PUT", "/token"), ALLOWED);
    assert_eq!(answer.problem_name(), "out-of-descriptors");
    lets_in(&answer);
}

#[test]
fn every_allowed_origin_is_let_in_by_its_own_name() {
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
fn caches_are_told_that_the_answer_depends_on_the_origin() {
    let gateway = gateway();
    for origin in [ALLOWED, OTHER] {
        let answer = from(gateway.call("GET", "/livez"), origin);
        let varies = listed(&answer, "vary");
        assert!(varies.iter().any(|name| name == "origin"), "{origin}: {varies:?}");
    }
}

#[test]
fn a_page_of_another_origin_may_not_ask() {
    lets_nobody_in(&preflight(&gateway(), OTHER, "PUT", "token"));
}

#[test]
fn a_page_of_another_origin_reads_nothing() {
    let gateway = gateway();
    for path in ["/livez", "/nowhere", "/openapi.json"] {
        lets_nobody_in(&from(gateway.call("GET", path), OTHER));
    }
}

#[test]
fn an_origin_that_only_resembles_an_allowed_one_is_another() {
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
        lets_nobody_in(&from(gateway.call("GET", "/livez"), origin));
    }
}

#[test]
fn nobody_is_let_in_by_default() {
    let gateway = Gateway::trial();
    lets_nobody_in(&preflight(&gateway, ALLOWED, "PUT", "token"));
    lets_nobody_in(&from(gateway.call("GET", "/livez"), ALLOWED));
}

#[test]
fn a_request_that_says_its_origin_is_answered_all_the_same() {
    let gateway = Gateway::trial();
    let body = json!({"channel": "test", "deviceTag": DEVICE});
    let call = gateway.call("PUT", "/token").json(&body);
    from(call, &gateway.url).succeeds();
}

#[test]
fn a_preflight_from_elsewhere_is_a_problem_if_it_is_refused() {
    let answer = preflight(&gateway(), OTHER, "PUT", "token");
    if answer.status >= 400 {
        assert_eq!(answer.problem()["status"], answer.status);
    }
}
