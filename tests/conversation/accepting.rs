//! Messages from a prospect: each is accepted once it is in the event stream, and written once.

use serde_json::json;
use tests::{DEVICE, Gateway, Operator, Prospect};

use crate::{kinds, message_ids, unlimited};

/// How many message ids per device are remembered.
const REMEMBERED: usize = 256;

/// The default `--inbound-frame-bytes`.
const LARGEST: usize = 4096;

#[test]
fn a_message_reaches_the_operator() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    prospect.deliver("m1", r#"{"text":"Hello"}"#);
    let event = stream.event();
    let at = event.json()["at"].clone();
    assert_eq!(event.kind, "message");
    assert_eq!(
        event.json(),
        json!({
            "event": "message",
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
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let ids: Vec<_> = (0..100).map(|id| id.to_string()).collect();
    for id in &ids {
        prospect.send_message(id, "1");
    }
    for id in &ids {
        assert_eq!(prospect.socket.frame(), json!({"type": "accepted", "id": id}));
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ids);
}

#[test]
fn an_accepted_message_is_in_the_stream_before_any_later_event() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.deliver("m1", "1");
    let _later = Prospect::open(&gateway, "another-device");
    let events = Operator::of(&gateway).events_after("0").events(3);
    assert_eq!(kinds(&events), ["connected", "message", "connected"]);
}

#[test]
fn a_repeated_message_is_accepted_and_written_once() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for _ in 0..3 {
        prospect.deliver("m1", "1");
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m1"]);
}

#[test]
fn a_message_repeated_on_a_new_socket_is_written_once() {
    let gateway = unlimited();
    for _ in 0..3 {
        Prospect::open(&gateway, DEVICE).deliver("m1", "1");
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m1"]);
}

#[test]
fn the_first_of_two_messages_with_the_same_id_is_kept() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.deliver("m1", "1");
    prospect.deliver("m1", "2");
    let events = Operator::of(&gateway).history_of(DEVICE);
    let said: Vec<_> = events.iter().filter(|event| event.kind == "message").collect();
    assert_eq!(said.iter().map(|event| event.message_data()).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn message_ids_are_case_sensitive() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.deliver("m", "1");
    prospect.deliver("M", "1");
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m", "M"]);
}

#[test]
fn message_ids_are_per_device() {
    let gateway = unlimited();
    for device in ["phone", "tablet"] {
        Prospect::open(&gateway, device).deliver("m1", "1");
    }
    assert_eq!(message_ids(&Operator::of(&gateway).history_of("tablet")), ["m1"]);
}

/// A prospect that sent so many messages, and its gateway. The ids are `0`, `1` and so on.
fn with_messages(count: usize) -> (Gateway, Prospect) {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for id in 0..count {
        prospect.deliver(&id.to_string(), "1");
    }
    (gateway, prospect)
}

#[test]
fn the_last_256_ids_are_remembered() {
    let (gateway, mut prospect) = with_messages(REMEMBERED);
    for id in 0..REMEMBERED {
        prospect.deliver(&id.to_string(), "1");
    }
    let events = Operator::of(&gateway).history_of(DEVICE);
    assert_eq!(message_ids(&events).len(), REMEMBERED);
}

#[test]
fn one_more_id_replaces_the_oldest() {
    let (gateway, mut prospect) = with_messages(REMEMBERED + 1);
    prospect.deliver("0", "1");
    let events = Operator::of(&gateway).history_of(DEVICE);
    let ids = message_ids(&events);
    assert_eq!((ids.len(), ids.last().expect("an id").as_str()), (REMEMBERED + 2, "0"));
}

#[test]
fn one_more_id_replaces_only_the_oldest() {
    let (gateway, mut prospect) = with_messages(REMEMBERED + 1);
    for id in 1..=REMEMBERED {
        prospect.deliver(&id.to_string(), "1");
    }
    let events = Operator::of(&gateway).history_of(DEVICE);
    assert_eq!(message_ids(&events).len(), REMEMBERED + 1);
}

#[test]
fn ids_are_remembered_while_the_device_has_no_socket() {
    let (gateway, prospect) = with_messages(1);
    drop(prospect);
    Operator::of(&gateway).events_after("0").until(|event| event.kind == "disconnected");
    Prospect::open(&gateway, DEVICE).deliver("0", "1");
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["0"]);
}

#[test]
fn a_message_of_the_maximum_size_is_accepted() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let frame = |data: &str| format!(r#"{{"type":"message","id":"m1","data":"{data}"}}"#);
    let data = "x".repeat(LARGEST - frame("").len());
    prospect.send(&frame(&data));
    assert_eq!(prospect.socket.frame(), json!({"type": "accepted", "id": "m1"}));
}

#[test]
fn an_id_of_64_characters_is_accepted() {
    let gateway = Gateway::trial();
    Prospect::open(&gateway, DEVICE).deliver(&"~".repeat(64), "1");
}

mod refused {
    use super::*;

    /// The id in the `error` for this frame, after which the socket stays open.
    fn id_of_refused(frame: &str) -> Option<String> {
        let gateway = unlimited();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        prospect.send(frame);
        let refused = prospect.receive_error();
        assert_eq!(refused.problem, "invalid-fields", "{frame}");
        prospect.deliver("good", "1");
        let ids = message_ids(&Operator::of(&gateway).history_of(DEVICE));
        assert_eq!(ids, ["good"], "{frame}");
        refused.id
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_message_id() {
        let id = id_of_refused(r#"{"type":"message","id":"m1","data":1,"colour":"red"}"#);
        assert_eq!(id.as_deref(), Some("m1"));
    }

    #[test]
    fn a_duplicate_field_is_refused_with_the_message_id() {
        let id = id_of_refused(r#"{"type":"message","id":"m1","data":1,"data":2}"#);
        assert_eq!(id.as_deref(), Some("m1"));
    }

    #[test]
    fn data_that_common_parsers_cannot_read_is_refused_and_the_message_named() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for data in [r#""\ud800""#, r#"{"\udead":1}"#, &nested(33), &nested(1900)] {
            let frame = format!(r#"{{"type":"message","id":"m1","data":{data}}}"#);
            assert_eq!(id_of_refused(&frame).as_deref(), Some("m1"), "{data}");
        }
        let gateway = Gateway::trial();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        prospect.deliver("m1", &nested(32));
        prospect.deliver("m2", r#"["\ud83d\ude00", 1e400]"#);
    }

    #[test]
    fn an_invalid_id_is_refused_and_not_echoed() {
        let long = "x".repeat(65);
        for wrong in ["", " ", "a b", "é", r"a\nb", &long] {
            let frame = format!(r#"{{"type":"message","id":"{wrong}","data":1}}"#);
            assert_eq!(id_of_refused(&frame), None, "{wrong}");
        }
    }

    #[test]
    fn an_id_that_is_not_a_string_is_refused() {
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
    fn a_missing_field_closes_the_socket() {
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
    fn data_that_is_not_json_closes_the_socket() {
        let gateway = Gateway::trial();
        for broken in ["", "01", "'x'", "[1,]", "{", "NaN"] {
            let mut prospect = Prospect::open(&gateway, DEVICE);
            prospect.send_message("m1", broken);
            assert_eq!(prospect.socket.closed().0, 4000, "{broken}");
        }
    }

    #[test]
    fn a_message_on_a_superseded_socket_is_dropped() {
        let gateway = unlimited();
        let mut older = Prospect::open(&gateway, DEVICE);
        let _newer = Prospect::open(&gateway, DEVICE);
        older.send_message("m1", "1");
        assert_eq!(older.socket.closed().0, 4004);
        assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), [""; 0]);
    }
}
