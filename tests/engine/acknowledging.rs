//! Acknowledging messages.

use crate::harness::{conformance, open_phone, send_up_to};

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
