//! Accepting the messages of a prospect, each id once.

use engine::Sent;

use crate::harness::{TestEngine, conformance, open_phone};

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
