//! Bodies that are not a JSON object.

use serde_json::json;
use tests::{DEVICE, Gateway, half_ref};

use super::post;

#[test]
fn malformed_json_is_refused() {
    for body in [
        r#"{"halfRef": "#,
        r#"{"halfRef": "x",}"#,
        "{'halfRef': 'x'}",
        "{} {}",
        "{}x",
        "nul",
        r#"{"deviceTag": 01}"#,
        "\u{feff}{}",
        "[1 true]",
        r#"["a","#,
        r#""x"#,
        "[1]x",
        "7 7",
    ] {
        let answer = post(body);
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.problem_name(), "malformed-json", "{body}");
    }
}

#[test]
fn malformed_json_is_refused_with_line_and_column() {
    let problem = post("{\n  \"halfRef\": ?}").problem();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("line 2 column 14"), "{detail}");
}

#[test]
fn a_lone_surrogate_is_refused() {
    let body = format!(r#"{{"halfRef": "{}", "deviceTag": "\ud800"}}"#, half_ref());
    let answer = post(body);
    assert_eq!(answer.problem_name(), "invalid-fields");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/deviceTag");
}

#[test]
fn json_nested_too_deeply_is_refused() {
    let body = format!(r#"{{"halfRef": {}"#, "[".repeat(10_000));
    assert_eq!(post(body).problem_name(), "malformed-json");
}

#[test]
fn an_empty_body_is_malformed_json() {
    for body in ["", " ", "\n"] {
        assert_eq!(post(body).problem_name(), "malformed-json", "{body:?}");
    }
}

#[test]
fn a_body_that_is_not_utf8_is_refused() {
    let answer = post(b"{\"halfRef\": \"\xff\"}".as_slice());
    assert_eq!(answer.status, 400);
    assert_eq!(answer.problem_name(), "malformed-json");
}

#[test]
fn an_array_is_refused() {
    for body in ["[]", "[{}]"] {
        let answer = post(body);
        assert_eq!(answer.status, 422);
        assert_eq!(answer.field_errors(), [" type"]);
    }
}

#[test]
fn an_array_is_refused_though_its_elements_fit_the_fields_in_order() {
    let body = json!([half_ref(), DEVICE, null]).to_string();
    assert_eq!(post(body).field_errors(), [" type"]);
}

#[test]
fn a_token_request_as_an_array_is_refused_though_its_elements_fit_the_fields_in_order() {
    let gateway = Gateway::trial();
    let call = gateway.call("PUT", "/token");
    let answer = call.json(&json!(["test", DEVICE, {}])).send();
    assert_eq!(answer.field_errors(), [" type"]);
}

#[test]
fn json_that_is_not_an_object_is_refused() {
    for body in ["null", "true", "7", "\"text\""] {
        assert_eq!(post(body).field_errors(), [" type"], "{body}");
    }
}
