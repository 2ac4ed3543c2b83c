//! Where a stream begins, and what `Last-Event-ID` does.

use serde_json::json;
use tests::{DEVICE, Gateway, Operator, Prospect};

use super::with_messages;
use crate::{kinds, message_ids};

#[test]
fn zero_begins_with_the_oldest_event() {
    let (gateway, _prospect) = with_messages(2);
    let events = Operator::of(&gateway).events_after("0").events(3);
    assert_eq!(kinds(&events), ["connected", "message", "message"]);
}

#[test]
fn an_id_begins_with_the_next_event() {
    let (gateway, _prospect) = with_messages(3);
    let operator = Operator::of(&gateway);
    let all = operator.events_after("0").events(4);
    for (place, event) in all.iter().enumerate() {
        let rest = operator.events_after(&event.id).events(3 - place);
        assert_eq!(rest, all[place + 1..]);
    }
}

#[test]
fn without_an_id_only_new_events_come() {
    let (gateway, mut prospect) = with_messages(3);
    let mut stream = Operator::of(&gateway).events();
    prospect.deliver("now", "1");
    assert_eq!(message_ids(&[stream.event()]), ["now"]);
}

#[test]
fn after_the_newest_id_only_new_events_come() {
    let (gateway, mut prospect) = with_messages(1);
    let operator = Operator::of(&gateway);
    let newest = operator.events_after("0").events(2).pop().expect("an event");
    let mut stream = operator.events_after(&newest.id);
    prospect.deliver("now", "1");
    assert_eq!(message_ids(&[stream.event()]), ["now"]);
}

#[test]
fn an_unknown_id_gets_a_gap_and_then_all_events() {
    let (gateway, _prospect) = with_messages(2);
    let operator = Operator::of(&gateway);
    let all = operator.events_after("0").events(3);
    let stream = all[0].stream();
    for unknown in [
        "another-stream-1".to_owned(),
        format!("{stream}-4"),
        format!("{stream}-18446744073709551615"),
        format!("{stream}-18446744073709551616"),
        format!("{stream}-"),
        format!("{stream}-x"),
        stream.to_owned(),
        "1".to_owned(),
        "x".to_owned(),
    ] {
        let mut events = operator.events_after(&unknown).events(4);
        let gap = events.remove(0);
        assert_eq!((gap.kind.as_str(), gap.id.as_str()), ("gap", ""), "{unknown}");
        assert_eq!(gap.json(), json!({"requested": unknown, "oldest": all[0].id}));
        assert_eq!(events, all, "{unknown}");
    }
}

#[test]
fn the_gap_of_an_empty_stream_names_the_next_event() {
    let gateway = Gateway::trial();
    let mut stream = Operator::of(&gateway).events_after("another-stream-7");
    let gap = stream.event();
    let _prospect = Prospect::open(&gateway, DEVICE);
    assert_eq!(gap.json()["oldest"], stream.event().id);
}

#[test]
fn a_reader_that_reconnects_gets_each_event_once() {
    let (gateway, mut prospect) = with_messages(40);
    let operator = Operator::of(&gateway);
    let mut read = operator.events_after("0").events(1);
    for turn in 0..10 {
        prospect.deliver(&format!("more-{turn}"), "1");
        let last = read.last().expect("an event").id.clone();
        read.extend(operator.events_after(&last).events(5));
    }
    assert_eq!(read, operator.history_of(DEVICE));
}
