//! Messages from a prospect: each is accepted once, and only when the operator can read it.

use serde_json::json;
use tests::{DEVICE, Gateway, Operator, Prospect};

use crate::{kinds, message_ids, patient};

/// How many ids of a device are remembered.
const REMEMBERED: usize = 256;

/// The largest frame that a gateway takes from a prospect by default.
const LARGEST: usize = 4096;

#[test]
fn a_message_reaches_the_operator() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    prospect.tell("m1", r#"{"text":"Hello"}"#);
    let event = stream.event();
    let at = event.json()["at"].clone();
    assert_eq!(event.kind, "message");
    assert_eq!(
        event.json(),
        json!({
            "deviceTag": DEVICE,
            "connectionId": prospect.hello["connectionId"],
            "at": at,
            "id": "m1",
            "data": {"text": "Hello"}
        })
    );
}

#[test]
fn messages_reach_the_operator_in_order() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let ids: Vec<_> = (0..100).map(|id| id.to_string()).collect();
    for id in &ids {
        prospect.say(id, "1");
    }
    for id in &ids {
        assert_eq!(prospect.socket.frame(), json!({"type": "accepted", "id": id}));
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ids);
}

#[test]
fn what_is_accepted_is_in_the_stream_before_anything_that_happens_later() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.tell("m1", "1");
    let _later = Prospect::open(&gateway, "another-device");
    let events = Operator::of(&gateway).events_after("0").events(3);
    assert_eq!(kinds(&events), ["connected", "message", "connected"]);
}

#[test]
fn a_message_that_is_sent_again_is_accepted_again_and_happens_once() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for _ in 0..3 {
        prospect.tell("m1", "1");
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m1"]);
}

#[test]
fn a_message_that_is_sent_again_on_a_new_socket_happens_once() {
    let gateway = patient();
    for _ in 0..3 {
        Prospect::open(&gateway, DEVICE).tell("m1", "1");
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m1"]);
}

#[test]
fn of_two_messages_with_one_id_the_first_stands() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.tell("m1", "1");
    prospect.tell("m1", "2");
    let events = Operator::of(&gateway).history_of(DEVICE);
    let said: Vec<_> = events.iter().filter(|event| event.kind == "message").collect();
    assert_eq!(said.iter().map(|event| event.said()).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn ids_differ_by_their_case() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.tell("m", "1");
    prospect.tell("M", "1");
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m", "M"]);
}

#[test]
fn each_device_has_ids_of_its_own() {
    let gateway = patient();
    for device in ["phone", "tablet"] {
        Prospect::open(&gateway, device).tell("m1", "1");
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of("tablet")), ["m1"]);
}

/// A prospect that told so many messages, and its gateway. The ids are numbers from 0.
fn told(count: usize) -> (Gateway, Prospect) {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for id in 0..count {
        prospect.tell(&id.to_string(), "1");
    }
    (gateway, prospect)
}

#[test]
fn as_many_ids_as_are_promised_are_remembered() {
    let (gateway, mut prospect) = told(REMEMBERED);
    for id in 0..REMEMBERED {
        prospect.tell(&id.to_string(), "1");
    }
    let events = Operator::of(&gateway).history_of(DEVICE);
    assert_eq!(message_ids(&events).len(), REMEMBERED);
}

#[test]
fn one_id_more_has_the_first_forgotten() {
    let (gateway, mut prospect) = told(REMEMBERED + 1);
    prospect.tell("0", "1");
    let events = Operator::of(&gateway).history_of(DEVICE);
    let ids = message_ids(&events);
    assert_eq!((ids.len(), ids.last().expect("an id").as_str()), (REMEMBERED + 2, "0"));
}

#[test]
fn one_id_more_has_no_other_forgotten() {
    let (gateway, mut prospect) = told(REMEMBERED + 1);
    for id in 1..=REMEMBERED {
        prospect.tell(&id.to_string(), "1");
    }
    let events = Operator::of(&gateway).history_of(DEVICE);
    assert_eq!(message_ids(&events).len(), REMEMBERED + 1);
}

#[test]
fn ids_are_remembered_while_the_device_has_no_socket() {
    let (gateway, prospect) = told(1);
    drop(prospect);
    Operator::of(&gateway).events_after("0").until(|event| event.kind == "disconnected");
    Prospect::open(&gateway, DEVICE).tell("0", "1");
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["0"]);
}

#[test]
fn a_message_of_the_largest_size_is_accepted() {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let frame = |data: &str| format!(r#"{{"type":"message","id":"m1","data":"{data}"}}"#);
    let data = "x".repeat(LARGEST - frame("").len());
    prospect.send(&frame(&data));
    assert_eq!(prospect.socket.frame(), json!({"type": "accepted", "id": "m1"}));
}

#[test]
fn a_longest_id_is_accepted() {
    let gateway = Gateway::trial();
    Prospect::open(&gateway, DEVICE).tell(&"~".repeat(64), "1");
}

mod refused {
    use super::*;

    /// The id that comes with the refusal of this frame, after which the socket lives on.
    fn id_of_refused(frame: &str) -> Option<String> {
        let gateway = patient();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        prospect.send(frame);
        let refused = prospect.refused();
        assert_eq!(refused.problem, "invalid-fields", "{frame}");
        prospect.tell("good", "1");
        let ids = message_ids(&Operator::of(&gateway).history_of(DEVICE));
        assert_eq!(ids, ["good"], "{frame}");
        refused.id
    }

    #[test]
    fn an_unknown_field_is_refused_and_the_message_named() {
        let id = id_of_refused(r#"{"type":"message","id":"m1","data":1,"colour":"red"}"#);
        assert_eq!(id.as_deref(), Some("m1"));
    }

    #[test]
    fn a_field_that_is_given_twice_is_refused_and_the_message_named() {
        let id = id_of_refused(r#"{"type":"message","id":"m1","data":1,"data":2}"#);
        assert_eq!(id.as_deref(), Some("m1"));
    }

    #[test]
    fn an_id_that_breaks_a_rule_is_refused_and_not_repeated() {
        let long = "x".repeat(65);
        for wrong in ["", " ", "a b", "é", r"a\nb", &long] {
            let frame = format!(r#"{{"type":"message","id":"{wrong}","data":1}}"#);
            assert_eq!(id_of_refused(&frame), None, "{wrong}");
        }
    }

    #[test]
    fn an_id_that_is_no_text_is_refused() {
        for wrong in ["7", "null", "[]", r#"["m1"]"#] {
            let frame = format!(r#"{{"type":"message","id":{wrong},"data":1}}"#);
            assert_eq!(id_of_refused(&frame), None, "{wrong}");
        }
    }

    #[test]
    fn the_refusal_names_the_field() {
        let gateway = Gateway::trial();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        prospect.send(r#"{"type":"message","id":"m1","data":1,"colour":"red"}"#);
        let error = prospect.socket.frame();
        let named = &error["problem"]["errors"][0];
        assert_eq!((&named["pointer"], &named["code"]), (&json!("/colour"), &json!("unknown")));
    }

    #[test]
    fn a_missing_field_is_closed() {
        let gateway = Gateway::trial();
        for broken in [
            r#"{"type":"message"}"#,
            r#"{"type":"message","id":"m1"}"#,
            r#"{"type":"message","data":1}"#,
        ] {
            let mut prospect = Prospect::open(&gateway, DEVICE);
            prospect.send(broken);
            assert_eq!(
                prospect.socket.closed(),
                (4000, Some(json!({"type": "bye", "code": 4000}))),
                "{broken}"
            );
        }
    }

    #[test]
    fn data_that_is_no_json_is_closed() {
        let gateway = Gateway::trial();
        for broken in ["", "01", "'x'", "[1,]", "{", "NaN"] {
            let mut prospect = Prospect::open(&gateway, DEVICE);
            prospect.say("m1", broken);
            assert_eq!(prospect.socket.closed().0, 4000, "{broken}");
        }
    }

    #[test]
    fn a_message_on_a_socket_that_was_superseded_does_not_happen() {
        let gateway = patient();
        let mut older = Prospect::open(&gateway, DEVICE);
        let _newer = Prospect::open(&gateway, DEVICE);
        older.say("m1", "1");
        assert_eq!(older.socket.closed().0, 4004);
        assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), [""; 0]);
    }
}
