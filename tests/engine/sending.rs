//! Sending messages to a device, and what the sender and the socket are notified of.

use engine::SendError;

use crate::harness::{TestEngine, conformance, full_phone, open_phone, phone};

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
