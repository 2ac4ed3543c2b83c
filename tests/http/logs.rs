//! What is logged: every request, and never a secret.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::{Connection, DEVICE, Gateway, Prospect, Socket, half_ref, socket};
use tungstenite::Message;

use crate::OPERATOR_KEY;

/// The secrets of a test, which no log may contain.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn keep(&mut self, secret: String) -> String {
        self.0.insert(BASE64_URL_SAFE_NO_PAD.encode(&secret));
        self.0.insert(secret.clone());
        secret
    }

    /// One that opens nothing.
    fn wrong(&mut self, form: &str) -> String {
        let unique = half_ref().replace("half-ref-", form);
        self.keep(unique.chars().take(64).collect())
    }
}

/// Every operation with its secrets, right and wrong ones.
fn converse(gateway: &Gateway, key: &str) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.keep(key.to_owned());

    let token = secrets.keep(gateway.claim(DEVICE));
    let token = secrets.keep(gateway.request_token("ios", DEVICE, Some(&token)).token());
    let issued = secrets.keep(gateway.issue_token(key, "issued").token());
    let half_ref = secrets.keep(half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    let mut open = Socket::open(gateway, &half_ref);
    open.hello();
    open.send(Message::text(r#"{"type":"ping"}"#));
    assert_eq!(open.frame()["type"], "pong");
    assert_eq!(gateway.connect_socket(&token, DEVICE, &half_ref).status, 409);
    assert_eq!(gateway.connect_socket(&issued, DEVICE, &half_ref).status, 403);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(open.closed().0, 4003);
    assert_eq!(Socket::open(gateway, &half_ref).closed().0, 4001);

    wrong_headers(gateway, &mut secrets);
    wrong_places(gateway, &mut secrets);
    wrong_bodies(gateway, &mut secrets);
    wrong_handshakes(gateway, &mut secrets);
    wrong_frames(gateway, &mut secrets);
    wrong_http(gateway, &mut secrets);
    secrets
}

fn wrong_headers(gateway: &Gateway, secrets: &mut Secrets) {
    for form in ["", "not a token "] {
        let token = secrets.wrong(form);
        assert_eq!(gateway.connect_socket(&token, DEVICE, &half_ref()).status, 401);
        let _ = gateway.revoke_token(&token);
        let _ = gateway.request_token("browser", "another", Some(&token));
        assert_eq!(gateway.issue_token(&token, DEVICE).status, 401);
    }
    for scheme in ["Basic ", "Bearer", ""] {
        let shown = format!("{scheme}{}", secrets.wrong("k"));
        let call = gateway.call("GET", "/metrics");
        assert_eq!(call.header("authorization", &shown).send().status, 401);
    }
    for name in
        ["cookie", "x-forwarded-for", "x-request-id", "origin", "content-type", "user-agent"]
    {
        let _ = gateway.call("PUT", "/token").header(name, &secrets.wrong("h")).send();
    }
}

fn wrong_places(gateway: &Gateway, secrets: &mut Secrets) {
    for path in [
        "/token?token=",
        "/prospect/connectsocket?halfRef=",
        "/prospect/socket?halfRef=",
        "/livez?key=",
        "/openapi.json?key=",
        "/nowhere/",
        "/swagger-ui/",
        "/operator/prospects/",
    ] {
        let secret = secrets.wrong("p");
        let _ = gateway.get(&format!("{path}{secret}"));
        let _ = gateway.call("POST", &format!("{path}{secret}")).send();
    }
}

fn wrong_bodies(gateway: &Gateway, secrets: &mut Secrets) {
    let token = secrets.keep(gateway.claim("bodies"));
    let secret = &secrets.wrong("b");
    for body in [
        format!(r#"{{"halfRef": "{secret}"#),
        format!(r#"{{"halfRef": {secret}}}"#),
        format!(r#"{{"halfRef": "{secret}"}}"#),
        format!(r#"{{"halfRef": ["{secret}"], "deviceTag": "bodies"}}"#),
        format!(r#"{{"halfRef": "{secret}", "halfRef": "{secret}", "deviceTag": "bodies"}}"#),
        format!(r#"{{"halfRef": "{secret} ", "deviceTag": "bodies"}}"#),
        format!(r#"{{"halfRef": "{secret}", "deviceTag": "bodies", "{secret}": 1}}"#),
        format!(r#"["{secret}", "bodies"]"#),
        format!(r#"{{"channel": "{secret}", "deviceTag": "bodies"}}"#),
        format!(
            r#"{{"channel": "test", "deviceTag": "bodies", "deviceData": {{"{secret}": "{secret}"}}}}"#
        ),
        secret.clone(),
    ] {
        for (method, path) in [("POST", "/prospect/connectsocket"), ("PUT", "/token")] {
            let call = gateway.call(method, path).header("token", &token);
            let answer = call.json_text(body.as_str()).send();
            assert!((400..500).contains(&answer.status), "{body}");
        }
    }
    let body = json!({"halfRef": half_ref(), "deviceTag": "bodies", "linkinjected": secret});
    let call = gateway.call("POST", "/prospect/connectsocket");
    call.header("token", &token).json(&body).send().succeeds();
}

fn wrong_handshakes(gateway: &Gateway, secrets: &mut Secrets) {
    let secret = secrets.wrong("s");
    let encoded = BASE64_URL_SAFE_NO_PAD.encode(&secret);
    for protocols in [
        format!("prospect.v1, halfref.{encoded}"),
        format!("prospect.v1, halfref.{secret}!"),
        format!("prospect.v1, {secret}"),
        format!("halfref.{encoded}"),
        format!("prospect.v1, halfref.{encoded}, halfref.{encoded}"),
    ] {
        let mut handshake = socket::handshake(gateway, &secret);
        socket::set(&mut handshake, "sec-websocket-protocol", &protocols);
        assert!(Socket::try_open(gateway, handshake).is_err(), "{protocols}");
    }
    let mut handshake = socket::handshake(gateway, &secret);
    socket::set(&mut handshake, "origin", &format!("https://{secret}"));
    assert!(Socket::try_open(gateway, handshake).is_err());
}

fn wrong_frames(gateway: &Gateway, secrets: &mut Secrets) {
    let token = secrets.keep(gateway.claim("frames"));
    let secret = secrets.wrong("f");
    for frame in [
        Message::text(secret.as_str()),
        Message::text(format!(r#"{{"type":"{secret}"}}"#)),
        Message::text(format!(r#"{{"type":"ack","{secret}":1}}"#)),
        Message::binary(secret.clone().into_bytes()),
    ] {
        let half_ref = secrets.keep(half_ref());
        gateway.connect_socket(&token, "frames", &half_ref).succeeds();
        let mut socket = Socket::open(gateway, &half_ref);
        socket.send(frame);
        let _ = socket.closed();
    }
}

fn wrong_http(gateway: &Gateway, secrets: &mut Secrets) {
    let secret = secrets.wrong("w");
    for request in [
        format!("GET /livez HTTP/1.1\r\ntoken {secret}\r\n\r\n"),
        format!("GET /livez HTTP/1.1\r\ntoken: {secret}\0\r\n\r\n"),
        format!("GET /livez HTTP/7.7\r\ntoken: {secret}\r\n\r\n"),
        format!("{secret}\r\n\r\n"),
        format!("PUT /token HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{secret}\r\n"),
    ] {
        let mut connection = Connection::open(gateway);
        connection.send(request);
        assert_eq!(connection.answer().status, 400);
    }
}

fn holds_no_secret(log: &str, secrets: &Secrets) {
    for secret in &secrets.0 {
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        assert!(line.is_none(), "{secret} in {line:?}");
    }
}

#[test]
fn no_secret_is_logged_whatever_the_level() {
    let gateway = Gateway::builder().flag("--log", "trace").start();
    let secrets = converse(&gateway, &gateway.operator_key);
    let log = gateway.log();
    assert!(log.contains("TRACE"), "the level is the lowest");
    holds_no_secret(&log, &secrets);
}

#[test]
fn no_secret_is_logged_in_json_whatever_the_level() {
    let gateway = Gateway::builder()
        .flag("--log", "trace")
        .flag("--log-format", "json")
        .flag("--operator-key", OPERATOR_KEY)
        .start();
    let secrets = converse(&gateway, OPERATOR_KEY);
    holds_no_secret(&gateway.log(), &secrets);
}

#[test]
fn no_secret_is_logged_by_a_filter_that_names_every_library() {
    let gateway = Gateway::builder()
        .flag(
            "--log",
            "trace,actix_http=trace,actix_web=trace,actix_server=trace,mio=trace,tokio=trace",
        )
        .start();
    let secrets = converse(&gateway, &gateway.operator_key);
    holds_no_secret(&gateway.log(), &secrets);
}

#[test]
fn the_key_of_a_trial_is_shown_and_not_logged() {
    let gateway = Gateway::builder().flag("--log", "trace").start();
    assert!(gateway.operator_key.len() >= 32);
    assert!(!gateway.log().contains(&gateway.operator_key));
}

#[test]
fn every_trial_has_its_own_key() {
    let (one, other) = (Gateway::trial(), Gateway::trial());
    assert_ne!(one.operator_key, other.operator_key);
}

#[test]
fn a_log_in_json_is_json_line_by_line() {
    let gateway = Gateway::builder().flag("--log", "trace").flag("--log-format", "json").start();
    let _ = gateway.token(DEVICE);
    for line in gateway.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["level"].is_string(), "{line}");
    }
}

/// The log line of a request.
fn line_of(gateway: &Gateway, request_id: &str) -> Value {
    serde_json::from_str(&gateway.logged(request_id)).expect("JSON")
}

fn logs_json() -> Gateway {
    Gateway::builder().flag("--log-format", "json").start()
}

#[test]
fn a_request_is_logged_with_route_and_status() {
    let gateway = logs_json();
    let answer = gateway.issue_token(&gateway.operator_key, DEVICE);
    let line = line_of(&gateway, answer.header("x-request-id"));
    assert_eq!(line["requestId"], answer.header("x-request-id"));
    assert_eq!(line["method"], "POST");
    assert_eq!(line["route"], "/operator/prospects/{deviceTag}/token");
    assert_eq!(line["status"], 200);
    assert_eq!(line["address"], "127.0.0.1");
}

#[test]
fn a_refusal_is_logged_with_problem_and_route() {
    let gateway = logs_json();
    let answer = gateway.call("PUT", "/token").json_text("{").send();
    let line = line_of(&gateway, answer.header("x-request-id"));
    assert_eq!(line["problem"], "malformed-json");
    assert_eq!(line["route"], "/token");
    assert_eq!(line["status"], 400);
}

#[test]
fn a_refusal_by_its_headers_is_logged_with_its_route() {
    let gateway = logs_json();
    let answer = gateway.call("DELETE", "/token").send();
    let line = line_of(&gateway, answer.header("x-request-id"));
    assert_eq!(line["route"], "/token");
    assert_eq!(line["status"], 401);
}

#[test]
fn an_unknown_method_is_not_logged() {
    let gateway = logs_json();
    let answer = gateway.call("S3CRET", "/token").send();
    assert_eq!(answer.status, 405);
    assert!(!gateway.log().contains("S3CRET"), "{}", gateway.log());
}

#[test]
fn an_invalid_content_length_is_not_logged() {
    let gateway = Gateway::builder().flag("--log", "trace").start();
    let mut connection = Connection::open(&gateway);
    connection.send("PUT /token HTTP/1.1\r\ncontent-length: S3CRET\r\n\r\n");
    assert_eq!(connection.answer().status, 400);
    assert!(!gateway.log().contains("S3CRET"), "{}", gateway.log());
}

#[test]
fn a_head_request_is_logged_as_head() {
    let gateway = logs_json();
    let answer = gateway.call("HEAD", "/livez").send();
    let line = line_of(&gateway, answer.header("x-request-id"));
    assert_eq!(line["method"], "HEAD");
}

#[test]
fn a_request_is_logged_once() {
    let gateway = logs_json();
    let answer = gateway.get("/livez");
    let id = answer.header("x-request-id");
    let _ = gateway.logged(id);
    assert_eq!(gateway.log().matches(id).count(), 1);
}

#[test]
fn a_log_can_be_turned_off() {
    let gateway = Gateway::builder().flag("--log", "off").start();
    let _ = gateway.get("/livez");
    assert_eq!(gateway.log(), "");
}

#[test]
fn a_log_that_is_not_read_holds_up_no_request_and_counts_its_dropped_lines() {
    let mut gateway = Gateway::builder().unread_log().start();
    let mut connection = Connection::open(&gateway);
    // More lines than the pipe and the buffer of the log hold.
    for _ in 0..20_000 {
        connection.ask("GET /livez", &[], "").succeeds();
    }
    let mut lines = gateway.read_log();
    assert!(lines.any(|line| line.contains("log lines dropped")));
}

#[test]
fn an_unread_log_does_not_hold_up_the_shutdown() {
    let mut gateway = Gateway::builder().unread_log().start();
    let mut connection = Connection::open(&gateway);
    for _ in 0..1000 {
        connection.ask("GET /livez", &[], "").succeeds();
    }
    gateway.signal("TERM");
    assert!(gateway.ended().success());
}

#[test]
fn a_closed_socket_is_logged_with_connection_and_code() {
    let gateway = logs_json();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.send("not a frame");
    assert_eq!(prospect.socket.closed().0, 4000);
    let line: Value = serde_json::from_str(&gateway.logged("socket closed")).expect("JSON");
    assert_eq!(line["connectionId"], prospect.connection());
    assert_eq!(line["code"], 4000);
    assert_eq!(line["level"], "INFO");
}

#[test]
fn messages_refused_by_a_full_event_stream_are_one_line() {
    let gateway =
        Gateway::builder().flag("--outbox-messages", "1").flag("--event-bytes", "20992").start();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.fill_event_stream();
    for _ in 0..10 {
        prospect.send_message("m1", "1");
        assert_eq!(prospect.receive_error().problem, "events-full");
    }
    let text = "the event stream is full";
    let _ = gateway.logged(text);
    assert_eq!(gateway.log().matches(text).count(), 1);
}

#[test]
fn an_unavailable_engine_is_logged_with_its_cause() {
    let gateway = Gateway::builder()
        .operator_key(OPERATOR_KEY)
        .flag("--redis-url", "redis://127.0.0.1:1")
        .flag("--redis-timeout", "100ms")
        .start();
    let line = gateway.logged("nothing expires");
    assert!(line.contains("Connection refused"), "{line}");
}
