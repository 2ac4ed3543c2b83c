//! What an engine reports about itself.

use engine::{EngineFill, Limits, OutboxFill, millis};

use crate::harness::{
    DAY, MESSAGE, SECOND, TestEngine, conformance, open_phone, open_phone_with, phone,
};

async fn fill(engine: &TestEngine) -> EngineFill {
    engine.inner.stats().await.fill.expect("the engine can be asked")
}

conformance!(a_new_engine_is_empty, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert!(engine.inner.stats().await.serves);
    assert_eq!(fill(&engine).await, EngineFill::default());
});

conformance!(devices_and_sockets_are_counted, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "another token").await.unwrap();
    let EngineFill { devices, connected, .. } = fill(&engine).await;
    assert_eq!((devices, connected), (2, 1));
    engine.disconnect("phone").await;
    let EngineFill { devices, connected, .. } = fill(&engine).await;
    assert_eq!((devices, connected), (1, 0));
});

conformance!(queued_messages_are_counted_until_they_are_acknowledged, async |backend| {
    let engine = open_phone(backend).await;
    for data in ["1", "2", "3"] {
        engine.send("phone", data).await.unwrap();
    }
    assert_eq!(fill(&engine).await.queued_messages, 3);
    engine.acknowledge("phone", "connection", 2).await.unwrap();
    assert_eq!(fill(&engine).await.queued_messages, 1);
});

conformance!(the_bytes_of_events_are_counted_until_they_are_released, async |backend| {
    let engine = open_phone(backend).await;
    engine.accept("phone", "connection", "id", "12345").await.unwrap();
    let events = engine.events(0, 10).await.events;
    let bytes: usize = events.iter().map(engine::Event::size).sum();
    let found = fill(&engine).await;
    assert_eq!((found.events, found.event_bytes), (2, bytes as u64));
    engine.release_all().await;
    let found = fill(&engine).await;
    assert_eq!((found.events, found.event_bytes, found.oldest_event), (0, 0, None));
});

conformance!(room_is_reserved_for_what_is_certain_to_come, async |backend| {
    let engine = open_phone(backend).await;
    let before = fill(&engine).await.reserved_bytes;
    let expired = 2 * (80 + "phone".len() as u64 + 22);
    engine.send("phone", "1").await.unwrap();
    engine.send("phone", "2").await.unwrap();
    // Redis reserves with the next message what the one before takes.
    engine.send("phone", "3").await.unwrap();
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(fill(&engine).await.reserved_bytes, before + expired);
});

conformance!(the_age_is_that_of_the_oldest_event, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(SECOND).await;
    engine.accept("phone", "connection", "id", "1").await.unwrap();
    engine.advance(SECOND).await;
    assert_eq!(fill(&engine).await.oldest_event, Some(millis(2 * SECOND)));
});

conformance!(each_message_tells_how_full_its_outbox_is, async |backend| {
    let engine = phone(backend).await;
    engine.send("phone", "123").await.unwrap();
    let sent = engine.send("phone", "45").await.unwrap();
    assert_eq!(sent.outbox, Some(OutboxFill { messages: 2, bytes: 5 }));
});

conformance!(expired_messages_are_notified_with_their_number, async |backend| {
    let engine = phone(backend).await;
    for data in ["1", "2", "3"] {
        engine.send("phone", data).await.unwrap();
    }
    engine.advance(MESSAGE).await;
    assert_eq!(engine.notified_of_expired_messages(), 3);
    engine.send("phone", "4").await.unwrap();
    engine.disconnect("phone").await;
    assert_eq!(engine.notified_of_expired_messages(), 1);
    engine.advance(DAY).await;
    assert_eq!(engine.notified_of_expired_messages(), 0);
});

/// Everything that the journal reports, before and after a restart.
#[tokio::test]
async fn a_journal_reports_its_commits_and_its_length() {
    let mut engine = open_phone_with(crate::harness::Backend::Journal, Limits::default()).await;
    let journal = engine.inner.stats().await.journal.expect("there is a journal");
    let commits: u64 = journal.commits.buckets.iter().map(|(_, count)| count).sum();
    assert!(commits + journal.commits.above >= 3, "{journal:?}");
    assert!(journal.entry_bytes > 0 && journal.file_bytes >= journal.entry_bytes, "{journal:?}");
    assert_eq!((journal.waiting_entries, journal.compaction), (0, None));
    engine.restart(true).await;
    let journal = engine.inner.stats().await.journal.expect("there is a journal");
    assert!(journal.state_bytes > 0, "{journal:?}");
}
