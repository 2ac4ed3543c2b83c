//! One connection and many requests: a refusal does not cost the client its connection.

use serde_json::json;
use tests::{Connection, DEVICE, Gateway, connection::request, half_ref};

const JSON: (&str, &str) = ("content-type", "application/json");

fn is_still_answered(connection: &mut Connection) {
    connection.ask("GET /livez", &[], "").succeeds();
}

#[test]
fn a_request_without_a_token_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let body = "x".repeat(16 * 1024);
    let answer = connection.ask("POST /prospect/connectsocket", &[JSON], body);
    assert_eq!(answer.status, 401);
    is_still_answered(&mut connection);
}

#[test]
fn an_operator_without_a_key_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let answer = connection.ask("POST /operator/prospects/a/token", &[JSON], "{}");
    assert_eq!(answer.status, 401);
    is_still_answered(&mut connection);
}

#[test]
fn a_token_of_another_device_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let token = gateway.token("another");
    let body = json!({"halfRef": half_ref(), "deviceTag": DEVICE}).to_string();
    let headers = [JSON, ("token", token.as_str())];
    let answer = connection.ask("POST /prospect/connectsocket", &headers, body);
    assert_eq!(answer.status, 403);
    is_still_answered(&mut connection);
}

#[test]
fn an_unknown_path_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let answer = connection.ask("POST /nowhere", &[JSON], "{}");
    assert_eq!(answer.status, 404);
    is_still_answered(&mut connection);
}

#[test]
fn a_wrong_method_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    assert_eq!(connection.ask("POST /token", &[JSON], "{}").status, 405);
    is_still_answered(&mut connection);
}

#[test]
fn a_wrong_content_type_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    assert_eq!(connection.ask("PUT /token", &[], "{}").status, 415);
    is_still_answered(&mut connection);
}

#[test]
fn malformed_json_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    assert_eq!(connection.ask("PUT /token", &[JSON], "{").status, 400);
    is_still_answered(&mut connection);
}

#[test]
fn a_field_that_breaks_a_rule_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    assert_eq!(connection.ask("PUT /token", &[JSON], "{}").status, 422);
    is_still_answered(&mut connection);
}

#[test]
fn a_claimed_device_keeps_the_connection() {
    let gateway = Gateway::trial();
    let _ = gateway.claim(DEVICE);
    let mut connection = Connection::open(&gateway);
    let body = json!({"channel": "browser", "deviceTag": DEVICE}).to_string();
    assert_eq!(connection.ask("PUT /token", &[JSON], body).status, 409);
    is_still_answered(&mut connection);
}

#[test]
fn an_exceeded_rate_keeps_the_connection() {
    let gateway = Gateway::builder().flag("--token-requests-per-second", "1").start();
    let mut connection = Connection::open(&gateway);
    let refused = (0..100).any(|_| connection.ask("PUT /token", &[JSON], "{}").status == 429);
    assert!(refused);
    is_still_answered(&mut connection);
}

#[test]
fn a_socket_request_without_an_upgrade_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    assert_eq!(connection.ask("GET /prospect/socket", &[], "").status, 426);
    is_still_answered(&mut connection);
}

#[test]
fn an_unneeded_body_keeps_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    for _ in 0..3 {
        connection.ask("GET /livez", &[], "a body").succeeds();
    }
}

#[test]
fn many_refusals_keep_the_connection() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    for _ in 0..100 {
        let answer = connection.ask("POST /prospect/connectsocket", &[JSON], "{}");
        assert_eq!(answer.status, 401);
    }
    is_still_answered(&mut connection);
}

#[test]
fn connection_close_is_honoured() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    connection.ask("GET /livez", &[("connection", "close")], "").succeeds();
    connection.closed();
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_refused() {
    let gateway = Gateway::builder().flag("--body-timeout", "200ms").start();
    let mut connection = Connection::open(&gateway);
    let headers = [JSON, ("content-length", "100")];
    let answer = connection.ask("PUT /token", &headers, r#"{"channel": "#);
    assert_eq!(answer.status, 408);
    assert_eq!(answer.problem_name(), "request-timeout");
}

#[test]
fn an_unneeded_body_is_not_awaited_for_ever() {
    let gateway = Gateway::builder().flag("--body-timeout", "200ms").start();
    for path in ["/livez", "/readyz", "/openapi.json", "/openapi-3.0.json"] {
        let mut connection = Connection::open(&gateway);
        let answer = connection.ask(&format!("GET {path}"), &[("content-length", "100")], "x");
        assert_eq!(answer.status, 408, "{path}");
    }
}

#[test]
fn a_connection_whose_body_did_not_arrive_is_closed() {
    let gateway = Gateway::builder().flag("--body-timeout", "200ms").start();
    let mut connection = Connection::open(&gateway);
    let _ = connection.ask("PUT /token", &[JSON, ("content-length", "100")], "{");
    connection.closed();
}

#[test]
fn expect_100_continue_is_answered() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let body = json!({"channel": "test", "deviceTag": DEVICE}).to_string();
    let length = body.len().to_string();
    let headers = [JSON, ("expect", "100-continue"), ("content-length", &*length)];
    connection.send(request("PUT /token", &headers, ""));
    assert_eq!(connection.answer_without_body().status, 100);
    connection.send(body);
    connection.answer().succeeds();
}

#[test]
fn a_body_over_every_limit_is_refused_before_it_is_sent() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let framing = [JSON, ("expect", "100-continue"), ("content-length", "1000000")];
    for (headers, status) in [(vec![], 401), (vec![("token", token.as_str())], 413)] {
        let headers = [&framing[..], &headers].concat();
        let mut connection = Connection::open(&gateway);
        let answer = connection.ask("POST /prospect/connectsocket", &headers, "");
        assert_eq!(answer.status, status);
        connection.closed();
    }
}

#[test]
fn a_body_over_the_limit_of_its_route_is_not_awaited() {
    let gateway = Gateway::trial();
    let headers = [JSON, ("expect", "100-continue"), ("content-length", "20000")];
    let mut connection = Connection::open(&gateway);
    connection.send(request("PUT /token", &headers, ""));
    assert_eq!(connection.answer_without_body().status, 100);
    assert_eq!(connection.answer().problem_name(), "body-too-large");
}

#[test]
fn an_encoded_body_is_refused() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let answer = connection.ask("PUT /token", &[JSON, ("content-encoding", "gzip")], "\x1f\u{8b}");
    assert_eq!(answer.problem_name(), "unsupported-media-type");
    assert_eq!(answer.header("accept-encoding"), "identity");
    let body = json!({"channel": "test", "deviceTag": DEVICE}).to_string();
    connection.ask("PUT /token", &[JSON, ("content-encoding", "identity")], body).succeeds();
}

#[test]
fn a_request_without_exactly_one_valid_host_is_refused() {
    let gateway = Gateway::trial();
    for hosts in
        ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: user@a\r\n", "Host: a/b\r\n"]
    {
        let mut connection = Connection::open(&gateway);
        connection.send(format!("GET /livez HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(connection.answer().status, 400, "{hosts:?}");
    }
    for hosts in ["Host: a\r\n", "Host: [::1]:8080\r\n", "Host: a_b:80\r\n", "Host:\r\n"] {
        let mut connection = Connection::open(&gateway);
        connection.send(format!("GET /livez HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(connection.answer().status, 200, "{hosts:?}");
    }
}

#[test]
fn http_1_0_needs_no_host_and_gets_no_chunks() {
    let gateway = Gateway::trial();
    let key = &gateway.operator_key;
    let mut connection = Connection::open(&gateway);
    connection
        .send(format!("GET /operator/events HTTP/1.0\r\nauthorization: Bearer {key}\r\n\r\n"));
    let answer = connection.answer_without_body();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("transfer-encoding"), "");
    assert_eq!(answer.header("content-length"), "");
    assert_eq!(connection.bytes(), *b":\n\n");
}

#[test]
fn head_of_the_event_stream_announces_no_length() {
    let gateway = Gateway::trial();
    let key = format!("Bearer {}", gateway.operator_key);
    let mut connection = Connection::open(&gateway);
    let head = connection.ask("HEAD /operator/events", &[("authorization", key.as_str())], "");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), "");
    is_still_answered(&mut connection);
}

#[test]
fn head_is_answered_like_get() {
    let gateway = Gateway::trial();
    let key = format!("Bearer {}", gateway.operator_key);
    for path in [
        "/livez",
        "/readyz",
        "/openapi.json",
        "/openapi-3.0.json",
        "/swagger-ui/",
        "/swagger-ui/swagger-ui.css",
        "/",
        "/swagger-ui",
    ] {
        let mut connection = Connection::open(&gateway);
        let headers = [("authorization", key.as_str())];
        let head = connection.ask(&format!("HEAD {path}"), &headers, "");
        let get = connection.ask(&format!("GET {path}"), &headers, "");
        assert!(get.status < 400, "{path}");
        assert_eq!(head.status, get.status, "{path}");
        for name in ["content-type", "content-length", "etag", "location", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[test]
fn head_of_the_metrics_has_no_body() {
    let gateway = Gateway::trial();
    let key = format!("Bearer {}", gateway.operator_key);
    let mut connection = Connection::open(&gateway);
    let head = connection.ask("HEAD /metrics", &[("authorization", key.as_str())], "");
    assert_eq!(head.status, 200);
    is_still_answered(&mut connection);
}

#[test]
fn head_of_a_refusal_has_no_body() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    for (path, status) in [("/nowhere", 404), ("/token", 405), ("/metrics", 401)] {
        let head = connection.ask(&format!("HEAD {path}"), &[], "");
        assert_eq!(head.status, status, "{path}");
        assert_eq!(head.header("content-type"), "application/problem+json");
        is_still_answered(&mut connection);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let mut both = request("GET /readyz", &[], "");
    both.extend(request("GET /nowhere", &[], ""));
    connection.send(both);
    assert_eq!(connection.answer().status, 200);
    assert_eq!(connection.answer().status, 404);
}

#[test]
fn a_pipelined_request_after_a_refused_body_is_answered() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let mut both = request("POST /prospect/connectsocket", &[JSON], "{}");
    both.extend(request("GET /livez", &[], ""));
    connection.send(both);
    assert_eq!(connection.answer().status, 401);
    assert_eq!(connection.answer().status, 200);
}

#[test]
fn a_connection_serves_requests_after_refusals() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let body = json!({"channel": "test", "deviceTag": DEVICE}).to_string();
    assert_eq!(connection.ask("PUT /token", &[], &body).status, 415);
    assert_eq!(connection.ask("PUT /token", &[JSON], "[]").status, 422);
    connection.ask("PUT /token", &[JSON], &body).succeeds();
}
