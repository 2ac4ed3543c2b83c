//! What a socket reads from its outbox, and how much the outbox holds.

use engine::{Message, SendError};

use crate::harness::{SECOND, conformance, full_phone, heavy_phone, open_phone, phone, send_up_to};

conformance!(an_empty_outbox_returns_no_messages, async |backend| {
    let engine = open_phone(backend).await;
    assert!(engine.outbox_numbers("phone", "connection").await.is_empty());
});

conformance!(messages_are_read_in_order_byte_for_byte, async |backend| {
    let engine = open_phone(backend).await;
    let said = [r#"{ "b" : 1.0e2, "a":"\u00e9/é" }"#, "null", r#""""#];
    for data in said {
        engine.send("phone", data).await.unwrap();
    }
    let expected: Vec<_> =
        (1..).zip(said).map(|(seq, data)| Message { seq, data: data.into() }).collect();
    assert_eq!(engine.outbox("phone", "connection", 0, usize::MAX).await, Ok(expected));
});

conformance!(a_device_reads_its_own_messages_only, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.send("tablet", "0").await.unwrap();
    assert!(engine.outbox_numbers("phone", "connection").await.is_empty());
});

conformance!(messages_sent_before_the_socket_opened_are_read, async |backend| {
    let engine = phone(backend).await;
    send_up_to(&engine, 2).await;
    engine.open("token", "phone", "connection").await;
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1, 2]);
});

conformance!(reading_a_message_keeps_it_in_the_outbox, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 2).await;
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1, 2]);
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1, 2]);
});

conformance!(a_newer_socket_reads_all_unacknowledged_messages, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 3).await;
    engine.outbox_numbers("phone", "connection").await;
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    engine.open("token", "phone", "newer").await;
    assert_eq!(engine.outbox_numbers("phone", "newer").await, [2, 3]);
});

conformance!(only_messages_after_a_number_are_read, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 4).await;
    assert_eq!(engine.outbox_batch("phone", "connection", 2, usize::MAX).await, [3, 4]);
    assert!(engine.outbox_batch("phone", "connection", 4, usize::MAX).await.is_empty());
    assert!(engine.outbox_batch("phone", "connection", u64::MAX, usize::MAX).await.is_empty());
});

conformance!(a_batch_has_at_most_the_given_bytes, async |backend| {
    let engine = open_phone(backend).await;
    for _ in 0..4 {
        engine.send("phone", "12345").await.unwrap();
    }
    assert_eq!(engine.outbox_batch("phone", "connection", 0, 14).await, [1, 2]);
    assert_eq!(engine.outbox_batch("phone", "connection", 0, 15).await, [1, 2, 3]);
    assert_eq!(engine.outbox_batch("phone", "connection", 2, 10).await, [3, 4]);
});

conformance!(a_batch_has_at_least_one_message, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "12345").await.unwrap();
    engine.send("phone", "1").await.unwrap();
    assert_eq!(engine.outbox_batch("phone", "connection", 0, 1).await, [1]);
    assert_eq!(engine.outbox_batch("phone", "connection", 0, 0).await, [1]);
});

conformance!(a_batch_does_not_skip_a_large_message, async |backend| {
    let engine = open_phone(backend).await;
    for data in ["1", "12345", "1"] {
        engine.send("phone", data).await.unwrap();
    }
    assert_eq!(engine.outbox_batch("phone", "connection", 0, 3).await, [1]);
});

// Room.

conformance!(an_outbox_full_of_messages_refuses_until_the_first_expires, async |backend| {
    let engine = full_phone(backend).await;
    assert_eq!(engine.send("phone", "3").await, Err(SendError::OutboxFull(30 * SECOND)));
    engine.advance(10 * SECOND).await;
    assert_eq!(engine.send("phone", "3").await, Err(SendError::OutboxFull(20 * SECOND)));
    engine.advance(20 * SECOND).await;
    assert!(engine.send("phone", "3").await.is_ok());
});

conformance!(an_outbox_full_of_bytes_refuses_until_the_first_expires, async |backend| {
    let engine = heavy_phone(backend).await;
    assert_eq!(engine.send("phone", "1").await, Err(SendError::OutboxFull(30 * SECOND)));
    engine.advance(30 * SECOND).await;
    assert!(engine.send("phone", "123456").await.is_ok());
});

conformance!(an_outbox_accepts_messages_up_to_its_last_byte, async |backend| {
    let engine = heavy_phone(backend).await;
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    let refused = engine.send("phone", "12345").await;
    assert!(matches!(refused, Err(SendError::OutboxFull(_))), "{refused:?}");
    assert!(engine.send("phone", "1234").await.is_ok());
});

conformance!(a_refused_message_uses_no_number, async |backend| {
    let engine = full_phone(backend).await;
    engine.send("phone", "refused").await.unwrap_err();
    engine.acknowledge("phone", "connection", 2).await.unwrap();
    assert_eq!(engine.send("phone", "3").await.unwrap().seq, 3);
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [3]);
});

conformance!(acknowledging_makes_room_for_messages, async |backend| {
    let engine = full_phone(backend).await;
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert!(engine.send("phone", "3").await.is_ok());
    assert!(engine.send("phone", "4").await.is_err());
});

conformance!(acknowledging_makes_room_for_bytes, async |backend| {
    let engine = heavy_phone(backend).await;
    engine.acknowledge("phone", "connection", 2).await.unwrap();
    assert!(engine.send("phone", "1234567890").await.is_ok());
});

conformance!(each_device_has_its_own_outbox, async |backend| {
    let engine = full_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    assert!(engine.send("tablet", "1").await.is_ok());
});
