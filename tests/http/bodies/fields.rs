//! Bodies with fields that break a rule of the contract.

use serde_json::{Value, json};
use tests::{Answer, DEVICE, Gateway, half_ref};

use super::{post, valid_body};

fn valid_body_with(field: &str, value: Value) -> Value {
    let mut body = valid_body();
    body[field] = value;
    body
}

fn field_errors_of(body: &Value) -> Vec<String> {
    post(body.to_string()).field_errors()
}

#[test]
fn a_duplicate_field_is_refused() {
    let body = format!(
        r#"{{"halfRef": "{}", "deviceTag": "{DEVICE}", "deviceTag": "{DEVICE}"}}"#,
        half_ref()
    );
    assert_eq!(post(body).field_errors(), ["/deviceTag duplicate"]);
}

#[test]
fn a_duplicate_field_is_refused_when_its_name_is_escaped() {
    let body = format!(
        r#"{{"halfRef": "{}", "deviceTag": "{DEVICE}", "device\u0054ag": "{DEVICE}"}}"#,
        half_ref()
    );
    assert_eq!(post(body).field_errors(), ["/deviceTag duplicate"]);
}

#[test]
fn a_duplicate_member_of_device_data_is_refused() {
    let answer = Gateway::trial()
        .call("PUT", "/token")
        .json_text(r#"{"channel": "test", "deviceTag": "a", "deviceData": {"os": 1, "os": 2}}"#)
        .send();
    assert_eq!(answer.field_errors().len(), 1);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/deviceData");
}

fn request_token_with(gateway: &Gateway, device_data: &str) -> Answer {
    let body = format!(r#"{{"channel": "test", "deviceTag": "a", "deviceData": {device_data}}}"#);
    gateway.call("PUT", "/token").json_text(body).send()
}

#[test]
fn device_data_may_be_what_data_may_be() {
    let gateway = Gateway::trial();
    let ask = |data: &str| request_token_with(&gateway, data);
    let nested =
        |levels: usize| format!(r#"{{"a": {}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
    for data in [r#"{"a": 1e400}"#, r#"{"a": "\ud83d\ude00"}"#, &nested(32)] {
        assert_eq!(ask(data).status, 200, "{data}");
    }
    for data in [r#"{"a": "\ud800"}"#, r#"{"\ud800": 1}"#, &nested(33), &nested(1900)] {
        assert_eq!(ask(data).field_errors(), ["/deviceData value"], "{data}");
    }
}

#[test]
fn device_data_is_bounded_and_not_null() {
    let gateway = Gateway::trial();
    let ask = |data: &str| request_token_with(&gateway, data);
    let sized = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - r#"{"a":""}"#.len()));
    assert_eq!(ask(&sized(4096)).status, 200);
    assert_eq!(ask(&sized(4097)).field_errors(), ["/deviceData length"]);
    assert_eq!(ask("null").field_errors(), ["/deviceData type"]);
}

#[test]
fn a_missing_field_is_refused() {
    assert_eq!(field_errors_of(&json!({"deviceTag": DEVICE})), ["/halfRef missing"]);
    assert_eq!(field_errors_of(&json!({"halfRef": half_ref()})), ["/deviceTag missing"]);
}

#[test]
fn an_empty_field_is_refused() {
    assert_eq!(
        field_errors_of(&json!({"halfRef": "", "deviceTag": ""})),
        ["/deviceTag length", "/halfRef length"]
    );
}

#[test]
fn a_field_that_is_too_long_is_refused() {
    assert_eq!(
        field_errors_of(&valid_body_with("halfRef", json!("x".repeat(513)))),
        ["/halfRef length"]
    );
    assert_eq!(
        field_errors_of(&valid_body_with("deviceTag", json!("x".repeat(129)))),
        ["/deviceTag length"]
    );
}

#[test]
fn a_half_ref_that_is_too_short_is_refused() {
    assert_eq!(
        field_errors_of(&valid_body_with("halfRef", json!("x".repeat(31)))),
        ["/halfRef length"]
    );
}

#[test]
fn a_field_of_the_wrong_type_is_refused() {
    for value in [json!(7), json!(true), json!([DEVICE]), json!({}), json!(null)] {
        assert_eq!(
            field_errors_of(&valid_body_with("deviceTag", value.clone())),
            ["/deviceTag type"],
            "{value}"
        );
    }
}

#[test]
fn a_character_that_is_not_allowed_is_refused() {
    for tag in ["my deviceTag", "a/b", "é", "a\n", "a\u{0}", "."] {
        assert_eq!(
            field_errors_of(&valid_body_with("deviceTag", json!(tag))),
            ["/deviceTag pattern"],
            "{tag:?}"
        );
    }
    assert_eq!(
        field_errors_of(&valid_body_with("halfRef", json!(" ".repeat(40)))),
        ["/halfRef pattern"]
    );
}

#[test]
fn an_unknown_field_is_refused_by_its_name() {
    assert_eq!(
        field_errors_of(&valid_body_with("linkInjected", json!("x"))),
        ["/linkInjected unknown"]
    );
}

#[test]
fn an_unknown_channel_is_refused_with_the_known_ones() {
    let answer = Gateway::trial().request_token("fax", DEVICE, None);
    assert_eq!(answer.field_errors(), ["/channel value"]);
    let detail = answer.json()["errors"][0]["detail"].clone();
    assert_eq!(detail, "must be one of browser, android, ios, test");
}

#[test]
fn device_data_of_the_wrong_type_is_refused() {
    let body = json!({"channel": "test", "deviceTag": DEVICE, "deviceData": "test"});
    let answer = Gateway::trial().call("PUT", "/token").json(&body).send();
    assert_eq!(answer.field_errors(), ["/deviceData type"]);
}

#[test]
fn all_wrong_fields_are_reported_at_once() {
    let body = json!({"halfRef": 7, "linkinjected": [], "linkInjected": "x"});
    assert_eq!(
        field_errors_of(&body),
        ["/deviceTag missing", "/halfRef type", "/linkinjected type", "/linkInjected unknown"]
    );
}

#[test]
fn all_broken_rules_are_reported_at_once() {
    let body = json!({"halfRef": "short", "deviceTag": "a b", "linkinjected": "x".repeat(2049)});
    assert_eq!(
        field_errors_of(&body),
        ["/deviceTag pattern", "/halfRef length", "/linkinjected length"]
    );
}

#[test]
fn a_problem_lists_at_most_32_errors() {
    let fields: serde_json::Map<_, _> = (0..500).map(|n| (format!("f{n}"), json!(1))).collect();
    assert_eq!(field_errors_of(&Value::Object(fields)).len(), 32);
}
