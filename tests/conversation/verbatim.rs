//! Data is any JSON and goes through byte for byte, both ways.

use tests::{DEVICE, Operator, Prospect};

use crate::patient;

/// JSON that is easily changed by whoever reads and writes it.
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
        r#""\ud800""#,
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
    samples.push(format!("{}{}", "[".repeat(500), "]".repeat(500)));
    samples
}

#[test]
fn what_the_operator_sends_reaches_the_prospect_as_it_is() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for sample in samples().into_iter().chain(["[\r\n1,\r2]".to_owned()]) {
        Operator::of(&gateway).queue(DEVICE, &sample);
        assert_eq!(prospect.message().data, sample);
    }
}

#[test]
fn what_waited_in_the_outbox_reaches_the_prospect_as_it_is() {
    let gateway = patient();
    let token = gateway.token(DEVICE);
    for sample in samples() {
        Operator::of(&gateway).queue(DEVICE, &sample);
    }
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    for sample in samples() {
        assert_eq!(prospect.message().data, sample);
    }
}

#[test]
fn what_the_prospect_says_reaches_the_operator_as_it_is() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    for (place, sample) in samples().into_iter().enumerate() {
        prospect.tell(&place.to_string(), &sample);
        assert_eq!(stream.event().said(), sample);
    }
}

#[test]
fn whitespace_around_data_is_no_part_of_it() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    Operator::of(&gateway).queue(DEVICE, " \n [1 ] \t");
    assert_eq!(prospect.message().data, "[1 ]");
}

#[test]
fn a_carriage_return_between_the_parts_of_data_changes_no_value() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    prospect.tell("1", "[1,\r2,\r\n3]");
    // An event stream cannot carry one: there it ends a line.
    assert_eq!(stream.event().json()["data"], serde_json::json!([1, 2, 3]));
}

#[test]
fn an_id_reaches_the_operator_as_it_is() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    let id = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~";
    prospect.tell(id, "1");
    assert_eq!(stream.event().json()["id"], id);
}
