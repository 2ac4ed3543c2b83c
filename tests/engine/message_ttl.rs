//! When messages expire.

use crate::harness::{
    MESSAGE, MOMENT, SECOND, conformance, heavy_phone, just_before, open_phone, phone,
};

conformance!(a_message_expires_at_the_end_of_its_ttl, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.advance(just_before(MESSAGE)).await;
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1]);
    engine.events_are(&[]).await;
    engine.advance(MOMENT).await;
    assert!(engine.outbox_numbers("phone", "connection").await.is_empty());
    engine.events_are(&["phone expired 1"]).await;
});

conformance!(a_message_in_the_middle_expires_on_its_own, async |backend| {
    let engine = open_phone(backend).await;
    engine.send_with_ttl("phone", "1", 20 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "2", 10 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "3", 20 * SECOND).await.unwrap();
    engine.advance(10 * SECOND).await;
    engine.events_are(&["phone expired 2"]).await;
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1, 3]);
});

conformance!(messages_expire_in_the_order_of_their_deadlines, async |backend| {
    let engine = open_phone(backend).await;
    engine.send_with_ttl("phone", "1", 20 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "2", 10 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "3", 10 * SECOND).await.unwrap();
    engine.advance(30 * SECOND).await;
    engine.events_are(&["phone expired 2", "phone expired 3", "phone expired 1"]).await;
});

conformance!(a_message_expires_once, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.advance(MESSAGE).await;
    engine.new_events().await;
    engine.advance(MESSAGE).await;
    engine.disconnect("phone").await;
    engine.events_are(&["phone disconnected connection Revoked"]).await;
});

conformance!(a_message_expires_without_a_socket, async |backend| {
    let engine = phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.advance(MESSAGE).await;
    engine.events_are(&["phone expired 1"]).await;
});

conformance!(a_message_that_was_read_expires, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.outbox_numbers("phone", "connection").await;
    engine.advance(MESSAGE).await;
    engine.events_are(&["phone expired 1"]).await;
});

conformance!(an_acknowledged_message_does_not_expire, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    engine.advance(MESSAGE).await;
    engine.events_are(&[]).await;
});

conformance!(a_message_that_expires_in_the_middle_makes_room, async |backend| {
    let engine = heavy_phone(backend).await;
    engine.advance(30 * SECOND).await;
    assert!(engine.send("phone", "1234567").await.is_err());
    assert!(engine.send("phone", "123456").await.is_ok());
});

conformance!(an_expired_number_is_not_reused, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.advance(MESSAGE).await;
    assert_eq!(engine.send("phone", "2").await.unwrap().seq, 2);
});

conformance!(messages_of_an_ended_record_do_not_affect_the_next, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "before").await.unwrap();
    engine.disconnect("phone").await;
    engine.claim("phone", "next").await.unwrap();
    engine.send_with_ttl("phone", "after", 2 * MESSAGE).await.unwrap();
    engine.new_events().await;
    engine.advance(MESSAGE).await;
    engine.events_are(&[]).await;
    engine.open("next", "phone", "newer").await;
    assert_eq!(engine.outbox_numbers("phone", "newer").await, [1]);
});

conformance!(acknowledgements_of_an_ended_record_do_not_affect_the_next, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "before").await.unwrap();
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    engine.disconnect("phone").await;
    engine.claim("phone", "next").await.unwrap();
    engine.send_with_ttl("phone", "after", 2 * MESSAGE).await.unwrap();
    engine.new_events().await;
    engine.advance(MESSAGE).await;
    engine.events_are(&[]).await;
});
