//! `DELETE /operator/events`: releasing events.

use serde_json::json;
use tests::Operator;

use super::with_messages;
use crate::message_ids;

#[test]
fn released_events_are_not_sent_again() {
    let (gateway, _prospect) = with_messages(3);
    let operator = Operator::of(&gateway);
    let all = operator.events_after("0").events(4);
    operator.release_through(&all[1]);
    assert_eq!(operator.events_after("0").events(2), all[2..]);
}

#[test]
fn the_last_released_id_gets_no_gap() {
    let (gateway, _prospect) = with_messages(3);
    let operator = Operator::of(&gateway);
    let all = operator.events_after("0").events(4);
    operator.release_through(&all[1]);
    assert_eq!(operator.events_after(&all[1].id).events(2), all[2..]);
}

#[test]
fn an_earlier_released_id_gets_a_gap() {
    let (gateway, _prospect) = with_messages(3);
    let operator = Operator::of(&gateway);
    let all = operator.events_after("0").events(4);
    operator.release_through(&all[1]);
    let mut stream = operator.events_after(&all[0].id);
    let gap = json!({"event": "gap", "requested": all[0].id, "oldest": all[2].id});
    assert_eq!(stream.event().json(), gap);
    assert_eq!(stream.events(2), all[2..]);
}

#[test]
fn numbering_continues_after_everything_is_released() {
    let (gateway, mut prospect) = with_messages(1);
    let operator = Operator::of(&gateway);
    let newest = operator.events_after("0").events(2).pop().expect("an event");
    operator.release_through(&newest);
    prospect.deliver("next", "1");
    let next = operator.events_after("0").event();
    assert_eq!((next.stream(), next.number()), (newest.stream(), newest.number() + 1));
}

#[test]
fn an_open_stream_continues_after_everything_is_released() {
    let (gateway, mut prospect) = with_messages(1);
    let operator = Operator::of(&gateway);
    let mut stream = operator.events_after("0");
    let newest = stream.events(2).pop().expect("an event");
    operator.release_through(&newest);
    prospect.deliver("next", "1");
    assert_eq!(message_ids(&[stream.event()]), ["next"]);
}

#[test]
fn releasing_is_repeatable_and_only_moves_forward() {
    let (gateway, _prospect) = with_messages(3);
    let operator = Operator::of(&gateway);
    let all = operator.events_after("0").events(4);
    for event in [&all[2], &all[2], &all[0]] {
        operator.release_through(event);
    }
    assert_eq!(operator.events_after("0").events(1), all[3..]);
}

#[test]
fn an_id_of_no_event_is_refused_and_releases_nothing() {
    let (gateway, _prospect) = with_messages(1);
    let operator = Operator::of(&gateway);
    let first = operator.events_after("0").event();
    for query in [
        String::new(),
        format!("?through={}&colour=red", first.id),
        format!("?through={}&through={}", first.id, first.id),
    ] {
        let answer = operator.release(&query);
        assert_eq!(answer.status, 422, "{query}");
        assert_eq!(answer.problem_name(), "invalid-parameter", "{query}");
    }
    for id in [
        String::new(),
        "0".to_owned(),
        "1".to_owned(),
        "another-stream-1".to_owned(),
        first.stream().to_owned(),
        format!("{}-x", first.stream()),
        format!("{}-01", first.stream()),
    ] {
        let answer = operator.release(&format!("?through={id}"));
        assert_eq!(answer.status, 409, "{id}");
        assert_eq!(answer.problem_name(), "event-unknown", "{id}");
    }
    assert_eq!(operator.events_after("0").event(), first);
}

#[test]
fn a_future_event_cannot_be_released() {
    let (gateway, _prospect) = with_messages(1);
    let operator = Operator::of(&gateway);
    let all = operator.events_after("0").events(2);
    let answer = operator.release(&format!("?through={}-3", all[0].stream()));
    assert_eq!(answer.problem_name(), "event-unknown");
    assert_eq!(operator.events_after("0").events(2), all);
}
