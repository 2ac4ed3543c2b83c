//! Everything that can be wrong with a request, each thing answered as one `Problem`.

use std::{collections::BTreeSet, fs, io::Write as _, path::Path};

use api_types::problem::ProblemKind;
use serde_json::{Value, json};
use tests::{Answer, Connection, DEVICE, Gateway, connection, gateway::root, half_ref};

/// A good body, to be spoilt.
fn good() -> Value {
    json!({"halfRef": half_ref(), "deviceTag": DEVICE})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = good();
    body[field] = value;
    body
}

/// The answer to this body, with a good token and called JSON.
fn refused(body: impl Into<Vec<u8>>) -> Answer {
    let gateway = Gateway::trial();
    let call = gateway.call("POST", "/prospect/connectsocket");
    call.header("token", &gateway.token(DEVICE)).json_text(body).send()
}

fn refused_fields(body: &Value) -> Vec<String> {
    refused(body.to_string()).field_errors()
}

/// The answer to a good body of these content types.
fn said_to_be(content_types: &[&str]) -> Answer {
    let gateway = Gateway::trial();
    let call = gateway
        .call("POST", "/prospect/connectsocket")
        .header("token", &gateway.token(DEVICE))
        .body(good().to_string());
    content_types.iter().fold(call, |call, said| call.header("content-type", said)).send()
}

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
fn a_wrong_method_is_answered_with_those_allowed() {
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
fn another_content_type_is_refused() {
    for said in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "json",
    ] {
        let answer = said_to_be(&[said]);
        assert_eq!(answer.status, 415, "{said}");
        assert_eq!(answer.problem_name(), "unsupported-media-type");
    }
}

#[test]
fn a_missing_content_type_is_refused() {
    assert_eq!(said_to_be(&[]).problem_name(), "unsupported-media-type");
}

#[test]
fn two_content_types_are_refused() {
    let answer = said_to_be(&["application/json", "text/plain"]);
    assert_eq!(answer.problem_name(), "unsupported-media-type");
}

#[test]
fn a_parameter_of_the_content_type_changes_nothing() {
    said_to_be(&["application/json; charset=utf-8"]).succeeds();
}

#[test]
fn a_body_of_the_largest_size_is_taken() {
    let mut body = good().to_string();
    body.push_str(&" ".repeat(16 * 1024 - body.len()));
    refused(body).succeeds();
}

#[test]
fn a_body_of_one_byte_more_is_too_large() {
    let mut body = good().to_string();
    body.push_str(&" ".repeat(16 * 1024 + 1 - body.len()));
    let answer = refused(body);
    assert_eq!(answer.status, 413);
    assert_eq!(answer.problem_name(), "body-too-large");
}

#[test]
fn a_body_far_too_large_is_refused_before_it_is_sent() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let token = gateway.token(DEVICE);
    let headers = [
        ("token", token.as_str()),
        ("content-type", "application/json"),
        ("content-length", "1000000000000"),
    ];
    let answer = connection.ask("POST /prospect/connectsocket", &headers, " ".repeat(20_000));
    assert_eq!(answer.problem_name(), "body-too-large");
}

#[test]
fn a_body_too_large_in_chunks_is_refused() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let headers = [
        ("token", token.as_str()),
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
    ];
    let mut chunks = Vec::new();
    for _ in 0..20 {
        write!(chunks, "400\r\n{}\r\n", " ".repeat(0x400)).unwrap();
    }
    let answer = Connection::open(&gateway).ask("POST /prospect/connectsocket", &headers, chunks);
    assert_eq!(answer.problem_name(), "body-too-large");
}

#[test]
fn a_body_in_chunks_is_taken() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let headers = [
        ("token", token.as_str()),
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
    ];
    let body = good().to_string();
    let (one, other) = body.split_at(10);
    let chunks = format!("a\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n", other.len());
    Connection::open(&gateway).ask("POST /prospect/connectsocket", &headers, chunks).succeeds();
}

#[test]
fn a_body_whose_chunks_are_broken_is_a_bad_request() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let headers = [
        ("token", token.as_str()),
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
    ];
    let mut connection = Connection::open(&gateway);
    let answer = connection.ask("POST /prospect/connectsocket", &headers, "zz\r\n{}\r\n0\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.problem_name(), "bad-request");
}

#[test]
fn what_is_not_http_is_a_bad_request() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    connection.send("this is not HTTP\r\n\r\n");
    assert_eq!(connection.answer().status, 400);
    connection.closed();
}

#[test]
fn broken_json_is_refused() {
    for body in [
        r#"{"halfRef": "#,
        r#"{"halfRef": "x",}"#,
        "{'halfRef': 'x'}",
        "{} {}",
        "{}x",
        "nul",
        r#"{"deviceTag": 01}"#,
        "\u{feff}{}",
    ] {
        let answer = refused(body);
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.problem_name(), "malformed-json", "{body}");
    }
}

#[test]
fn broken_json_is_told_where_it_breaks() {
    let problem = refused("{\n  \"halfRef\": ?}").problem();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("line 2 column 14"), "{detail}");
}

#[test]
fn half_a_character_is_no_text() {
    let body = format!(r#"{{"halfRef": "{}", "deviceTag": "\ud800"}}"#, half_ref());
    let answer = refused(body);
    assert_eq!(answer.problem_name(), "invalid-fields");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/deviceTag");
}

#[test]
fn json_that_is_too_deep_is_refused() {
    let body = format!(r#"{{"halfRef": {}"#, "[".repeat(10_000));
    assert_eq!(refused(body).problem_name(), "malformed-json");
}

#[test]
fn an_empty_body_is_not_json() {
    for body in ["", " ", "\n"] {
        assert_eq!(refused(body).problem_name(), "malformed-json", "{body:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let answer = refused(b"{\"halfRef\": \"\xff\"}".as_slice());
    assert_eq!(answer.status, 400);
    assert_eq!(answer.problem_name(), "malformed-json");
}

#[test]
fn an_array_is_refused() {
    for body in ["[]", "[{}]"] {
        let answer = refused(body);
        assert_eq!(answer.status, 422);
        assert_eq!(answer.field_errors(), [" type"]);
    }
}

#[test]
fn an_array_is_refused_though_its_elements_fit_the_fields_in_order() {
    let body = json!([half_ref(), DEVICE, null]).to_string();
    assert_eq!(refused(body).field_errors(), [" type"]);
}

#[test]
fn an_array_asks_for_no_token_though_its_elements_fit_the_fields_in_order() {
    let gateway = Gateway::trial();
    let call = gateway.call("PUT", "/token");
    let answer = call.json(&json!(["test", DEVICE, {}])).send();
    assert_eq!(answer.field_errors(), [" type"]);
}

#[test]
fn json_that_is_no_object_is_refused() {
    for body in ["null", "true", "7", "\"text\""] {
        assert_eq!(refused(body).field_errors(), [" type"], "{body}");
    }
}

#[test]
fn a_field_given_twice_is_refused() {
    let body = format!(
        r#"{{"halfRef": "{}", "deviceTag": "{DEVICE}", "deviceTag": "{DEVICE}"}}"#,
        half_ref()
    );
    assert_eq!(refused(body).field_errors(), ["/deviceTag duplicate"]);
}

#[test]
fn a_field_given_twice_is_refused_however_it_is_written() {
    let body = format!(
        r#"{{"halfRef": "{}", "deviceTag": "{DEVICE}", "device\u0054ag": "{DEVICE}"}}"#,
        half_ref()
    );
    assert_eq!(refused(body).field_errors(), ["/deviceTag duplicate"]);
}

#[test]
fn a_member_of_device_data_given_twice_is_refused() {
    let answer = Gateway::trial()
        .call("PUT", "/token")
        .json_text(r#"{"channel": "test", "deviceTag": "a", "deviceData": {"os": 1, "os": 2}}"#)
        .send();
    assert_eq!(answer.field_errors().len(), 1);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/deviceData");
}

#[test]
fn a_missing_field_is_refused() {
    assert_eq!(refused_fields(&json!({"deviceTag": DEVICE})), ["/halfRef missing"]);
    assert_eq!(refused_fields(&json!({"halfRef": half_ref()})), ["/deviceTag missing"]);
}

#[test]
fn an_empty_field_is_refused() {
    assert_eq!(
        refused_fields(&json!({"halfRef": "", "deviceTag": ""})),
        ["/deviceTag length", "/halfRef length"]
    );
}

#[test]
fn a_field_that_is_too_long_is_refused() {
    assert_eq!(refused_fields(&with("halfRef", json!("x".repeat(513)))), ["/halfRef length"]);
    assert_eq!(refused_fields(&with("deviceTag", json!("x".repeat(129)))), ["/deviceTag length"]);
}

#[test]
fn a_half_ref_that_is_too_short_is_refused() {
    assert_eq!(refused_fields(&with("halfRef", json!("x".repeat(31)))), ["/halfRef length"]);
}

#[test]
fn a_field_of_another_type_is_refused() {
    for value in [json!(7), json!(true), json!([DEVICE]), json!({}), json!(null)] {
        assert_eq!(
            refused_fields(&with("deviceTag", value.clone())),
            ["/deviceTag type"],
            "{value}"
        );
    }
}

#[test]
fn a_character_that_is_not_allowed_is_refused() {
    for tag in ["my deviceTag", "a/b", "é", "a\n", "a\u{0}", "."] {
        assert_eq!(
            refused_fields(&with("deviceTag", json!(tag))),
            ["/deviceTag pattern"],
            "{tag:?}"
        );
    }
    assert_eq!(refused_fields(&with("halfRef", json!(" ".repeat(40)))), ["/halfRef pattern"]);
}

#[test]
fn an_unknown_field_is_refused_by_its_name() {
    assert_eq!(refused_fields(&with("linkInjected", json!("x"))), ["/linkInjected unknown"]);
}

#[test]
fn an_unknown_channel_is_refused_with_the_list_of_those_known() {
    let answer = Gateway::trial().request_token("fax", DEVICE, None);
    assert_eq!(answer.field_errors(), ["/channel value"]);
    let detail = answer.json()["errors"][0]["detail"].clone();
    assert_eq!(detail, "must be one of browser, android, ios, test");
}

#[test]
fn device_data_of_another_type_is_refused() {
    let body = json!({"channel": "test", "deviceTag": DEVICE, "deviceData": "test"});
    let answer = Gateway::trial().call("PUT", "/token").json(&body).send();
    assert_eq!(answer.field_errors(), ["/deviceData type"]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let body = json!({"halfRef": 7, "linkinjected": [], "linkInjected": "x"});
    assert_eq!(
        refused_fields(&body),
        ["/deviceTag missing", "/halfRef type", "/linkinjected type", "/linkInjected unknown"]
    );
}

#[test]
fn every_broken_rule_is_told_at_once() {
    let body = json!({"halfRef": "short", "deviceTag": "a b", "linkinjected": "x".repeat(2049)});
    assert_eq!(
        refused_fields(&body),
        ["/deviceTag pattern", "/halfRef length", "/linkinjected length"]
    );
}

#[test]
fn a_problem_has_a_bounded_number_of_errors() {
    let fields: serde_json::Map<_, _> = (0..500).map(|n| (format!("f{n}"), json!(1))).collect();
    assert_eq!(refused_fields(&Value::Object(fields)).len(), 32);
}

#[test]
fn a_refused_value_is_never_echoed() {
    const SECRET: &str = "S3CRET-that-nobody-should-see";
    let bodies = [
        json!({"channel": SECRET, "deviceTag": DEVICE}).to_string(),
        json!({"channel": "test", "deviceTag": format!("{SECRET} !")}).to_string(),
        json!({"channel": "test", "deviceTag": {SECRET: SECRET}}).to_string(),
        json!({"channel": "test", "deviceTag": DEVICE, "deviceData": SECRET}).to_string(),
        json!({"channel": "test", "deviceTag": DEVICE, "token": SECRET}).to_string(),
        format!(r#"{{"channel": "test", "deviceTag": "{SECRET}"#),
        format!(r#"{{"channel": "test", "deviceTag": {SECRET}}}"#),
        format!(
            r#"{{"channel": "test", "deviceTag": "a", "deviceData": {{"{SECRET}": 1, "{SECRET}": 2}}}}"#
        ),
        json!(SECRET).to_string(),
        json!([SECRET]).to_string(),
    ];
    let gateway = Gateway::trial();
    for body in bodies {
        let answer = gateway.call("PUT", "/token").json_text(body.as_str()).send();
        assert!((400..500).contains(&answer.status), "{body}");
        assert!(!format!("{:?}{}", answer.headers, answer.text()).contains(SECRET), "{body}");
    }
}

#[test]
fn nothing_of_a_refused_request_is_echoed() {
    const SECRET: &str = "S3CRET-that-nobody-should-see";
    let gateway = Gateway::trial();
    let bearer = format!("Bearer {SECRET}");
    let calls = [
        gateway.call("GET", &format!("/{SECRET}")),
        gateway.call("GET", &format!("/token?token={SECRET}")),
        gateway.call("GET", &format!("/swagger-ui/{SECRET}")),
        gateway.call(&SECRET.replace('-', ""), "/token"),
        gateway.call("PUT", "/token").header("content-type", SECRET),
        gateway.call("DELETE", "/token").header("token", SECRET),
        gateway.call("GET", "/metrics").header("authorization", &bearer),
        gateway.call("GET", "/token").header("origin", SECRET),
        gateway.call("GET", "/token").header("x-request-id", SECRET),
        gateway.call("GET", "/prospect/socket").header("sec-websocket-protocol", SECRET),
    ];
    for call in calls {
        let answer = call.send();
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(!format!("{:?}{}", answer.headers, answer.text()).contains("S3CRET"));
    }
}

#[test]
fn a_request_id_is_in_the_answer_and_in_the_log() {
    let gateway = Gateway::trial();
    let answer = gateway.get("/nowhere");
    let id = answer.header("x-request-id");
    assert_eq!(answer.problem()["requestId"], id);
    let line = |line: &str| line.contains(id) && line.contains("not-found");
    assert!(gateway.log().lines().any(line), "{}", gateway.log());
}

#[test]
fn an_answer_that_is_no_problem_has_a_request_id_too() {
    let gateway = Gateway::trial();
    let answer = gateway.get("/livez");
    let id = answer.header("x-request-id");
    assert!(!id.is_empty());
    assert!(gateway.log().contains(id));
}

#[test]
fn request_ids_are_never_the_same() {
    let (one, other) = (Gateway::trial(), Gateway::trial());
    let ids: BTreeSet<_> = (0..20)
        .flat_map(|_| [one.get("/livez"), other.get("/livez")])
        .map(|answer| answer.header("x-request-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 40);
}

#[test]
fn a_client_does_not_name_its_request() {
    let gateway = Gateway::trial();
    let call = gateway.call("GET", "/livez");
    let answer = call.header("x-request-id", "mine").send();
    assert_ne!(answer.header("x-request-id"), "mine");
}

#[test]
fn the_socket_without_an_upgrade_is_refused() {
    let answer = Gateway::trial().get("/prospect/socket");
    assert_eq!(answer.status, 426);
    assert_eq!(answer.problem_name(), "upgrade-required");
    assert_eq!(answer.header("upgrade"), "websocket");
}

#[test]
fn a_request_that_offers_http2_is_answered() {
    let gateway = Gateway::trial();
    let headers = [
        ("connection", "Upgrade, HTTP2-Settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ];
    Connection::open(&gateway).ask("GET /livez", &headers, "").succeeds();
}

#[test]
fn a_body_behind_an_offer_of_http2_is_read() {
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
fn a_problem_is_what_the_registry_says() {
    let problem = Gateway::trial().get("/nowhere").problem();
    let kind = ProblemKind::NotFound;
    assert_eq!(problem["type"], kind.uri());
    assert_eq!(problem["title"], kind.title());
    assert_eq!(problem["detail"], kind.detail());
}

/// By their words: a kind that no test names is one that nobody has seen.
#[test]
fn every_kind_of_problem_is_provoked_by_some_test() {
    // Nothing that is sent makes the gateway fail.
    let never = [ProblemKind::Internal];
    let suites = ["http", "socket", "conversation", "restart"];
    let suites = suites.map(|suite| sources(&root().join("tests").join(suite)));
    let named = |kind: &&ProblemKind| suites.concat().contains(&format!("\"{}\"", kind.name()));
    let unseen: Vec<_> =
        ProblemKind::ALL.iter().filter(|kind| !named(kind) && !never.contains(kind)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

fn sources(folder: &Path) -> String {
    let files = fs::read_dir(folder).expect("a folder");
    let paths = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file());
    paths.map(|path| fs::read_to_string(path).expect("a text")).collect()
}

#[test]
fn a_request_with_two_lengths_is_refused() {
    let gateway = Gateway::trial();
    let headers = [("content-length", "2"), ("content-length", "3")];
    let mut connection = Connection::open(&gateway);
    connection.send(connection::request("PUT /token", &headers, "{}"));
    assert_eq!(connection.answer().status, 400);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    connection.send("GET /livez HTTP/1.1\r\nx-large: ");
    // The gateway may have had enough before all is sent.
    let _ = connection.try_send("x".repeat(1_000_000));
    assert!((400..500).contains(&connection.answer().status));
}
