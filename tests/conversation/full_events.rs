//! A full event stream refuses messages and sockets; it never drops an event.

use tests::{DEVICE, Gateway, Operator, Prospect, Socket, half_ref, prospect::FrameError, socket};

use crate::{kinds, message_ids};

/// The least that `--event-bytes` may be with an outbox of one message.
const LEAST: &str = "20992";

/// A gateway on which one device can fill the event stream.
fn narrow() -> Gateway {
    narrow_with(LEAST)
}

fn narrow_with(event_bytes: &str) -> Gateway {
    Gateway::builder().flag("--outbox-messages", "1").flag("--event-bytes", event_bytes).start()
}

/// An authorised `halfRef`.
fn authorised(gateway: &Gateway, device: &str) -> String {
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(device), device, &half_ref).succeeds();
    half_ref
}

/// Checks that a socket does not open because the stream is full.
fn assert_refused(gateway: &Gateway, half_ref: &str) {
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
fn a_refused_message_leaves_the_socket_open() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.fill_event_stream();
    prospect.send_message("m1", "1");
    let refused = FrameError { id: Some("m1".to_owned()), problem: "events-full".to_owned() };
    assert_eq!(prospect.receive_error(), refused);
    assert!(prospect.has_received_all());
}

#[test]
fn a_refused_message_is_accepted_after_a_release() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let filled = prospect.fill_event_stream();
    prospect.send_message("m1", "1");
    let _ = prospect.receive_error();
    release(&gateway, 1 + filled);
    prospect.deliver("m1", "1");
    assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ["m1"]);
}

#[test]
fn a_repeated_message_is_accepted_when_the_stream_is_full() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.deliver("m1", "1");
    prospect.fill_event_stream();
    prospect.deliver("m1", "1");
}

#[test]
fn messages_to_the_prospect_are_still_delivered() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    assert_eq!(prospect.receive_seqs(1), [1]);
    prospect.fill_event_stream();
    prospect.ack(1);
    assert!(prospect.has_received_all());
    assert_eq!(operator.unacknowledged(DEVICE), 0);
}

#[test]
fn a_full_stream_refuses_the_operators_message() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let filled = prospect.fill_event_stream();
    let operator = Operator::of(&gateway);
    let refused = operator.send(DEVICE, "1");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.problem_name(), "events-full");
    release(&gateway, 1 + filled);
    assert_eq!(operator.queue(DEVICE, "1"), 1);
}

#[test]
fn a_refused_socket_leaves_its_half_ref_unspent() {
    let gateway = narrow();
    let mut older = Prospect::open(&gateway, DEVICE);
    let filled = older.fill_event_stream();
    let half_ref = authorised(&gateway, DEVICE);
    assert_refused(&gateway, &half_ref);
    assert_refused(&gateway, &half_ref);
    assert!(older.has_received_all());
    release(&gateway, 1 + filled);
    let _newer = Prospect::redeem(&gateway, &half_ref);
    assert_eq!(older.socket.closed().0, 4004);
}

#[test]
fn a_disconnected_event_is_written_when_the_stream_is_full() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let filled = prospect.fill_event_stream();
    drop(prospect);
    let events = Operator::of(&gateway).events_after("0").events(2 + filled);
    assert_eq!(kinds(&events)[1 + filled], "disconnected");
}

#[test]
fn an_expired_event_is_written_when_the_stream_is_full() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue_for(DEVICE, "1", 1);
    assert_eq!(prospect.receive_seqs(1), [1]);
    let filled = prospect.fill_event_stream();
    let events = operator.events_after("0").events(2 + filled);
    assert!(kinds(&events).contains(&"expired"));
}

#[test]
fn one_device_cannot_fill_the_stream() {
    let gateway = narrow_with("50000");
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.fill_event_stream();
    let _other = Prospect::open(&gateway, "another-device");
}

#[test]
fn many_devices_can_fill_the_stream() {
    let gateway = narrow_with("30000");
    let mut filled = 0;
    let mut open = Vec::new();
    for device in ["device-0", "device-1"] {
        let mut prospect = Prospect::open(&gateway, device);
        filled += 1 + prospect.fill_event_stream();
        open.push(prospect);
    }
    assert_refused(&gateway, &authorised(&gateway, DEVICE));
    release(&gateway, filled);
    let _prospect = Prospect::open(&gateway, DEVICE);
}

#[test]
fn a_full_stream_drops_no_event() {
    let gateway = narrow();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.fill_event_stream();
    let first = Operator::of(&gateway).events_after("0").event();
    assert_eq!((first.number(), first.connection()), (1, prospect.connection()));
}
