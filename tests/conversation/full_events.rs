//! An event stream that is full refuses prospects: nothing is dropped for what comes later.

use tests::{DEVICE, Gateway, Operator, Prospect, Socket, half_ref, prospect::Refused, socket};

use crate::{kinds, message_ids};

/// A gateway on which the first event of a device takes all the room that there is for it.
fn narrow() -> Gateway {
    Gateway::builder().flag("--event-bytes", "10000").start()
}

/// A `halfRef` that waits.
fn waiting(gateway: &Gateway, device: &str) -> String {
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(device), device, &half_ref).succeeds();
    half_ref
}

/// Holds that a socket does not open because the stream is full.
fn is_refused(gateway: &Gateway, half_ref: &str) {
    let opened = Socket::try_open(gateway, socket::handshake(gateway, half_ref));
    let answer = opened.err().expect("a refusal");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem_name(), "events-full");
}

/// Releases everything that is kept.
fn release(gateway: &Gateway, count: usize) {
    let operator = Operator::of(gateway);
    let newest = operator.events_after("0").events(count).pop().expect("an event");
    operator.release_through(&newest);
}

#[test]
fn a_message_is_refused_and_the_socket_lives_on() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.say("m1", "1");
    let refused = Refused { id: Some("m1".to_owned()), problem: "events-full".to_owned() };
    assert_eq!(prospect.refused(), refused);
    assert!(prospect.has_read_all());
}

#[test]
fn a_message_that_was_refused_is_accepted_after_a_release() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.say("m1", "1");
    let _ = prospect.refused();
    release(&gateway, 1);
    prospect.tell("m1", "1");
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m1"]);
}

#[test]
fn a_message_that_is_in_the_stream_is_accepted_again_though_it_is_full() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    release(&gateway, 1);
    prospect.tell("m1", &format!("\"{}\"", "x".repeat(100)));
    prospect.say("m2", "1");
    assert_eq!(prospect.refused().problem, "events-full");
    prospect.tell("m1", "1");
}

#[test]
fn messages_to_the_prospect_go_on() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    assert_eq!(prospect.numbers(1), [1]);
    prospect.ack(1);
    assert!(prospect.has_read_all());
    assert_eq!(operator.unacknowledged(DEVICE), 0);
}

#[test]
fn a_socket_does_not_open_and_its_half_ref_is_not_spent() {
    let gateway = narrow();
    let mut older = Prospect::open(&gateway, DEVICE);
    let half_ref = waiting(&gateway, DEVICE);
    is_refused(&gateway, &half_ref);
    is_refused(&gateway, &half_ref);
    assert!(older.has_read_all());
    release(&gateway, 1);
    let _newer = Prospect::redeem(&gateway, &half_ref);
    assert_eq!(older.socket.closed().0, 4004);
}

#[test]
fn a_socket_that_ends_is_told_though_the_stream_is_full() {
    let gateway = narrow();
    drop(Prospect::open(&gateway, DEVICE));
    let events = Operator::of(&gateway).events_after("0").events(2);
    assert_eq!(kinds(&events), ["connected", "disconnected"]);
}

#[test]
fn a_message_that_expires_is_told_though_the_stream_is_full() {
    let gateway = narrow();
    let _prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue_for(DEVICE, "1", 1);
    let events = operator.events_after("0").events(2);
    assert_eq!(kinds(&events), ["connected", "expired"]);
}

#[test]
fn one_device_does_not_fill_the_stream_for_others() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.say("m1", "1");
    assert_eq!(prospect.refused().problem, "events-full");
    let _other = Prospect::open(&gateway, "another-device");
}

#[test]
fn many_devices_fill_the_stream_for_all() {
    let gateway = Gateway::builder().flag("--event-bytes", "150").start();
    let devices: Vec<_> = (0..2).map(|n| format!("device-{n}")).collect();
    let _open: Vec<_> = devices.iter().map(|device| Prospect::open(&gateway, device)).collect();
    is_refused(&gateway, &waiting(&gateway, DEVICE));
    release(&gateway, 2);
    let _prospect = Prospect::open(&gateway, DEVICE);
}

#[test]
fn nothing_is_dropped_to_make_room() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    for _ in 0..3 {
        prospect.say("m1", "1");
        let _ = prospect.refused();
    }
    let first = Operator::of(&gateway).events_after("0").event();
    assert_eq!((first.number(), first.connection()), (1, prospect.connection()));
}
