//! What the operator sends and the prospect acknowledges, and what the prospect says.

use engine::{Limits, Message, SendError, Sent, SocketError};

use crate::harness::{
    Backend, DAY, MESSAGE, MOMENT, SECOND, TestEngine, conformance, just_before, open_phone,
    open_phone_with, phone,
};

const STALE: SocketError = SocketError::Stale;

/// A connected phone with two messages, 1 and 2, which fill its outbox.
async fn full_phone(backend: Backend) -> TestEngine {
    let limits = Limits { outbox_messages: 2, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.send_with_ttl("phone", "1", 60 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "2", 30 * SECOND).await.unwrap();
    engine
}

/// A connected phone with two messages, 1 and 2, which fill its outbox's ten bytes.
async fn heavy_phone(backend: Backend) -> TestEngine {
    let limits = Limits { outbox_bytes: 10, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.send_with_ttl("phone", "1234", 60 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "123456", 30 * SECOND).await.unwrap();
    engine
}

/// Sends messages that say their own numbers.
async fn send_up_to(engine: &TestEngine, newest: u64) {
    for number in 1..=newest {
        let sent = engine.send("phone", &number.to_string()).await.unwrap();
        assert_eq!(sent.seq, number);
    }
}

// Sending.

conformance!(sending_to_a_device_without_a_record_is_refused, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert_eq!(engine.send("phone", "1").await, Err(SendError::UnknownDevice));
});

conformance!(messages_are_numbered_from_one, async |backend| {
    let engine = phone(backend).await;
    for expected in 1..=3 {
        assert_eq!(engine.send("phone", "0").await.unwrap().seq, expected);
    }
});

conformance!(each_device_has_its_own_numbering, async |backend| {
    let engine = phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.send("phone", "0").await.unwrap();
    assert_eq!(engine.send("tablet", "0").await.unwrap().seq, 1);
});

conformance!(a_message_has_the_epoch_of_the_socket, async |backend| {
    let engine = phone(backend).await;
    let epoch = engine.open("token", "phone", "connection").await.epoch;
    assert_eq!(engine.send("phone", "0").await.unwrap().epoch, epoch);
});

conformance!(a_new_record_numbers_from_one_in_a_new_epoch, async |backend| {
    let engine = phone(backend).await;
    let before = engine.send("phone", "0").await.unwrap();
    engine.disconnect("phone").await;
    engine.claim("phone", "next").await.unwrap();
    let after = engine.send("phone", "0").await.unwrap();
    assert_eq!(after.seq, 1);
    assert_ne!(after.epoch, before.epoch);
});

conformance!(a_renewal_keeps_numbering_and_outbox, async |backend| {
    let engine = phone(backend).await;
    engine.send("phone", "0").await.unwrap();
    engine.renew("phone", "token", "next").await.unwrap();
    assert_eq!(engine.send("phone", "0").await.unwrap().seq, 2);
    engine.open("next", "phone", "connection").await;
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1, 2]);
});

conformance!(sending_reports_a_connected_device, async |backend| {
    let engine = open_phone(backend).await;
    let sent = engine.send("phone", "0").await.unwrap();
    assert_eq!((sent.connected, sent.acknowledged), (true, false));
});

conformance!(sending_reports_a_device_that_never_connected, async |backend| {
    let engine = phone(backend).await;
    assert!(!engine.send("phone", "0").await.unwrap().connected);
});

conformance!(sending_reports_a_disconnected_device, async |backend| {
    let engine = open_phone(backend).await;
    engine.close("phone", "connection").await;
    assert!(!engine.send("phone", "0").await.unwrap().connected);
});

conformance!(the_socket_is_notified_of_a_message, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "0").await.unwrap();
    assert_eq!(engine.notified_of_messages(), ["connection"]);
});

conformance!(the_newer_socket_is_notified_of_a_message, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    engine.send("phone", "0").await.unwrap();
    assert_eq!(engine.notified_of_messages(), ["newer"]);
});

conformance!(no_socket_is_notified_of_another_devices_message, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.send("tablet", "0").await.unwrap();
    assert!(engine.notified_of_messages().is_empty());
});

conformance!(no_socket_is_notified_of_a_refused_message, async |backend| {
    let engine = full_phone(backend).await;
    engine.notified_of_messages();
    engine.send("phone", "3").await.unwrap_err();
    assert!(engine.notified_of_messages().is_empty());
});

// The outbox.

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

// Acknowledging.

conformance!(acknowledging_removes_messages_up_to_the_number, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 4).await;
    assert_eq!(engine.acknowledge("phone", "connection", 3).await, Ok(()));
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [4]);
});

conformance!(acknowledging_less_than_before_changes_nothing, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.send("phone", "2").await.unwrap();
    engine.acknowledge("phone", "connection", 2).await.unwrap();
    assert_eq!(engine.acknowledge("phone", "connection", 1).await, Ok(()));
    assert!(engine.is_acknowledged("phone", &epoch, 2).await);
});

conformance!(acknowledging_beyond_the_newest_message_is_capped, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 1).await;
    engine.acknowledge("phone", "connection", 99).await.unwrap();
    let sent = engine.send("phone", "2").await.unwrap();
    assert_eq!(sent.seq, 2);
    assert!(!engine.is_acknowledged("phone", &sent.epoch, 2).await);
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [2]);
});

conformance!(acknowledging_does_not_affect_other_devices, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.open("other", "tablet", "another").await;
    let sent = engine.send("tablet", "1").await.unwrap();
    send_up_to(&engine, 1).await;
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert!(!engine.is_acknowledged("tablet", &sent.epoch, 1).await);
    assert_eq!(engine.outbox_numbers("tablet", "another").await, [1]);
});

conformance!(the_sender_is_notified_of_an_acknowledgement, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 1).await;
    assert!(engine.notified_of_acknowledgements().is_empty());
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(engine.notified_of_acknowledgements(), ["phone"]);
});

conformance!(a_message_is_acknowledged_up_to_the_number, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.send("phone", "2").await.unwrap();
    engine.send("phone", "3").await.unwrap();
    assert!(!engine.is_acknowledged("phone", &epoch, 1).await);
    engine.acknowledge("phone", "connection", 2).await.unwrap();
    assert!(engine.is_acknowledged("phone", &epoch, 1).await);
    assert!(engine.is_acknowledged("phone", &epoch, 2).await);
    assert!(!engine.is_acknowledged("phone", &epoch, 3).await);
});

conformance!(a_message_of_another_epoch_is_not_acknowledged, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 1).await;
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert!(!engine.is_acknowledged("phone", "another", 1).await);
});

conformance!(a_message_of_a_disconnected_record_is_not_acknowledged, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    engine.disconnect("phone").await;
    assert!(!engine.is_acknowledged("phone", &epoch, 1).await);
    engine.claim("phone", "next").await.unwrap();
    assert!(!engine.is_acknowledged("phone", &epoch, 1).await);
});

conformance!(an_acknowledgement_outlives_the_socket, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    engine.close("phone", "connection").await;
    assert!(engine.is_acknowledged("phone", &epoch, 1).await);
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

// A message's time.

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

// A stale connection.

/// Whether a connection is refused whatever it does, and nothing comes of it.
async fn stale(engine: &TestEngine, device: &str, name: &str) {
    engine.notified_of_acknowledgements();
    let before = engine.device(device).await;
    engine.new_events().await;
    assert_eq!(engine.outbox(device, name, 0, usize::MAX).await, Err(STALE));
    assert_eq!(engine.acknowledge(device, name, 1).await, Err(STALE));
    assert_eq!(engine.accept(device, name, "id", "1").await, Err(STALE));
    assert_eq!(engine.device(device).await, before);
    assert!(engine.notified_of_acknowledgements().is_empty());
    engine.events_are(&[]).await;
}

conformance!(a_superseded_connection_is_stale, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 1).await;
    engine.open("token", "phone", "newer").await;
    stale(&engine, "phone", "connection").await;
    assert_eq!(engine.outbox_numbers("phone", "newer").await, [1]);
});

conformance!(a_closed_connection_is_stale, async |backend| {
    let engine = open_phone(backend).await;
    send_up_to(&engine, 1).await;
    engine.close("phone", "connection").await;
    stale(&engine, "phone", "connection").await;
});

conformance!(a_revoked_connection_is_stale, async |backend| {
    let engine = open_phone(backend).await;
    engine.revoke("token").await;
    stale(&engine, "phone", "connection").await;
});

conformance!(a_connection_of_an_ended_record_is_stale_in_the_next, async |backend| {
    let engine = open_phone(backend).await;
    engine.disconnect("phone").await;
    engine.claim("phone", "next").await.unwrap();
    engine.open("next", "phone", "newer").await;
    send_up_to(&engine, 1).await;
    stale(&engine, "phone", "connection").await;
});

conformance!(a_connection_whose_token_expired_is_stale, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY).await;
    stale(&engine, "phone", "connection").await;
});

conformance!(another_devices_connection_is_stale, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.open("other", "tablet", "another").await;
    send_up_to(&engine, 1).await;
    stale(&engine, "phone", "another").await;
});

conformance!(a_connection_of_an_unknown_device_is_stale, async |backend| {
    let engine = open_phone(backend).await;
    stale(&engine, "nobody", "connection").await;
});

// What the prospect says.

conformance!(accepting_a_message_appends_an_event, async |backend| {
    let engine = open_phone(backend).await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
    engine.events_are(&["phone message connection a 1"]).await;
});

conformance!(accepted_messages_keep_their_order, async |backend| {
    let engine = open_phone(backend).await;
    for id in ["c", "a", "b"] {
        engine.accept("phone", "connection", id, "1").await.unwrap();
    }
    engine
        .events_are(&[
            "phone message connection c 1",
            "phone message connection a 1",
            "phone message connection b 1",
        ])
        .await;
});

conformance!(an_id_is_accepted_once, async |backend| {
    let engine = open_phone(backend).await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
    engine.events_are(&["phone message connection a 1"]).await;
});

conformance!(an_id_is_accepted_once_across_a_reconnect, async |backend| {
    let engine = open_phone(backend).await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    engine.open("token", "phone", "newer").await;
    engine.new_events().await;
    assert_eq!(engine.accept("phone", "newer", "a", "1").await, Ok(()));
    engine.events_are(&[]).await;
});

conformance!(an_id_is_accepted_once_after_its_event_was_released, async |backend| {
    let engine = open_phone(backend).await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    engine.new_events().await;
    engine.release_all().await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
    engine.events_are(&[]).await;
});

conformance!(each_device_has_its_own_ids, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.open("other", "tablet", "another").await;
    engine.new_events().await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    engine.accept("tablet", "another", "a", "1").await.unwrap();
    engine.events_are(&["phone message connection a 1", "tablet message another a 1"]).await;
});

conformance!(a_new_record_remembers_no_ids, async |backend| {
    let engine = open_phone(backend).await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    engine.disconnect("phone").await;
    engine.claim("phone", "next").await.unwrap();
    engine.open("next", "phone", "newer").await;
    engine.new_events().await;
    engine.accept("phone", "newer", "a", "1").await.unwrap();
    engine.events_are(&["phone message newer a 1"]).await;
});

/// Has the phone say so many messages, by the ids 1, 2, 3 and so on.
async fn say(engine: &TestEngine, messages: usize) {
    for id in 1..=messages {
        engine.accept("phone", "connection", &id.to_string(), "1").await.unwrap();
    }
    engine.new_events().await;
}

conformance!(the_last_256_ids_are_remembered, async |backend| {
    let engine = open_phone(backend).await;
    say(&engine, 257).await;
    for id in 2..=257 {
        engine.accept("phone", "connection", &id.to_string(), "1").await.unwrap();
    }
    engine.events_are(&[]).await;
});

conformance!(the_257th_last_id_is_forgotten, async |backend| {
    let engine = open_phone(backend).await;
    say(&engine, 257).await;
    engine.accept("phone", "connection", "1", "1").await.unwrap();
    engine.events_are(&["phone message connection 1 1"]).await;
});

conformance!(a_repeated_id_is_not_remembered_longer, async |backend| {
    let engine = open_phone(backend).await;
    say(&engine, 256).await;
    engine.accept("phone", "connection", "1", "1").await.unwrap();
    engine.accept("phone", "connection", "257", "1").await.unwrap();
    engine.accept("phone", "connection", "1", "1").await.unwrap();
    engine.events_are(&["phone message connection 257 1", "phone message connection 1 1"]).await;
});

conformance!(accepting_a_message_does_not_affect_the_outbox, async |backend| {
    let engine = open_phone(backend).await;
    let Sent { epoch, .. } = engine.send("phone", "1").await.unwrap();
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1]);
    assert!(!engine.is_acknowledged("phone", &epoch, 1).await);
});
