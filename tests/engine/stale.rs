//! Connections that are not their device's socket any more.

use engine::SocketError;

use crate::harness::{DAY, TestEngine, conformance, open_phone, send_up_to};

const STALE: SocketError = SocketError::Stale;

/// Whether a connection is refused whatever it does, and nothing comes of it.
async fn stale(engine: &TestEngine, device: &str, name: &str) {
    engine.notified_of_settled_messages();
    let before = engine.device(device).await;
    engine.new_events().await;
    assert_eq!(engine.outbox(device, name, 0, usize::MAX).await, Err(STALE));
    assert_eq!(engine.acknowledge(device, name, 1).await, Err(STALE));
    assert_eq!(engine.accept(device, name, "id", "1").await, Err(STALE));
    assert_eq!(engine.device(device).await, before);
    assert!(engine.notified_of_settled_messages().is_empty());
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
