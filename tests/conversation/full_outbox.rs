//! An outbox that is full refuses the sender.

use tests::{Answer, DEVICE, Gateway, Operator, Prospect};

/// A gateway with a small outbox, and a prospect that has read three messages from a full one.
fn full(setting: &str, size: &str) -> (Gateway, Prospect) {
    let gateway = Gateway::builder().flag(setting, size).start();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    for seq in 1..=3 {
        assert_eq!(operator.queue(DEVICE, r#""12345678""#), seq);
    }
    assert_eq!(prospect.receive_seqs(3), [1, 2, 3]);
    (gateway, prospect)
}

/// Holds that an outbox was full.
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.problem_name(), "outbox-full");
    let wait: u32 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=86_400).contains(&wait), "{wait}");
}

#[test]
fn a_message_over_the_count_limit_is_refused() {
    let (gateway, _prospect) = full("--outbox-messages", "3");
    let operator = Operator::of(&gateway);
    is_refused(&operator.send(DEVICE, "4"));
    assert_eq!(operator.unacknowledged(DEVICE), 3);
}

#[test]
fn a_message_over_the_byte_limit_is_refused() {
    let (gateway, _prospect) = full("--outbox-bytes", "30");
    let operator = Operator::of(&gateway);
    is_refused(&operator.send(DEVICE, "4"));
    assert_eq!(operator.unacknowledged(DEVICE), 3);
}

#[test]
fn a_message_that_fits_exactly_is_accepted() {
    let (gateway, _prospect) = full("--outbox-bytes", "33");
    let operator = Operator::of(&gateway);
    is_refused(&operator.send(DEVICE, "1234"));
    assert_eq!(operator.queue(DEVICE, "123"), 4);
}

#[test]
fn an_acknowledgement_makes_room() {
    for (setting, size) in [("--outbox-messages", "3"), ("--outbox-bytes", "30")] {
        let (gateway, mut prospect) = full(setting, size);
        let operator = Operator::of(&gateway);
        is_refused(&operator.send(DEVICE, r#""12345678""#));
        prospect.ack(1);
        assert!(prospect.has_received_all());
        assert_eq!(operator.queue(DEVICE, r#""12345678""#), 4);
        is_refused(&operator.send(DEVICE, r#""12345678""#));
    }
}

#[test]
fn a_refused_message_is_not_delivered() {
    let (gateway, mut prospect) = full("--outbox-messages", "3");
    is_refused(&Operator::of(&gateway).send(DEVICE, r#""refused""#));
    assert!(prospect.has_received_all());
    prospect.ack(3);
    assert!(prospect.has_received_all());
    Operator::of(&gateway).queue(DEVICE, r#""taken""#);
    assert_eq!(prospect.receive_message().data, r#""taken""#);
}

#[test]
fn an_expired_message_makes_room() {
    let gateway = Gateway::builder().flag("--outbox-messages", "1").start();
    let _ = gateway.token(DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    operator.queue_for(DEVICE, "1", 1);
    assert_eq!(events.event().kind, "expired");
    assert_eq!(operator.queue(DEVICE, "2"), 2);
}

#[test]
fn retry_after_is_the_time_until_the_first_message_expires() {
    let gateway = Gateway::builder().flag("--outbox-messages", "2").start();
    let _ = gateway.token(DEVICE);
    let operator = Operator::of(&gateway);
    operator.queue_for(DEVICE, "1", 80_000);
    operator.queue_for(DEVICE, "2", 600);
    let wait = operator.send(DEVICE, "3").header("retry-after").parse().expect("seconds");
    assert!((1..=600).contains(&wait), "{wait}");
}

#[test]
fn the_outbox_is_per_device() {
    let (gateway, _prospect) = full("--outbox-messages", "3");
    let _ = gateway.token("another-device");
    assert_eq!(Operator::of(&gateway).queue("another-device", "1"), 1);
}
