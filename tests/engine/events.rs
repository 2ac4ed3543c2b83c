//! The event stream: what is written down, how it is read, and when it is let go.

use std::{sync::Arc, time::Duration};

use engine::{
    DisconnectCause, Event, EventData, Limits, Millis, RedeemError, ReleaseError, SendError,
    SocketError, millis,
};

use crate::harness::{
    Backend, DAY, MESSAGE, MOMENT, TestEngine, conformance, connection, just_before, open_phone,
    open_phone_with, phone, phone_with,
};

const MINUTE: Duration = Duration::from_mins(1);
const FULL: Result<(), SocketError> = Err(SocketError::EventsFull);

/// An open phone that has said four things: the events 1 to 5.
async fn talkative_phone(backend: Backend) -> TestEngine {
    let engine = open_phone(backend).await;
    for id in ["a", "b", "c", "d"] {
        engine.accept("phone", "connection", id, "1").await.unwrap();
    }
    engine
}

/// When every test begins.
const START: Millis = 1_700_000_000_000;

/// The one event since the last.
async fn newest(engine: &TestEngine) -> Event {
    let news = engine.new_events().await;
    let [event] = news.as_slice() else { panic!("one event: {news:?}") };
    event.clone()
}

/// An event of the phone's first socket.
fn of_the_phone(n: u64, at: Millis, data: EventData) -> Event {
    Event { n, device: "phone".into(), connection: Some(connection("connection")), at, data }
}

/// An event of the phone about a message that expired.
fn expired(n: u64, at: Millis, epoch: Arc<str>) -> Event {
    let data = EventData::Expired { epoch, seq: 1 };
    Event { n, device: "phone".into(), connection: None, at, data }
}

async fn numbers(engine: &TestEngine, from: u64, limit: usize) -> Vec<u64> {
    engine.events(from, limit).await.events.iter().map(|event| event.n).collect()
}

/// The first event that is kept and the next to come.
async fn ends(engine: &TestEngine) -> (u64, u64) {
    let events = engine.events(0, 0).await;
    (events.oldest, events.next)
}

// What an event says.

conformance!(a_connected_event_has_device_connection_and_time, async |backend| {
    let engine = phone(backend).await;
    engine.advance(MOMENT).await;
    engine.open("token", "phone", "connection").await;
    let data = EventData::Connected { linkinjected: None, device_data: None };
    assert_eq!(newest(&engine).await, of_the_phone(1, START + 1, data));
});

conformance!(a_connected_event_has_linkinjected, async |backend| {
    for link in [r#"a/"b"é"#, "", "="] {
        let engine = phone(backend).await;
        engine.authorise_with_link("token", "phone", "half", Some(link)).await.unwrap();
        engine.redeem("half", "connection").await.unwrap();
        let data = EventData::Connected { linkinjected: Some(link.into()), device_data: None };
        assert_eq!(newest(&engine).await, of_the_phone(1, START, data));
    }
});

conformance!(a_message_event_has_its_data_byte_for_byte, async |backend| {
    let engine = open_phone(backend).await;
    let said = r#"{ "b" : [1.0e2, -0], "a":"\u00e9/é" }"#;
    engine.accept("phone", "connection", r#"a-"1"#, said).await.unwrap();
    let data = EventData::Message { id: r#"a-"1"#.into(), data: said.into() };
    assert_eq!(newest(&engine).await, of_the_phone(2, START, data));
});

conformance!(a_message_event_has_data_that_is_null, async |backend| {
    let engine = open_phone(backend).await;
    engine.accept("phone", "connection", "a", "null").await.unwrap();
    let data = EventData::Message { id: "a".into(), data: "null".into() };
    assert_eq!(newest(&engine).await, of_the_phone(2, START, data));
});

conformance!(a_disconnected_event_has_the_code_of_the_gateway, async |backend| {
    let engine = open_phone(backend).await;
    engine.close_with("phone", "connection", Some(1001)).await;
    let data = EventData::Disconnected { cause: Some(DisconnectCause::Gateway(1001)) };
    assert_eq!(newest(&engine).await, of_the_phone(2, START, data));
});

conformance!(a_disconnected_event_without_a_code_has_no_cause, async |backend| {
    let engine = open_phone(backend).await;
    engine.close_with("phone", "connection", None).await;
    let data = EventData::Disconnected { cause: None };
    assert_eq!(newest(&engine).await, of_the_phone(2, START, data));
});

conformance!(an_expired_event_has_epoch_and_number, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.advance(MESSAGE).await;
    assert_eq!(newest(&engine).await, expired(2, START + millis(MESSAGE), epoch));
});

// What is written down.

conformance!(a_superseded_socket_disconnects_before_the_newer_connects, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    engine.events_are(&["phone disconnected connection Superseded", "phone connected newer"]).await;
});

conformance!(a_close_appends_one_event, async |backend| {
    let engine = open_phone(backend).await;
    engine.close_with("phone", "connection", Some(1000)).await;
    engine.close_with("phone", "connection", Some(1001)).await;
    engine.events_are(&["phone disconnected connection 1000"]).await;
});

conformance!(closing_a_superseded_connection_appends_no_event, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    engine.new_events().await;
    engine.close_with("phone", "connection", Some(4004)).await;
    engine.events_are(&[]).await;
});

conformance!(a_close_under_another_devices_name_appends_no_event, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.close_with("tablet", "connection", Some(1000)).await;
    engine.events_are(&[]).await;
});

conformance!(a_revoked_token_disconnects_as_revoked, async |backend| {
    let engine = open_phone(backend).await;
    engine.revoke("token").await;
    engine.events_are(&["phone disconnected connection Revoked"]).await;
});

conformance!(a_revoked_test_token_disconnects_as_revoked, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.open("one", "phone", "connection").await;
    engine.new_events().await;
    engine.revoke("one").await;
    engine.events_are(&["phone disconnected connection Revoked"]).await;
});

conformance!(a_claim_over_a_test_token_disconnects_as_revoked, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "trying out").await.unwrap();
    engine.open("trying out", "phone", "connection").await;
    engine.new_events().await;
    engine.claim("phone", "token").await.unwrap();
    engine.events_are(&["phone disconnected connection Revoked"]).await;
});

conformance!(an_expired_token_disconnects_as_token_expired, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY).await;
    engine.events_are(&["phone disconnected connection TokenExpired"]).await;
});

conformance!(a_renewal_appends_no_event, async |backend| {
    let engine = open_phone(backend).await;
    engine.renew("phone", "token", "next").await.unwrap();
    engine.events_are(&[]).await;
});

conformance!(a_revoked_record_expires_its_undelivered_messages, async |backend| {
    let engine = open_phone(backend).await;
    for data in ["1", "2", "3"] {
        engine.send("phone", data).await.unwrap();
    }
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    engine.revoke("token").await;
    engine
        .events_are(&[
            "phone disconnected connection Revoked",
            "phone expired 2",
            "phone expired 3",
        ])
        .await;
});

conformance!(an_ended_record_expires_its_undelivered_messages, async |backend| {
    let engine = phone(backend).await;
    engine.send_with_ttl("phone", "1", 3 * DAY).await.unwrap();
    engine.advance(just_before(DAY + DAY)).await;
    engine.events_are(&[]).await;
    engine.advance(MOMENT).await;
    engine.events_are(&["phone expired 1"]).await;
});

conformance!(messages_expired_with_their_record_keep_its_epoch, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "trying out").await.unwrap();
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(newest(&engine).await, expired(1, START, epoch));
});

conformance!(readers_are_notified_of_every_event, async |backend| {
    let engine = phone(backend).await;
    assert!(!engine.notified_of_events());
    engine.open("token", "phone", "connection").await;
    assert!(engine.notified_of_events());
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    assert!(engine.notified_of_events());
    engine.send("phone", "1").await.unwrap();
    assert!(!engine.notified_of_events());
    engine.advance(MESSAGE).await;
    assert!(engine.notified_of_events());
    engine.close("phone", "connection").await;
    assert!(engine.notified_of_events());
});

// Reading.

conformance!(a_stream_keeps_its_name, async |backend| {
    let engine = phone(backend).await;
    let names = engine.streams().await;
    engine.open("token", "phone", "connection").await;
    engine.release_all().await;
    assert_eq!(engine.streams().await, names);
});

conformance!(each_stream_has_its_own_name, async |backend| {
    let (one, other) = (TestEngine::new(backend).await, TestEngine::new(backend).await);
    assert_ne!(one.streams().await, other.streams().await);
});

conformance!(the_first_event_has_number_one, async |backend| {
    let engine = phone(backend).await;
    assert_eq!(ends(&engine).await, (1, 1));
    assert!(numbers(&engine, 0, 10).await.is_empty());
});

conformance!(events_are_numbered_without_gaps_across_devices, async |backend| {
    let engine = phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.open("token", "phone", "connection").await;
    engine.open("other", "tablet", "another").await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    engine.disconnect("tablet").await;
    assert_eq!(numbers(&engine, 0, 10).await, [1, 2, 3, 4]);
    assert_eq!(ends(&engine).await, (1, 5));
});

conformance!(events_are_read_from_a_number, async |backend| {
    let engine = talkative_phone(backend).await;
    assert_eq!(numbers(&engine, 3, 10).await, [3, 4, 5]);
    assert_eq!(numbers(&engine, 5, 10).await, [5]);
});

conformance!(events_are_read_up_to_a_limit, async |backend| {
    let engine = talkative_phone(backend).await;
    assert_eq!(numbers(&engine, 2, 2).await, [2, 3]);
    assert!(numbers(&engine, 2, 0).await.is_empty());
});

conformance!(reading_beyond_the_newest_event_returns_nothing, async |backend| {
    let engine = talkative_phone(backend).await;
    assert!(numbers(&engine, 6, 10).await.is_empty());
    assert!(numbers(&engine, u64::MAX, 10).await.is_empty());
});

conformance!(reading_keeps_the_events, async |backend| {
    let engine = talkative_phone(backend).await;
    assert_eq!(engine.events(0, 10).await, engine.events(0, 10).await);
});

// Letting go.

conformance!(released_events_are_dropped, async |backend| {
    let engine = talkative_phone(backend).await;
    engine.release(2).await;
    assert_eq!(ends(&engine).await, (3, 6));
    assert_eq!(numbers(&engine, 0, 10).await, [3, 4, 5]);
    assert_eq!(numbers(&engine, 4, 10).await, [4, 5]);
});

conformance!(events_of_another_stream_are_not_released, async |backend| {
    let engine = talkative_phone(backend).await;
    assert_eq!(engine.inner.release(0, "another", 2).await, Err(ReleaseError::OtherStream));
    assert_eq!(ends(&engine).await, (1, 6));
});

conformance!(releasing_less_than_before_is_no_error, async |backend| {
    let engine = talkative_phone(backend).await;
    engine.release(3).await;
    engine.release(3).await;
    engine.release(1).await;
    engine.release(0).await;
    assert_eq!(ends(&engine).await, (4, 6));
});

conformance!(releasing_everything_keeps_the_numbering, async |backend| {
    let engine = talkative_phone(backend).await;
    engine.release(5).await;
    assert_eq!(ends(&engine).await, (6, 6));
    engine.accept("phone", "connection", "e", "1").await.unwrap();
    assert_eq!(numbers(&engine, 0, 10).await, [6]);
});

conformance!(events_appended_after_a_release_are_kept, async |backend| {
    let engine = talkative_phone(backend).await;
    engine.release(100).await;
    assert_eq!(ends(&engine).await, (6, 6));
    engine.accept("phone", "connection", "e", "1").await.unwrap();
    assert_eq!(numbers(&engine, 0, 10).await, [6]);
});

conformance!(an_event_is_kept_for_a_day, async |backend| {
    let engine = phone(backend).await;
    engine.open("token", "phone", "connection").await;
    engine.advance(DAY / 3).await;
    engine.close("phone", "connection").await;
    engine.advance(just_before(DAY / 3 * 2)).await;
    assert_eq!(numbers(&engine, 0, 10).await, [1, 2]);
    engine.advance(MOMENT).await;
    assert_eq!(numbers(&engine, 0, 10).await, [2]);
    assert_eq!(ends(&engine).await, (2, 3));
    engine.advance(DAY / 3).await;
    assert_eq!(ends(&engine).await, (3, 3));
});

// Room.

/// A stream that the phone's open socket nearly fills, with the event of its opening and the room that
/// is reserved for that of its end.
fn tiny() -> Limits {
    Limits { event_bytes: 280, event_ttl: MINUTE, ..Limits::default() }
}

/// The same for each device.
fn tiny_per_device() -> Limits {
    Limits { event_bytes_per_device: 280, ..Limits::default() }
}

/// The bytes of an `expired` event of the phone.
const EXPIRED: usize = 80 + 5 + 22;

/// The bytes of a `connected` or `disconnected` event of the phone's `connection`.
const SOCKET: usize = 80 + 5 + 10;

/// The bytes of the event of the message `1` of the phone, by an id of one letter.
const MESSAGE_SAID: usize = SOCKET + 1 + 1;

/// The bytes of all events that are kept.
async fn bytes(engine: &TestEngine) -> usize {
    engine.events(0, usize::MAX).await.events.iter().map(Event::size).sum()
}

conformance!(a_full_stream_accepts_no_message, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, FULL);
    engine.events_are(&[]).await;
});

conformance!(a_stream_is_full_at_its_last_byte, async |backend| {
    let bytes = SOCKET + SOCKET + MESSAGE_SAID;
    let full = |event_bytes| Limits { event_bytes, ..Limits::default() };
    let of_one = |event_bytes_per_device| Limits { event_bytes_per_device, ..Limits::default() };
    for limits in [full(bytes - 1), of_one(bytes - 1)] {
        let engine = open_phone_with(backend, limits).await;
        assert_eq!(engine.accept("phone", "connection", "a", "1").await, FULL);
    }
    for limits in [full(bytes), of_one(bytes)] {
        let engine = open_phone_with(backend, limits).await;
        assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
    }
});

conformance!(a_message_refused_by_a_full_stream_can_be_repeated, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    engine.accept("phone", "connection", "a", "1").await.unwrap_err();
    engine.release_all().await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
    engine.events_are(&["phone message connection a 1"]).await;
});

conformance!(an_accepted_message_can_be_repeated_in_a_full_stream, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    engine.release_all().await;
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
});

conformance!(a_full_stream_opens_no_socket, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    assert_eq!(engine.redeem("half", "newer").await, Err(RedeemError::EventsFull));
    engine.events_are(&[]).await;
});

conformance!(a_half_ref_refused_by_a_full_stream_is_not_spent, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.redeem("half", "newer").await.unwrap_err();
    engine.release_all().await;
    assert!(engine.redeem("half", "newer").await.is_ok());
});

conformance!(a_socket_refused_by_a_full_stream_keeps_the_older_one, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.redeem("half", "newer").await.unwrap_err();
    engine.ended_are(&[]);
    assert!(engine.outbox("phone", "connection", 0, 1).await.is_ok());
});

conformance!(a_spent_half_ref_is_reported_as_spent_in_a_full_stream, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    let refused = engine.redeem("half ref of connection", "newer").await;
    assert_eq!(refused, Err(RedeemError::Spent));
});

conformance!(ends_are_appended_to_a_full_stream, async |backend| {
    let event_bytes = 2 * (SOCKET + EXPIRED);
    let limits = Limits { event_bytes, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.send("phone", "1").await.unwrap();
    engine.accept("phone", "connection", "a", "1").await.unwrap();
    assert_eq!(engine.accept("phone", "connection", "b", "1").await, FULL);
    engine.new_events().await;
    engine.disconnect("phone").await;
    engine.events_are(&["phone disconnected connection Revoked", "phone expired 1"]).await;
    assert!(bytes(&engine).await <= event_bytes);
});

conformance!(messages_that_expire_stay_within_the_bound, async |backend| {
    for limits in [
        Limits { event_bytes: 6 * EXPIRED, ..Limits::default() },
        Limits { event_bytes_per_device: 6 * EXPIRED, ..Limits::default() },
    ] {
        let engine = phone_with(backend, limits).await;
        for _ in 0..3 {
            engine.send("phone", "1").await.unwrap();
        }
        assert_eq!(engine.send("phone", "1").await, Err(SendError::EventsFull));
        engine.advance(MESSAGE).await;
        for _ in 0..3 {
            engine.send("phone", "1").await.unwrap();
        }
        engine.advance(MESSAGE).await;
        assert_eq!(bytes(&engine).await, 6 * EXPIRED);
        assert_eq!(engine.send("phone", "1").await, Err(SendError::EventsFull));
        engine.release(1).await;
        assert!(engine.send("phone", "1").await.is_ok());
    }
});

conformance!(an_acknowledgement_returns_the_room_of_its_messages, async |backend| {
    let event_bytes = 2 * (SOCKET + 2 * EXPIRED);
    let engine = open_phone_with(backend, Limits { event_bytes, ..Limits::default() }).await;
    for seq in [2, 4, 6] {
        engine.send("phone", "1").await.unwrap();
        engine.send("phone", "1").await.unwrap();
        assert_eq!(engine.send("phone", "1").await, Err(SendError::EventsFull));
        engine.acknowledge("phone", "connection", seq).await.unwrap();
    }
});

conformance!(messages_that_wait_leave_room_for_a_socket_that_acknowledges_them, async |backend| {
    let limits = Limits { event_bytes: 8 * EXPIRED, ..Limits::default() };
    let engine = phone_with(backend, limits).await;
    let mut seq = 0;
    while let Ok(sent) = engine.send("phone", "1").await {
        seq = sent.seq;
    }
    engine.open("token", "phone", "connection").await;
    engine.acknowledge("phone", "connection", seq).await.unwrap();
    assert!(engine.send("phone", "1").await.is_ok());
});

conformance!(a_message_refused_by_a_full_stream_uses_no_number_and_no_key, async |backend| {
    let event_bytes = 2 * (SOCKET + EXPIRED);
    let engine = open_phone_with(backend, Limits { event_bytes, ..Limits::default() }).await;
    engine.send("phone", "1").await.unwrap();
    let refused = engine.send_with_key("phone", "2", "key").await;
    assert_eq!(refused, Err(SendError::EventsFull));
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    let sent = engine.send_with_key("phone", "3", "key").await.unwrap();
    assert_eq!(sent.seq, 2);
});

conformance!(a_full_outbox_fits_into_the_share_of_a_device, async |backend| {
    let engine = TestEngine::new(backend).await;
    let device = "d".repeat(128);
    engine.claim(&device, "token").await.unwrap();
    for _ in 0..engine.limits.outbox_messages {
        engine.send(&device, "1").await.unwrap();
    }
    assert!(matches!(engine.send(&device, "1").await, Err(SendError::OutboxFull(_))));
});

conformance!(an_expired_event_makes_room, async |backend| {
    let engine = open_phone_with(backend, tiny()).await;
    engine.advance(just_before(MINUTE)).await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, FULL);
    engine.advance(MOMENT).await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
});

conformance!(a_stream_full_of_one_device_refuses_that_device, async |backend| {
    let engine = open_phone_with(backend, tiny_per_device()).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, FULL);
    assert_eq!(engine.redeem("half", "newer").await, Err(RedeemError::EventsFull));
});

conformance!(a_stream_full_of_one_device_serves_another, async |backend| {
    let engine = open_phone_with(backend, tiny_per_device()).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.open("other", "tablet", "another").await;
    engine.events_are(&["tablet connected another"]).await;
});

conformance!(releasing_a_devices_events_makes_room_for_it, async |backend| {
    let engine = open_phone_with(backend, tiny_per_device()).await;
    engine.release_all().await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, Ok(()));
});

conformance!(releasing_another_devices_events_makes_no_room, async |backend| {
    let engine = TestEngine::with_limits(backend, tiny_per_device()).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.open("other", "tablet", "another").await;
    engine.claim("phone", "token").await.unwrap();
    engine.open("token", "phone", "connection").await;
    engine.release(1).await;
    assert_eq!(engine.accept("phone", "connection", "a", "1").await, FULL);
    assert_eq!(engine.accept("tablet", "another", "a", "1").await, Ok(()));
});

conformance!(a_new_record_shares_the_devices_event_limit, async |backend| {
    let engine = open_phone_with(backend, tiny_per_device()).await;
    engine.disconnect("phone").await;
    engine.claim("phone", "next").await.unwrap();
    engine.authorise("next", "phone", "half").await.unwrap();
    assert_eq!(engine.redeem("half", "newer").await, Err(RedeemError::EventsFull));
});
