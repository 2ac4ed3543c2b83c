//! Acknowledging messages.

use engine::Acknowledgement::{Acknowledged, Never, Pending};

use crate::harness::{DAY, MESSAGE, TestEngine, conformance, open_phone, phone, send_up_to};

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
    assert!(engine.notified_of_settled_messages().is_empty());
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(engine.notified_of_settled_messages(), ["phone"]);
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

// Whether an acknowledgement can still come.

conformance!(a_message_is_pending_until_it_is_acknowledged, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Pending);
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Acknowledged);
});

conformance!(an_expired_message_is_never_acknowledged, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.send_with_ttl("phone", "2", 2 * MESSAGE).await.unwrap();
    engine.advance(MESSAGE).await;
    assert_eq!(engine.notified_of_settled_messages(), ["phone"]);
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Never);
    assert_eq!(engine.acknowledgement("phone", &epoch, 2).await, Pending);
});

conformance!(a_message_that_was_not_sent_is_never_acknowledged, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    assert_eq!(engine.acknowledgement("phone", &epoch, 2).await, Never);
    assert_eq!(engine.acknowledgement("phone", "another", 1).await, Never);
    assert_eq!(engine.acknowledgement("tablet", &epoch, 1).await, Never);
});

conformance!(a_message_of_a_disconnected_device_is_never_acknowledged, async |backend| {
    let engine = phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.disconnect("phone").await;
    assert_eq!(engine.notified_of_settled_messages(), ["phone"]);
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Never);
    engine.claim("phone", "next").await.unwrap();
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Never);
});

conformance!(a_message_of_a_revoked_claim_is_never_acknowledged, async |backend| {
    let engine = phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.revoke("token").await;
    assert_eq!(engine.notified_of_settled_messages(), ["phone"]);
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Never);
});

conformance!(a_message_of_a_test_device_that_is_claimed_is_never_acknowledged, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "trying out").await.unwrap();
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.notified_of_settled_messages(), ["phone"]);
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Never);
});

conformance!(a_message_of_an_expired_record_is_never_acknowledged, async |backend| {
    let engine = phone(backend).await;
    let epoch = engine.send_with_ttl("phone", "1", 9 * DAY).await.unwrap().epoch;
    engine.advance(2 * DAY).await;
    assert_eq!(engine.notified_of_settled_messages(), ["phone"]);
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Never);
});
