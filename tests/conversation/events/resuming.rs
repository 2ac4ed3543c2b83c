//! Where a stream begins, and what `Last-Event-ID` does.

use api_types::event::MAX_CURSOR_LENGTH;
use serde_json::json;
use tests::{Connection, DEVICE, Gateway, Operator, Prospect, connection::request};

use super::with_messages;
use crate::{kinds, message_ids};

#[test]
fn zero_begins_with_the_oldest_event() {
    let (gateway, _prospect) = with_messages(2);
    let events = Operator::of(&gateway).events_after("0").events(3);
    assert_eq!(kinds(&events), ["connected", "message", "message"]);
}

#[test]
fn an_empty_id_is_none() {
    let (gateway, mut prospect) = with_messages(2);
    let mut stream = Operator::of(&gateway).events_after("");
    prospect.deliver("now", "1");
    assert_eq!(message_ids(&[stream.event()]), ["now"]);
}

/// What a stream that is opened with this query and this header sends first.
fn beginning(gateway: &Gateway, query: &str, last: Option<&str>) -> String {
    let key = format!("Bearer {}", gateway.operator_key);
    let mut headers = vec![("authorization", key.as_str())];
    headers.extend(last.map(|last| ("last-event-id", last)));
    let mut connection = Connection::open(gateway);
    connection.send(request(&format!("GET /operator/events{query}"), &headers, ""));
    let answer = connection.answer();
    assert_eq!(answer.status, 200);
    // Proxies neither hold the stream back nor compress it.
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert_eq!(answer.header("content-encoding"), "identity");
    assert_eq!(answer.header("cache-control"), "no-store, no-transform");
    String::from_utf8(connection.chunk().expect("a chunk")).expect("UTF-8")
}

#[test]
fn a_stream_without_events_begins_with_a_comment_at_once() {
    assert_eq!(beginning(&Gateway::trial(), "", None), ":\n\n");
}

#[test]
fn an_id_in_the_query_does_what_the_header_does() {
    let (gateway, _prospect) = with_messages(2);
    let history = Operator::of(&gateway).events_after("0").events(3);
    let query = format!("?lastEventId={}", history[1].id);
    for (query, last, next) in
        [("?lastEventId=0", None, 0), (&*query, None, 2), (&*query, Some("0"), 0)]
    {
        let text = beginning(&gateway, query, last);
        let first = format!("id: {}\n", history[next].id);
        assert!(text.starts_with(&first), "{query} {last:?}: {text}");
    }
}

#[test]
fn another_parameter_of_the_query_is_refused() {
    let gateway = Gateway::trial();
    let answer = Operator::of(&gateway).call("GET", "/operator/events?last=0").send();
    assert_eq!(answer.problem_name(), "invalid-parameter");
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
        assert_eq!(gap.json(), json!({"event": "gap", "requested": unknown, "oldest": all[0].id}));
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
fn a_gap_has_the_whole_cursor_and_cuts_only_what_is_too_long_for_one() {
    let gateway = Gateway::trial();
    let cursor = "x".repeat(MAX_CURSOR_LENGTH);
    for longer in ["", "x"] {
        let sent = format!("{cursor}{longer}");
        let query = format!("?lastEventId={sent}");
        for (query, last) in [("", Some(&*sent)), (&*query, None)] {
            let text = beginning(&gateway, query, last);
            assert!(text.starts_with("event: gap\n"), "{text}");
            assert!(text.contains(&format!(r#""requested":"{cursor}","#)), "{text}");
        }
    }
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
