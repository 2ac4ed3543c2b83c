//! Messages to a prospect: in order, and again on each socket until they are acknowledged.

use tests::{DEVICE, Gateway, Operator, Prospect};

use crate::unlimited;

/// Sends so many messages, each with its `seq` as data.
fn queue(gateway: &Gateway, count: u64) {
    let operator = Operator::of(gateway);
    for seq in 1..=count {
        assert_eq!(operator.queue(DEVICE, &seq.to_string()), seq);
    }
}

/// A prospect that received three messages and acknowledged up to `seq`, and its gateway.
fn acknowledged(seq: u64) -> (Gateway, Prospect) {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    queue(&gateway, 3);
    assert_eq!(prospect.receive_seqs(3), [1, 2, 3]);
    prospect.ack(seq);
    assert!(prospect.has_received_all());
    (gateway, prospect)
}

#[test]
fn a_message_reaches_an_open_socket() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let sent = Operator::of(&gateway).send(DEVICE, r#"{"text":"Hello"}"#).json();
    let message = prospect.receive_message();
    assert_eq!((&message.epoch.into(), &message.seq.into()), (&sent["epoch"], &sent["seq"]));
    assert_eq!(message.data, r#"{"text":"Hello"}"#);
}

#[test]
fn a_message_reaches_a_socket_that_opens_later() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    Operator::of(&gateway).queue(DEVICE, r#""Hello""#);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    assert_eq!(prospect.receive_message().data, r#""Hello""#);
}

#[test]
fn messages_arrive_in_order() {
    let gateway = unlimited();
    let token = gateway.token(DEVICE);
    queue(&gateway, 30);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    for seq in 31..=60 {
        Operator::of(&gateway).queue(DEVICE, &seq.to_string());
    }
    for seq in 1..=60 {
        let message = prospect.receive_message();
        assert_eq!((message.seq, message.data), (seq, seq.to_string()));
    }
}

#[test]
fn large_messages_arrive_in_order() {
    let gateway = unlimited();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let data = format!("\"{}\"", "x".repeat(60 * 1024 - 2));
    for _ in 0..10 {
        Operator::of(&gateway).queue(DEVICE, &data);
    }
    for seq in 1..=10 {
        let message = prospect.receive_message();
        assert!((message.seq, &message.data) == (seq, &data), "{seq}");
    }
}

#[test]
fn a_message_arrives_once_on_a_socket() {
    let (_gateway, mut prospect) = acknowledged(1);
    assert!(prospect.has_received_all());
}

#[test]
fn a_message_reaches_no_other_device() {
    let gateway = Gateway::trial();
    let [_phone, mut tablet] = ["phone", "tablet"].map(|device| Prospect::open(&gateway, device));
    Operator::of(&gateway).queue("phone", "1");
    Operator::of(&gateway).queue("tablet", "2");
    assert_eq!(tablet.receive_message().data, "2");
    assert!(tablet.has_received_all());
}

#[test]
fn unacknowledged_messages_are_sent_again_on_every_new_socket() {
    let gateway = unlimited();
    let token = gateway.token(DEVICE);
    queue(&gateway, 3);
    for _ in 0..3 {
        let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
        assert_eq!(prospect.receive_seqs(3), [1, 2, 3]);
    }
}

#[test]
fn a_message_that_is_sent_again_is_identical() {
    let gateway = unlimited();
    let token = gateway.token(DEVICE);
    Operator::of(&gateway).queue(DEVICE, r#"{"a":1.0}"#);
    let [one, other] =
        [(); 2].map(|()| Prospect::open_with(&gateway, &token, DEVICE).receive_message());
    assert_eq!(one, other);
}

#[test]
fn a_socket_that_takes_over_gets_all_unacknowledged_messages() {
    let (gateway, mut older) = acknowledged(1);
    let mut newer = Prospect::open(&gateway, DEVICE);
    assert_eq!(older.socket.closed().0, 4004);
    assert_eq!(newer.receive_seqs(2), [2, 3]);
}

#[test]
fn an_acknowledgement_is_cumulative() {
    let (gateway, _prospect) = acknowledged(2);
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 1);
    assert_eq!(Prospect::open(&gateway, DEVICE).receive_seqs(1), [3]);
}

#[test]
fn an_acknowledged_message_is_not_sent_again() {
    let (gateway, _prospect) = acknowledged(3);
    let mut newer = Prospect::open(&gateway, DEVICE);
    assert!(newer.has_received_all());
    assert_eq!(Operator::of(&gateway).queue(DEVICE, "4"), 4);
    assert_eq!(newer.receive_seqs(1), [4]);
}

#[test]
fn a_repeated_acknowledgement_changes_nothing() {
    let (gateway, mut prospect) = acknowledged(2);
    for seq in [1, 2] {
        prospect.ack(seq);
    }
    assert!(prospect.has_received_all());
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 1);
    assert_eq!(Prospect::open(&gateway, DEVICE).receive_seqs(1), [3]);
}

#[test]
fn an_acknowledgement_of_an_unsent_message_is_refused_and_changes_nothing() {
    let (gateway, mut prospect) = acknowledged(1);
    for seq in [4, 5, u64::MAX] {
        prospect.ack(seq);
        let refused = prospect.receive_error();
        assert_eq!((refused.id, refused.problem.as_str()), (None, "ack-not-sent"), "{seq}");
    }
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 2);
    assert_eq!(Prospect::open(&gateway, DEVICE).receive_seqs(2), [2, 3]);
}

#[test]
fn an_acknowledgement_before_any_message_is_refused() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    prospect.ack(1);
    assert_eq!(prospect.receive_error().problem, "ack-not-sent");
}

#[test]
fn a_refused_acknowledgement_leaves_the_socket_open() {
    let (_gateway, mut prospect) = acknowledged(1);
    prospect.ack(4);
    let _ = prospect.receive_error();
    prospect.ack(3);
    assert!(prospect.has_received_all());
}

#[test]
fn an_acknowledgement_of_a_message_sent_on_another_socket_is_refused() {
    let (gateway, _prospect) = acknowledged(3);
    let mut newer = Prospect::open(&gateway, DEVICE);
    newer.ack(3);
    assert_eq!(newer.receive_error().problem, "ack-not-sent");
}

#[test]
fn an_acknowledgement_on_a_superseded_socket_changes_nothing() {
    let (gateway, mut older) = acknowledged(1);
    let mut newer = Prospect::open(&gateway, DEVICE);
    older.ack(3);
    assert_eq!(older.socket.closed().0, 4004);
    assert_eq!(newer.receive_seqs(2), [2, 3]);
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 2);
}

#[test]
fn an_acknowledgement_may_write_its_number_with_a_fraction_of_zero() {
    let (gateway, mut prospect) = acknowledged(1);
    prospect.send(r#"{"type":"ack","seq":2.0}"#);
    prospect.send(r#"{"type":"ack","seq":30e-1}"#);
    assert!(prospect.has_received_all());
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 0);
}

#[test]
fn an_acknowledgement_with_an_invalid_number_is_refused() {
    let (gateway, mut prospect) = acknowledged(1);
    for seq in ["0", "-1", "2.5", r#""2""#, "null", "18446744073709551616"] {
        prospect.send(&format!(r#"{{"type":"ack","seq":{seq}}}"#));
        let refused = prospect.receive_error();
        assert_eq!((refused.id, refused.problem.as_str()), (None, "invalid-fields"), "{seq}");
    }
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 2);
}

#[test]
fn an_acknowledgement_with_an_unknown_field_is_refused_and_changes_nothing() {
    let (gateway, mut prospect) = acknowledged(1);
    prospect.send(r#"{"type":"ack","seq":3,"epoch":"x"}"#);
    assert_eq!(prospect.receive_error().problem, "invalid-fields");
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 2);
}

#[test]
fn an_acknowledgement_without_a_number_closes_the_socket() {
    let (_gateway, mut prospect) = acknowledged(1);
    prospect.send(r#"{"type":"ack"}"#);
    assert_eq!(prospect.socket.closed().0, 4000);
}
