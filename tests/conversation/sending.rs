//! `POST /operator/prospects/{deviceTag}/messages`.

use serde_json::{Value, json};
use tests::{DEVICE, Gateway, Operator, Prospect};

/// The largest `data`, in bytes of JSON.
const LARGEST: usize = 60 * 1024;

/// The largest body, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// A JSON string of this length, quotes and all.
fn text_of(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length - 2))
}

/// A good body of this length.
fn body_of(length: usize) -> String {
    let body = r#"{"data":1}"#;
    format!("{body}{}", " ".repeat(length - body.len()))
}

/// A gateway that knows the device.
fn known() -> Gateway {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    gateway
}

/// The fields that a body is refused for.
fn refused(body: &str) -> Vec<String> {
    let gateway = known();
    let operator = Operator::of(&gateway);
    let answer = operator.message(DEVICE).json_text(body).send();
    assert_eq!(answer.status, 422, "{body}: {}", answer.text());
    assert_eq!(operator.unacknowledged(DEVICE), 0, "{body}");
    answer.field_errors()
}

#[test]
fn a_message_is_answered_with_epoch_and_seq() {
    let gateway = known();
    let answer = Operator::of(&gateway).send(DEVICE, "1");
    assert_eq!(answer.status, 202);
    let epoch = answer.json()["epoch"].clone();
    assert_ne!(epoch.as_str().expect("text"), "");
    let place = json!({"success": true, "epoch": epoch, "seq": 1, "connected": false, "acknowledged": false});
    assert_eq!(answer.json(), place);
}

#[test]
fn messages_are_numbered_from_one_in_one_epoch() {
    let gateway = known();
    let places = [(); 3].map(|()| Operator::of(&gateway).send(DEVICE, "1").json());
    assert_eq!(places.each_ref().map(|place| place["seq"].clone()), [1, 2, 3].map(Value::from));
    assert!(places.iter().all(|place| place["epoch"] == places[0]["epoch"]));
}

#[test]
fn numbering_is_per_device() {
    let gateway = Gateway::trial();
    let _ = ["phone", "tablet"].map(|device| gateway.token(device));
    let [phone, tablet] =
        ["phone", "tablet"].map(|device| Operator::of(&gateway).send(device, "1").json());
    assert_eq!((&phone["seq"], &tablet["seq"]), (&json!(1), &json!(1)));
    assert_ne!(phone["epoch"], tablet["epoch"]);
}

#[test]
fn the_epoch_is_that_of_the_prospects_hello() {
    let gateway = Gateway::trial();
    let prospect = Prospect::open(&gateway, DEVICE);
    let answer = Operator::of(&gateway).send(DEVICE, "1");
    assert_eq!(answer.json()["epoch"], prospect.hello["epoch"]);
}

#[test]
fn the_epoch_is_kept_over_reconnects() {
    let gateway = known();
    let operator = Operator::of(&gateway);
    let before = operator.send(DEVICE, "1").json();
    drop([(); 2].map(|()| Prospect::open(&gateway, DEVICE)));
    assert_eq!(operator.send(DEVICE, "1").json()["epoch"], before["epoch"]);
}

#[test]
fn the_answer_says_whether_the_prospect_is_connected() {
    let gateway = Gateway::trial();
    let _prospect = Prospect::open(&gateway, DEVICE);
    assert_eq!(Operator::of(&gateway).send(DEVICE, "1").json()["connected"], true);
}

#[test]
fn a_device_that_never_had_a_token_is_unknown() {
    let gateway = known();
    for device in ["another-device", "a%20b", "MY_DEVICETAG"] {
        let answer = Operator::of(&gateway).send(device, "1");
        assert_eq!(answer.status, 404, "{device}");
        assert_eq!(answer.problem_name(), "unknown-device", "{device}");
    }
}

#[test]
fn every_operation_of_the_operator_needs_a_key() {
    let gateway = known();
    let contract = gateway.get("/openapi.json").ok();
    let mut asked = 0;
    for (path, item) in contract["paths"].as_object().expect("paths") {
        let path = path.replace("{deviceTag}", DEVICE);
        for (method, _) in item
            .as_object()
            .expect("methods")
            .iter()
            .filter(|(_, operation)| operation["tags"][0] == "operator")
        {
            let call = gateway.call(&method.to_uppercase(), &path);
            let answer = call.json(&json!({"data": 1})).send();
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.problem_name(), "operator-key-unknown", "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked >= 7, "{asked} operations of the operator");
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 0);
}

#[test]
fn the_shortest_and_the_longest_ttl_are_accepted() {
    let gateway = known();
    for seconds in [1, 86_400] {
        Operator::of(&gateway).queue_for(DEVICE, "1", seconds);
    }
}

#[test]
fn a_ttl_out_of_range_is_refused() {
    for seconds in ["0", "86401", "-1", "1.5", "4294967296", "1e400"] {
        let fields = refused(&format!(r#"{{"data":1,"ttlSeconds":{seconds}}}"#));
        assert_eq!(fields, ["/ttlSeconds value"], "{seconds}");
    }
}

#[test]
fn a_ttl_that_is_not_a_number_is_refused() {
    for seconds in [r#""60""#, "true", "[60]", "{}"] {
        let fields = refused(&format!(r#"{{"data":1,"ttlSeconds":{seconds}}}"#));
        assert_eq!(fields, ["/ttlSeconds type"], "{seconds}");
    }
}

#[test]
fn a_lifetime_may_be_written_with_a_fraction_of_zero() {
    let gateway = known();
    for seconds in ["60.0", "6e1"] {
        let body = format!(r#"{{"data":1,"ttlSeconds":{seconds}}}"#);
        let sent = Operator::of(&gateway).message(DEVICE).json_text(body).send();
        assert_eq!(sent.status, 202, "{seconds}");
    }
}

#[test]
fn data_that_common_parsers_cannot_read_is_refused() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for data in [r#""\ud800""#, r#"{"\udead":1}"#, &nested(33), &nested(1900)] {
        assert_eq!(refused(&format!(r#"{{"data":{data}}}"#)), ["/data value"], "{data}");
    }
    let gateway = known();
    for data in [r#""\ud83d\ude00""#, "1e400", &nested(32)] {
        Operator::of(&gateway).queue(DEVICE, data);
    }
}

#[test]
fn an_unknown_field_is_refused_by_its_name() {
    assert_eq!(refused(r#"{"data":1,"ttlseconds":60}"#), ["/ttlseconds unknown"]);
}

#[test]
fn a_message_without_data_is_refused() {
    assert_eq!(refused(r#"{"ttlSeconds":60}"#), ["/data missing"]);
}

#[test]
fn duplicate_data_is_refused() {
    assert_eq!(refused(r#"{"data":1,"data":1}"#), ["/data duplicate"]);
}

#[test]
fn a_body_that_is_not_an_object_is_refused() {
    for body in ["[1]", "1", "null", r#""data""#] {
        assert_eq!(refused(body), [" type"], "{body}");
    }
}

#[test]
fn data_of_the_maximum_size_is_delivered() {
    for size in [LARGEST - 1, LARGEST] {
        let gateway = Gateway::trial();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        Operator::of(&gateway).queue(DEVICE, &text_of(size));
        assert!(prospect.receive_message().data == text_of(size), "{size}");
    }
}

#[test]
fn data_over_the_maximum_size_is_refused() {
    let body = format!(r#"{{"data":{}}}"#, text_of(LARGEST + 1));
    assert_eq!(refused(&body), ["/data length"]);
}

#[test]
fn a_body_of_the_maximum_size_is_accepted() {
    let gateway = known();
    let body = body_of(LARGEST_BODY);
    let answer = Operator::of(&gateway).message(DEVICE).json_text(body).send();
    assert_eq!(answer.status, 202);
}

#[test]
fn a_body_over_the_maximum_size_is_refused() {
    let gateway = known();
    let body = body_of(LARGEST_BODY + 1);
    let answer = Operator::of(&gateway).message(DEVICE).json_text(body).send();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.problem_name(), "body-too-large");
}

#[test]
fn an_unknown_parameter_is_refused_and_sends_nothing() {
    let gateway = known();
    let operator = Operator::of(&gateway);
    for query in ["colour=red", "wait=other", "wait=", "wait=ACK", "wait=ack&wait=ack", "Wait=ack"]
    {
        let call = operator.call("POST", &format!("/operator/prospects/{DEVICE}/messages?{query}"));
        let answer = call.json(&json!({"data": 1})).send();
        assert_eq!(answer.status, 422, "{query}");
        assert_eq!(answer.problem_name(), "invalid-parameter", "{query}");
    }
    assert_eq!(operator.unacknowledged(DEVICE), 0);
}
