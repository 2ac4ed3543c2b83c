//! Messages whose time runs out.

use tests::{DEVICE, Event, Gateway, Operator, Prospect};

/// The `epoch` and `seq` of an `expired` event.
fn place(event: &Event) -> (String, u64) {
    assert_eq!(event.kind, "expired");
    let said = event.json();
    let epoch = said["epoch"].as_str().expect("an epoch");
    (epoch.to_owned(), said["seq"].as_u64().expect("a number"))
}

#[test]
fn an_expired_message_becomes_an_event() {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    let sent = operator.queue_for(DEVICE, "1", 1);
    let event = events.event();
    assert_eq!(event.device(), DEVICE);
    assert_eq!(place(&event), (sent["epoch"].as_str().expect("text").to_owned(), 1));
}

#[test]
fn an_expired_message_is_not_delivered() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    operator.queue_for(DEVICE, r#""short""#, 1);
    operator.queue(DEVICE, r#""long""#);
    assert_eq!(place(&events.event()).1, 1);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    assert_eq!(prospect.receive_seqs(1), [2]);
    assert!(prospect.has_received_all());
}

#[test]
fn messages_expire_in_the_order_of_their_deadlines() {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    operator.queue_for(DEVICE, "1", 3);
    operator.queue_for(DEVICE, "2", 1);
    assert_eq!(operator.unacknowledged(DEVICE), 2);
    let expired = [(); 2].map(|()| place(&events.event()).1);
    assert_eq!(expired, [2, 1]);
    assert_eq!(operator.unacknowledged(DEVICE), 0);
}

#[test]
fn a_delivered_unacknowledged_message_expires() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    operator.queue_for(DEVICE, "1", 1);
    assert_eq!(prospect.receive_seqs(1), [1]);
    assert_eq!(place(&events.event()).1, 1);
}

#[test]
fn an_acknowledged_message_does_not_expire() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    for _ in 0..2 {
        operator.queue_for(DEVICE, "1", 1);
    }
    prospect.receive_seqs(2);
    prospect.ack(1);
    // The second would come second.
    assert_eq!(place(&events.event()).1, 2);
}

#[test]
fn a_prospect_can_acknowledge_an_expired_message() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    operator.queue_for(DEVICE, "1", 1);
    prospect.receive_seqs(1);
    assert_eq!(place(&events.event()).1, 1);
    prospect.ack(1);
    assert!(prospect.has_received_all());
}

#[test]
fn sequence_numbers_of_expired_messages_are_not_reused() {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    operator.queue_for(DEVICE, "1", 1);
    assert_eq!(place(&events.event()).1, 1);
    assert_eq!(operator.queue(DEVICE, "2"), 2);
}
