//! Which events there are and what is in them.

use api_types::event::{ConnectedEvent, DisconnectedEvent, ExpiredEvent, GapEvent, MessageEvent};
use regex::Regex;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tests::{DEVICE, Event, EventStream, Gateway, Operator, Prospect, Socket, half_ref};
use tungstenite::{Message, protocol::CloseFrame};

use super::with_messages;
use crate::{kinds, unlimited};

/// The events of a device whose socket opens and then ends in this way.
fn history_of_socket(end: impl FnOnce(&Gateway, Prospect)) -> Vec<Event> {
    let gateway = unlimited();
    let prospect = Prospect::open(&gateway, DEVICE);
    let mut stream = Operator::of(&gateway).events();
    end(&gateway, prospect);
    stream.until(|event| event.kind == "disconnected" && event.device() == DEVICE);
    Operator::of(&gateway).history_of(DEVICE)
}

/// The code in the `disconnected` event of a socket that ends in this way.
fn close_code_of(end: impl FnOnce(&Gateway, Prospect)) -> Option<u64> {
    let events = history_of_socket(end);
    assert_eq!(kinds(&events), ["connected", "disconnected"]);
    assert_eq!(events[0].connection(), events[1].connection());
    events[1].json().get("code").map(|code| code.as_u64().expect("a number"))
}

fn close_frame(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: "done".into() }))
}

#[test]
fn a_socket_that_opens_is_a_connected_event() {
    let gateway = Gateway::trial();
    let mut stream = Operator::of(&gateway).events();
    let prospect = Prospect::open(&gateway, DEVICE);
    let event = stream.event();
    let at = event.json()["at"].clone();
    assert_eq!(event.kind, "connected");
    let connection = &prospect.hello["connectionId"];
    let told =
        json!({"event": "connected", "deviceTag": DEVICE, "connectionId": connection, "at": at});
    assert_eq!(event.json(), told);
}

#[test]
fn a_connected_event_has_the_device_data() {
    let gateway = Gateway::trial();
    let data = r#"{ "number" : 1e400, "a":"\u00e9/é" }"#;
    let body = format!(r#"{{"channel": "test", "deviceTag": "{DEVICE}", "deviceData":{data} }}"#);
    let token = gateway.call("PUT", "/token").json_text(body).send().token();
    let mut stream = Operator::of(&gateway).events();
    let _prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let event = stream.event();
    assert!(event.data.ends_with(&format!(r#","deviceData":{data}}}"#)), "{}", event.data);
    assert_eq!(as_its_type(&event), event.data);
}

/// The data of an event, read and written again as its type in the contract.
fn as_its_type(event: &Event) -> String {
    fn again<T: DeserializeOwned + Serialize>(data: &str) -> String {
        let event: T = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        serde_json::to_string(&event).expect("JSON")
    }

    match event.kind.as_str() {
        "connected" => again::<ConnectedEvent>(&event.data),
        "message" => again::<MessageEvent>(&event.data),
        "disconnected" => again::<DisconnectedEvent>(&event.data),
        "expired" => again::<ExpiredEvent>(&event.data),
        "gap" => again::<GapEvent>(&event.data),
        other => panic!("an unknown event: {other}"),
    }
}

#[test]
fn each_event_is_its_type_in_the_contract_byte_for_byte() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.deliver("1", r#"{ "a" : 1.0 }"#);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    assert_eq!(operator.disconnect(DEVICE).status, 204);
    let mut events = operator.events_after("unknown").events(5);
    for event in &events {
        assert_eq!(as_its_type(event), event.data);
    }
    events.sort_by_key(|event| event.kind.clone());
    assert_eq!(kinds(&events), ["connected", "disconnected", "expired", "gap", "message"]);
}

#[test]
fn at_is_in_utc_with_milliseconds() {
    let (gateway, _prospect) = with_messages(1);
    let format = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$").expect("a pattern");
    for event in Operator::of(&gateway).history() {
        let at = event.json()["at"].as_str().expect("a time").to_owned();
        assert!(format.is_match(&at), "{at}");
    }
}

#[test]
fn linkinjected_is_in_the_connected_event() {
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
fn a_close_by_the_client_has_its_code() {
    assert_eq!(
        close_code_of(|_, mut prospect| prospect.socket.send(close_frame(1000))),
        Some(1000)
    );
    assert_eq!(
        close_code_of(|_, mut prospect| prospect.socket.send(close_frame(3001))),
        Some(3001)
    );
}

#[test]
fn a_close_without_a_code_has_none() {
    assert_eq!(close_code_of(|_, mut prospect| prospect.socket.send(Message::Close(None))), None);
}

#[test]
fn a_lost_connection_has_no_code() {
    assert_eq!(close_code_of(|_, prospect| drop(prospect)), None);
}

#[test]
fn a_revoked_socket_has_code_4003() {
    let revoke = |gateway: &Gateway, _| drop(Operator::of(gateway).disconnect(DEVICE));
    assert_eq!(close_code_of(revoke), Some(4003));
}

#[test]
fn a_socket_with_a_bad_frame_has_code_4000() {
    assert_eq!(close_code_of(|_, mut prospect| prospect.send("no frame")), Some(4000));
}

#[test]
fn a_socket_that_takes_over_connects_after_the_older_disconnects() {
    let events = history_of_socket(|gateway, _older| {
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
fn a_half_ref_that_opens_no_socket_is_no_event() {
    let gateway = unlimited();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
    let _prospect = Prospect::redeem(&gateway, &half_ref);
    assert_eq!(Socket::open(&gateway, &half_ref).closed().0, 4001);
    assert_eq!(kinds(&Operator::of(&gateway).history_of(DEVICE)), ["connected"]);
}

#[test]
fn ids_rise_by_one_in_one_stream() {
    let (gateway, _prospect) = with_messages(20);
    let events = Operator::of(&gateway).history();
    let numbers: Vec<_> = events.iter().map(Event::number).collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event.stream() == events[0].stream()));
}

#[test]
fn two_gateways_have_different_streams() {
    let [one, other] = [with_messages(0), with_messages(0)]
        .map(|(gateway, _)| Operator::of(&gateway).events_after("0").event());
    assert_ne!(one.stream(), other.stream());
}

#[test]
fn every_reader_gets_every_event() {
    let (gateway, mut prospect) = with_messages(0);
    let mut readers = [(); 3].map(|()| Operator::of(&gateway).events());
    prospect.deliver("m1", "1");
    let events = readers.each_mut().map(EventStream::event);
    assert_eq!(events[0].kind, "message");
    assert!(events.iter().all(|event| *event == events[0]));
}
