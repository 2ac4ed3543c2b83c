//! The event stream.

use regex::Regex;
use serde_json::json;
use tests::{Connection, DEVICE, Event, EventStream, Gateway, Operator, Prospect, Socket};
use tests::{gateway::eventually, half_ref};
use tungstenite::{Message, protocol::CloseFrame};

use crate::{kinds, message_ids, patient};

/// The history of a device whose socket was opened and ended like this.
fn history(end: impl FnOnce(&Gateway, Prospect)) -> Vec<Event> {
    let gateway = patient();
    let prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    end(&gateway, prospect);
    stream.until(|event| event.kind == "disconnected" && event.device() == DEVICE);
    Operator::of(&gateway).history_of(DEVICE)
}

/// The code with which the only socket of a device disconnected.
fn code(end: impl FnOnce(&Gateway, Prospect)) -> Option<u64> {
    let events = history(end);
    assert_eq!(kinds(&events), ["connected", "disconnected"]);
    assert_eq!(events[0].connection(), events[1].connection());
    events[1].json().get("code").map(|code| code.as_u64().expect("a number"))
}

fn close_with(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: "done".into() }))
}

/// A gateway on which a prospect said so many messages, each its number from 1. The first event is
/// that it connected.
fn said(count: usize) -> (Gateway, Prospect) {
    let gateway = patient();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for id in 1..=count {
        prospect.tell(&id.to_string(), "1");
    }
    (gateway, prospect)
}

mod what_is_told {
    use super::*;

    #[test]
    fn a_socket_that_opens_is_told() {
        let gateway = Gateway::trial();
        let mut stream = Operator::of(&gateway).events();
        let prospect = Prospect::open(&gateway, DEVICE);
        let event = stream.event();
        let at = event.json()["at"].clone();
        assert_eq!(event.kind, "connected");
        let connection = &prospect.hello["connectionId"];
        let told = json!({"deviceTag": DEVICE, "connectionId": connection, "at": at});
        assert_eq!(event.json(), told);
    }

    #[test]
    fn the_time_is_in_utc_with_milliseconds() {
        let (gateway, _prospect) = said(1);
        let format = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$").expect("a pattern");
        for event in Operator::of(&gateway).history() {
            let at = event.json()["at"].as_str().expect("a time").to_owned();
            assert!(format.is_match(&at), "{at}");
        }
    }

    #[test]
    fn the_link_of_the_authorisation_is_told() {
        let gateway = Gateway::trial();
        let half_ref = half_ref();
        let body = json!({"halfRef": half_ref, "deviceTag": DEVICE, "linkinjected": "a\n\"b\""});
        let call = gateway.call("POST", "/prospect/connectsocket");
        call.header("token", &gateway.token(DEVICE)).json(&body).send().succeeds();
        let _prospect = Prospect::redeem(&gateway, &half_ref);
        let event = Operator::of(&gateway).events_after("0").event();
        assert_eq!(event.json()["linkinjected"], "a\n\"b\"");
    }

    #[test]
    fn a_socket_that_is_closed_by_the_client_is_told_with_its_code() {
        assert_eq!(code(|_, mut prospect| prospect.socket.send(close_with(1000))), Some(1000));
        assert_eq!(code(|_, mut prospect| prospect.socket.send(close_with(3001))), Some(3001));
    }

    #[test]
    fn a_socket_that_is_closed_without_a_code_is_told_without_one() {
        assert_eq!(code(|_, mut prospect| prospect.socket.send(Message::Close(None))), None);
    }

    #[test]
    fn a_connection_that_breaks_is_told_without_a_code() {
        assert_eq!(code(|_, prospect| drop(prospect)), None);
    }

    #[test]
    fn a_socket_that_is_revoked_is_told_with_its_code() {
        let revoke = |gateway: &Gateway, _| drop(Operator::of(gateway).disconnect(DEVICE));
        assert_eq!(code(revoke), Some(4003));
    }

    #[test]
    fn a_socket_that_is_closed_for_a_bad_frame_is_told_with_its_code() {
        assert_eq!(code(|_, mut prospect| prospect.send("no frame")), Some(4000));
    }

    #[test]
    fn a_socket_that_takes_over_is_told_after_the_end_of_the_older() {
        let events = history(|gateway, _older| {
            let newer = Prospect::open(gateway, DEVICE);
            let mut stream = Operator::of(gateway).events();
            drop(newer);
            stream.event();
        });
        assert_eq!(kinds(&events), ["connected", "disconnected", "connected", "disconnected"]);
        assert_eq!(events[1].json()["code"], 4004);
        assert_eq!(events[0].connection(), events[1].connection());
        assert_eq!(events[2].connection(), events[3].connection());
        assert_ne!(events[0].connection(), events[2].connection());
    }

    #[test]
    fn a_half_ref_that_opens_nothing_is_not_told() {
        let gateway = patient();
        let half_ref = half_ref();
        gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
        let _prospect = Prospect::redeem(&gateway, &half_ref);
        assert_eq!(Socket::open(&gateway, &half_ref).closed().0, 4001);
        assert_eq!(kinds(&Operator::of(&gateway).history_of(DEVICE)), ["connected"]);
    }

    #[test]
    fn ids_are_of_one_stream_and_rise_by_one() {
        let (gateway, _prospect) = said(20);
        let events = Operator::of(&gateway).history();
        let numbers: Vec<_> = events.iter().map(Event::number).collect();
        assert_eq!(numbers, (1..=21).collect::<Vec<_>>());
        assert!(events.iter().all(|event| event.stream() == events[0].stream()));
    }

    #[test]
    fn two_gateways_have_two_streams() {
        let [one, other] =
            [said(0), said(0)].map(|(gateway, _)| Operator::of(&gateway).events_after("0").event());
        assert_ne!(one.stream(), other.stream());
    }

    #[test]
    fn every_reader_is_told_everything() {
        let (gateway, mut prospect) = said(0);
        let mut readers = [(); 3].map(|()| Operator::of(&gateway).events());
        prospect.tell("m1", "1");
        let events = readers.each_mut().map(EventStream::event);
        assert_eq!(events[0].kind, "message");
        assert!(events.iter().all(|event| *event == events[0]));
    }
}

mod where_it_begins {
    use super::*;

    #[test]
    fn at_zero_it_begins_with_the_oldest() {
        let (gateway, _prospect) = said(2);
        let events = Operator::of(&gateway).events_after("0").events(3);
        assert_eq!(kinds(&events), ["connected", "message", "message"]);
    }

    #[test]
    fn after_an_id_it_begins_with_the_next() {
        let (gateway, _prospect) = said(3);
        let operator = Operator::of(&gateway);
        let all = operator.events_after("0").events(4);
        for (place, event) in all.iter().enumerate() {
            let rest = operator.events_after(&event.id).events(3 - place);
            assert_eq!(rest, all[place + 1..]);
        }
    }

    #[test]
    fn without_an_id_it_begins_now() {
        let (gateway, mut prospect) = said(3);
        let mut stream = Operator::of(&gateway).events();
        prospect.tell("now", "1");
        assert_eq!(message_ids(&[stream.event()]), ["now"]);
    }

    #[test]
    fn after_the_newest_id_it_begins_now() {
        let (gateway, mut prospect) = said(1);
        let operator = Operator::of(&gateway);
        let newest = operator.events_after("0").events(2).pop().expect("an event");
        let mut stream = operator.events_after(&newest.id);
        prospect.tell("now", "1");
        assert_eq!(message_ids(&[stream.event()]), ["now"]);
    }

    #[test]
    fn an_id_that_is_not_kept_gets_a_gap_and_then_everything() {
        let (gateway, _prospect) = said(2);
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
    fn the_gap_of_a_stream_without_events_names_the_first_to_come() {
        let gateway = Gateway::trial();
        let mut stream = Operator::of(&gateway).events_after("another-stream-7");
        let gap = stream.event();
        let _prospect = Prospect::open(&gateway, DEVICE);
        assert_eq!(gap.json()["oldest"], stream.event().id);
    }

    #[test]
    fn a_reader_that_comes_back_loses_and_doubles_nothing() {
        let (gateway, mut prospect) = said(40);
        let operator = Operator::of(&gateway);
        let mut read = operator.events_after("0").events(1);
        for turn in 0..10 {
            prospect.tell(&format!("more-{turn}"), "1");
            let last = read.last().expect("an event").id.clone();
            read.extend(operator.events_after(&last).events(5));
        }
        assert_eq!(read, operator.history_of(DEVICE));
    }
}

mod releasing {
    use super::*;

    #[test]
    fn what_is_released_is_not_told_again() {
        let (gateway, _prospect) = said(3);
        let operator = Operator::of(&gateway);
        let all = operator.events_after("0").events(4);
        operator.release_through(&all[1]);
        assert_eq!(operator.events_after("0").events(2), all[2..]);
    }

    #[test]
    fn the_id_that_was_released_through_leaves_no_gap() {
        let (gateway, _prospect) = said(3);
        let operator = Operator::of(&gateway);
        let all = operator.events_after("0").events(4);
        operator.release_through(&all[1]);
        assert_eq!(operator.events_after(&all[1].id).events(2), all[2..]);
    }

    #[test]
    fn an_id_before_the_one_that_was_released_through_gets_a_gap() {
        let (gateway, _prospect) = said(3);
        let operator = Operator::of(&gateway);
        let all = operator.events_after("0").events(4);
        operator.release_through(&all[1]);
        let mut stream = operator.events_after(&all[0].id);
        let gap = json!({"requested": all[0].id, "oldest": all[2].id});
        assert_eq!(stream.event().json(), gap);
        assert_eq!(stream.events(2), all[2..]);
    }

    #[test]
    fn numbers_go_on_after_everything_is_released() {
        let (gateway, mut prospect) = said(1);
        let operator = Operator::of(&gateway);
        let newest = operator.events_after("0").events(2).pop().expect("an event");
        operator.release_through(&newest);
        prospect.tell("next", "1");
        let next = operator.events_after("0").event();
        assert_eq!((next.stream(), next.number()), (newest.stream(), newest.number() + 1));
    }

    #[test]
    fn a_reader_that_read_everything_reads_on() {
        let (gateway, mut prospect) = said(1);
        let operator = Operator::of(&gateway);
        let mut stream = operator.events_after("0");
        let newest = stream.events(2).pop().expect("an event");
        operator.release_through(&newest);
        prospect.tell("next", "1");
        assert_eq!(message_ids(&[stream.event()]), ["next"]);
    }

    #[test]
    fn it_can_be_repeated_and_goes_only_forward() {
        let (gateway, _prospect) = said(3);
        let operator = Operator::of(&gateway);
        let all = operator.events_after("0").events(4);
        for event in [&all[2], &all[2], &all[0]] {
            operator.release_through(event);
        }
        assert_eq!(operator.events_after("0").events(1), all[3..]);
    }

    #[test]
    fn an_id_that_is_none_of_the_stream_is_refused_and_releases_nothing() {
        let (gateway, _prospect) = said(1);
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
    fn an_event_that_has_not_happened_cannot_be_released() {
        let (gateway, _prospect) = said(1);
        let operator = Operator::of(&gateway);
        let all = operator.events_after("0").events(2);
        let answer = operator.release(&format!("?through={}-3", all[0].stream()));
        assert_eq!(answer.problem_name(), "event-unknown");
        assert_eq!(operator.events_after("0").events(2), all);
    }
}

mod streams {
    use super::*;

    fn with_one_stream() -> Gateway {
        Gateway::builder().flag("--event-streams", "1").start()
    }

    #[test]
    fn a_stream_above_the_number_is_refused() {
        let gateway = with_one_stream();
        let _first = Operator::of(&gateway).events();
        let answer = EventStream::try_open(&gateway, None).err().expect("a refusal");
        assert_eq!(answer.status, 429);
        assert_eq!(answer.problem_name(), "too-many-streams");
    }

    #[test]
    fn a_stream_that_the_reader_leaves_makes_room() {
        let gateway = with_one_stream();
        drop(Operator::of(&gateway).events());
        eventually("there is room", || EventStream::try_open(&gateway, None).is_ok());
    }

    #[test]
    fn the_default_is_eight_streams() {
        let gateway = Gateway::trial();
        let _open = [(); 8].map(|()| Operator::of(&gateway).events());
        assert!(EventStream::try_open(&gateway, None).is_err());
    }

    #[test]
    fn head_is_answered_and_holds_no_stream() {
        let gateway = with_one_stream();
        let key = format!("Bearer {}", gateway.operator_key);
        let mut connection = Connection::open(&gateway);
        for _ in 0..2 {
            let headers = [("authorization", key.as_str())];
            let answer = connection.ask("HEAD /operator/events", &headers, "");
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type"), "text/event-stream");
        }
        let _stream = Operator::of(&gateway).events();
    }
}
