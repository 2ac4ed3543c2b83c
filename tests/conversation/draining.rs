//! Sockets and event streams of a gateway that shuts down.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tests::{DEVICE, Event, Gateway, Operator, Prospect, gateway::eventually};

#[test]
fn a_prospect_with_undelivered_messages_gets_bye_4200() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for _ in 0..3 {
        Operator::of(&gateway).queue(DEVICE, "1");
    }
    gateway.signal("TERM");
    let (code, bye) = prospect.socket.closed();
    assert_eq!(code, 4200);
    let bye = bye.expect("a bye");
    assert_eq!(bye["code"], 4200);
    assert!(bye["retryAfterMs"].as_u64().expect("a number") > 0);
}

#[test]
fn an_open_stream_ends_when_the_gateway_shuts_down() {
    let mut gateway = Gateway::trial();
    let mut streams = [(); 2].map(|()| Operator::of(&gateway).events());
    gateway.signal("TERM");
    for stream in &mut streams {
        assert_eq!(stream.next_event(), None);
    }
    assert!(gateway.ended().success());
}

#[test]
fn a_stream_sends_every_disconnected_event_before_it_ends() {
    let gateway = Gateway::trial();
    let devices: Vec<_> = (0..10).map(|n| format!("device-{n}")).collect();
    let _open: Vec<_> = devices.iter().map(|device| Prospect::open(&gateway, device)).collect();
    let mut stream = Operator::of(&gateway).events();
    gateway.signal("TERM");
    let mut told: Vec<_> = stream.events(10).iter().map(Event::device).collect();
    told.sort();
    assert_eq!(told, devices);
    assert_eq!(stream.next_event(), None);
}

#[test]
fn unread_streams_do_not_hold_up_the_shutdown() {
    let mut gateway = Gateway::trial();
    let _streams = [(); 2].map(|()| Operator::of(&gateway).events());
    gateway.signal("TERM");
    assert!(gateway.ended().success());
}

#[test]
fn a_request_that_waits_for_an_acknowledgement_is_answered_with_202_at_once() {
    let mut gateway = Gateway::trial();
    let _prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    let path = format!("/operator/prospects/{DEVICE}/messages?wait=ack");
    let call = operator.call("POST", &path).json(&json!({"data": 1}));
    let waiting = thread::spawn(|| call.send());
    eventually("the message is queued", || operator.unacknowledged(DEVICE) == 1);
    let shutdown = Instant::now();
    gateway.signal("TERM");
    let answer = waiting.join().expect("an answer");
    assert_eq!((answer.status, &answer.json()["acknowledged"]), (202, &json!(false)));
    assert!(gateway.ended().success());
    // Far below `--ack-wait` and `--drain-timeout`.
    assert!(shutdown.elapsed() < Duration::from_secs(8), "{:?}", shutdown.elapsed());
}
