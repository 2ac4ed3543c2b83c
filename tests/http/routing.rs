//! Paths, methods and upgrades, and requests that are not HTTP.

use serde_json::json;
use tests::{Connection, DEVICE, Gateway, connection};

#[test]
fn an_unknown_path_is_not_found() {
    let gateway = Gateway::trial();
    for path in ["/tokens", "/token/", "/prospect", "/operator", "//token", "/*"] {
        let answer = gateway.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.problem_name(), "not-found");
    }
}

#[test]
fn a_wrong_method_is_answered_with_the_allowed_ones() {
    let gateway = Gateway::trial();
    for (method, path, allowed) in [
        ("GET", "/token", "PUT, DELETE"),
        ("HEAD", "/token", "PUT, DELETE"),
        ("POST", "/token", "PUT, DELETE"),
        ("OPTIONS", "/token", "PUT, DELETE"),
        ("GET", "/prospect/connectsocket", "POST"),
        ("PATCH", "/prospect/connectsocket", "POST"),
        ("POST", "/prospect/socket", "GET, HEAD"),
        ("GET", "/operator/prospects/a/token", "POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("DELETE", "/readyz", "GET, HEAD"),
        ("PUT", "/metrics", "GET, HEAD"),
        ("PUT", "/openapi.json", "GET, HEAD"),
        ("BREW", "/openapi-3.0.json", "GET, HEAD"),
        ("POST", "/swagger-ui/", "GET, HEAD"),
        ("POST", "/swagger-ui", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ] {
        let answer = gateway.call(method, path).send();
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
    }
}

#[test]
fn a_wrong_method_is_a_problem() {
    let answer = Gateway::trial().call("POST", "/livez").send();
    assert_eq!(answer.problem_name(), "method-not-allowed");
}

#[test]
fn bytes_that_are_not_http_are_a_bad_request() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    connection.send("this is not HTTP\r\n\r\n");
    assert_eq!(connection.answer().status, 400);
    connection.closed();
}

#[test]
fn a_socket_request_without_an_upgrade_is_refused() {
    let answer = Gateway::trial().get("/prospect/socket");
    assert_eq!(answer.status, 426);
    assert_eq!(answer.problem_name(), "upgrade-required");
    assert_eq!(answer.header("upgrade"), "websocket");
}

#[test]
fn an_offer_of_http2_is_ignored() {
    let gateway = Gateway::trial();
    let headers = [
        ("connection", "Upgrade, HTTP2-Settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ];
    Connection::open(&gateway).ask("GET /livez", &headers, "").succeeds();
}

#[test]
fn an_offer_of_http2_with_a_body_is_ignored() {
    let gateway = Gateway::trial();
    let headers = [
        ("content-type", "application/json"),
        ("connection", "Upgrade, HTTP2-Settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ];
    let body = json!({"channel": "test", "deviceTag": DEVICE}).to_string();
    Connection::open(&gateway).ask("PUT /token", &headers, body).succeeds();
}

#[test]
fn two_content_lengths_are_refused() {
    let gateway = Gateway::trial();
    let headers = [("content-length", "2"), ("content-length", "3")];
    let mut connection = Connection::open(&gateway);
    connection.send(connection::request("PUT /token", &headers, "{}"));
    assert_eq!(connection.answer().status, 400);
}

#[test]
fn a_request_head_over_the_maximum_is_refused() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    connection.send("GET /livez HTTP/1.1\r\nx-large: ");
    // The gateway may have had enough before all is sent.
    let _ = connection.try_send("x".repeat(1_000_000));
    assert!((400..500).contains(&connection.answer().status));
}
