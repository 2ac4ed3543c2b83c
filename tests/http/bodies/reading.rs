//! Content type, size and transfer encoding of a request body.

use std::io::Write as _;

use tests::{Answer, Connection, DEVICE, Gateway};

use super::{post, valid_body};

/// The answer to a good body of these content types.
fn with_content_types(content_types: &[&str]) -> Answer {
    let gateway = Gateway::trial();
    let call = gateway
        .call("POST", "/prospect/connectsocket")
        .header("token", &gateway.token(DEVICE))
        .body(valid_body().to_string());
    content_types.iter().fold(call, |call, said| call.header("content-type", said)).send()
}

const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");

/// The answer to a request whose body is framed by this header, and sent as it is.
fn with_framing(header: (&str, &str), body: impl AsRef<[u8]>) -> Answer {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let headers = [("token", token.as_str()), ("content-type", "application/json"), header];
    Connection::open(&gateway).ask("POST /prospect/connectsocket", &headers, body)
}

#[test]
fn another_content_type_is_refused() {
    for said in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "json",
    ] {
        let answer = with_content_types(&[said]);
        assert_eq!(answer.status, 415, "{said}");
        assert_eq!(answer.problem_name(), "unsupported-media-type");
    }
}

#[test]
fn a_missing_content_type_is_refused() {
    assert_eq!(with_content_types(&[]).problem_name(), "unsupported-media-type");
}

#[test]
fn two_content_types_are_refused() {
    let answer = with_content_types(&["application/json", "text/plain"]);
    assert_eq!(answer.problem_name(), "unsupported-media-type");
}

#[test]
fn a_content_type_parameter_is_ignored() {
    with_content_types(&["application/json; charset=utf-8"]).succeeds();
}

#[test]
fn a_body_of_the_maximum_size_is_accepted() {
    let mut body = valid_body().to_string();
    body.push_str(&" ".repeat(16 * 1024 - body.len()));
    post(body).succeeds();
}

#[test]
fn a_body_one_byte_over_the_maximum_is_refused() {
    let mut body = valid_body().to_string();
    body.push_str(&" ".repeat(16 * 1024 + 1 - body.len()));
    let answer = post(body);
    assert_eq!(answer.status, 413);
    assert_eq!(answer.problem_name(), "body-too-large");
}

#[test]
fn a_body_far_over_the_maximum_is_refused_before_it_is_sent() {
    let answer = with_framing(("content-length", "1000000000000"), " ".repeat(20_000));
    assert_eq!(answer.problem_name(), "body-too-large");
}

#[test]
fn a_chunked_body_over_the_maximum_is_refused() {
    let mut chunks = Vec::new();
    for _ in 0..20 {
        write!(chunks, "400\r\n{}\r\n", " ".repeat(0x400)).unwrap();
    }
    assert_eq!(with_framing(CHUNKED, chunks).problem_name(), "body-too-large");
}

#[test]
fn a_chunked_body_is_accepted() {
    let body = valid_body().to_string();
    let (one, other) = body.split_at(10);
    let chunks = format!("a\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n", other.len());
    with_framing(CHUNKED, chunks).succeeds();
}

#[test]
fn a_body_with_malformed_chunks_is_a_bad_request() {
    let answer = with_framing(CHUNKED, "zz\r\n{}\r\n0\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.problem_name(), "bad-request");
}
