//! Settings: flags, environment variables, and what is refused at start.

mod help;
mod operator_keys;
mod start_errors;
mod values;

use tests::{DEVICE, Gateway, GatewayBuilder};

use crate::OPERATOR_KEY;

/// The error with which the gateway refuses to start.
fn refusal(builder: GatewayBuilder) -> String {
    let output = builder.refused();
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{sentence}");
    assert!(output.stdout.is_empty(), "nothing was announced");
    assert!(sentence.starts_with("error: "), "{sentence}");
    assert!(!sentence.contains("panicked"), "{sentence}");
    sentence
}

fn with_operator_key() -> GatewayBuilder {
    Gateway::builder().flag("--operator-key", OPERATOR_KEY)
}

#[test]
fn a_variable_does_what_its_flag_does() {
    let gateway = Gateway::builder().variable("CONNECTSOCKET_TOKEN_TTL", "77s").start();
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.ok()["expiresIn"], 77);
}

#[test]
fn a_flag_overrides_its_variable() {
    let gateway = Gateway::builder()
        .variable("CONNECTSOCKET_TOKEN_TTL", "77s")
        .flag("--token-ttl", "88s")
        .start();
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.ok()["expiresIn"], 88);
}

#[test]
fn a_variable_takes_a_list_with_commas() {
    let origins = ["https://one.example.com", "https://other.example.com"];
    for separator in [",", ", "] {
        let list = origins.join(separator);
        let gateway = Gateway::builder().variable("CONNECTSOCKET_ALLOWED_ORIGIN", &list).start();
        for origin in origins {
            let answer = gateway.call("GET", "/livez").header("origin", origin).send();
            assert_eq!(answer.header("access-control-allow-origin"), origin);
        }
    }
}

#[test]
fn an_invalid_variable_is_refused_by_the_name_of_its_flag() {
    let builder = Gateway::builder().variable("CONNECTSOCKET_TOKEN_TTL", "soon");
    assert!(refusal(builder).contains("--token-ttl"));
}

#[test]
fn an_empty_variable_is_not_set() {
    let gateway = Gateway::builder()
        .variable("CONNECTSOCKET_PUBLIC_URL", "")
        .variable("CONNECTSOCKET_DATA_DIR", "")
        .variable("CONNECTSOCKET_TRUSTED_PROXY", "")
        .variable("CONNECTSOCKET_TOKEN_TTL", "")
        .start();
    assert_eq!(gateway.request_token("test", DEVICE, None).ok()["expiresIn"], 86_400);
}

#[test]
fn the_variables_of_a_kubernetes_service_are_ignored() {
    let mut builder = Gateway::builder();
    for (name, value) in [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "8080"),
        ("SERVICE_PORT_HTTP", "8080"),
        ("PORT", "tcp://10.0.0.1:8080"),
        ("PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("PORT_8080_TCP_PROTO", "tcp"),
        ("PORT_8080_TCP_PORT", "8080"),
        ("PORT_8080_TCP_ADDR", "10.0.0.1"),
    ] {
        builder = builder.variable(&format!("CONNECTSOCKET_{name}"), value);
    }
    assert_eq!(builder.start().get("/livez").status, 200);
}

#[test]
fn a_variable_that_only_resembles_those_of_kubernetes_is_refused() {
    let builder = Gateway::builder().variable("CONNECTSOCKET_PORT", "8080");
    assert!(refusal(builder).contains("CONNECTSOCKET_PORT"));
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    let builder = Gateway::builder().variable("CONNECTSOCKET_TOKEN_TLL", "1h");
    assert!(refusal(builder).contains("CONNECTSOCKET_TOKEN_TLL"));
}

#[test]
fn an_unknown_flag_is_refused_by_its_name() {
    let builder = Gateway::builder().flag("--colour", "red");
    assert!(refusal(builder).contains("--colour"));
}

#[test]
fn a_positional_argument_is_refused() {
    assert!(refusal(Gateway::builder().switch("start")).contains("start"));
}

#[test]
fn a_flag_without_its_value_is_refused() {
    assert!(refusal(Gateway::builder().switch("--token-ttl")).contains("--token-ttl"));
}
