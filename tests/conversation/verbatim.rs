//! Data is any JSON within the contract's limits and arrives byte for byte, in both directions.

use api_types::payload::MAX_DEPTH;
use tests::{DEVICE, Operator, Prospect};

use crate::unlimited;

/// JSON that a parser and serializer would easily change.
fn samples() -> Vec<String> {
    let samples = [
        "null",
        "true",
        "0",
        "-0",
        "1.0",
        "1.50e+007",
        "1e400",
        "123456789012345678901234567890.12345678901234567890",
        r#""""#,
        r#""\u0041\u00e9\ud83d\ude00\/\u002F""#,
        r#""\u0000""#,
        "\"é \u{1F600} \u{2028} \u{FEFF} \u{7f}\"",
        "[]",
        "[ 1 ,\t2 , [ ] ]",
        "{ }",
        r#"{"a":1,"a":2,"b":{"a":null,"a":null}}"#,
        r#"{"z":1,"a":2,"":{"":[]}}"#,
        r#"{"type":"bye","id":"x","data":{"data":[]},"epoch":7,"seq":-1}"#,
        "{\n  \"a\" : [\n    1.0\n  ]\n\n\n}",
        r#""data: x\nid: 7\n\n""#,
    ];
    let mut samples = samples.map(ToOwned::to_owned).to_vec();
    samples.push(format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)));
    samples
}

#[test]
fn data_from_the_operator_arrives_byte_for_byte() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for sample in samples().into_iter().chain(["[\r\n1,\r2]".to_owned()]) {
        Operator::of(&gateway).queue(DEVICE, &sample);
        assert_eq!(prospect.receive_message().data, sample);
    }
}

#[test]
fn data_from_the_outbox_arrives_byte_for_byte() {
    let gateway = unlimited();
    let token = gateway.token(DEVICE);
    for sample in samples() {
        Operator::of(&gateway).queue(DEVICE, &sample);
    }
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    for sample in samples() {
        assert_eq!(prospect.receive_message().data, sample);
    }
}

#[test]
fn data_from_the_prospect_arrives_byte_for_byte() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    for (place, sample) in samples().into_iter().enumerate() {
        prospect.deliver(&place.to_string(), &sample);
        assert_eq!(stream.event().message_data(), sample);
    }
}

#[test]
fn whitespace_around_data_is_dropped() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    Operator::of(&gateway).queue(DEVICE, " \n [1 ] \t");
    assert_eq!(prospect.receive_message().data, "[1 ]");
}

#[test]
fn a_carriage_return_in_data_changes_no_value() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    prospect.deliver("1", "[1,\r2,\r\n3]");
    // An event stream cannot carry one: there it ends a line.
    assert_eq!(stream.event().json()["data"], serde_json::json!([1, 2, 3]));
}

#[test]
fn a_message_id_arrives_byte_for_byte() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    let id = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~";
    prospect.deliver(id, "1");
    assert_eq!(stream.event().json()["id"], id);
}
