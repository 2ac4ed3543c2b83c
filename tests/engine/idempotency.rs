//! Requests to send that are repeated under a key.

use engine::{Limits, SendError, Sent};

use crate::harness::{
    Backend, DAY, MOMENT, TestEngine, conformance, just_before, phone, phone_with,
};

/// A phone whose two keys, `one` and `two`, were used half a day apart.
async fn phone_with_two_keys(backend: Backend) -> TestEngine {
    let limits = Limits { idempotency_keys: 2, ..Limits::default() };
    let engine = phone_with(backend, limits).await;
    engine.send_with_key("phone", "1", "one").await.unwrap();
    engine.advance(DAY / 2).await;
    engine.send_with_key("phone", "2", "two").await.unwrap();
    engine
}

/// What a repeat of the request is answered: the same, but that it queues nothing.
fn repeated(first: Result<Sent, SendError>) -> Result<Sent, SendError> {
    first.map(|sent| Sent { outbox: None, ..sent })
}

async fn unacknowledged(engine: &TestEngine) -> usize {
    engine.device("phone").await.expect("there is a record").unacknowledged
}

conformance!(a_repeated_request_gets_the_first_answer, async |backend| {
    let engine = phone(backend).await;
    let first = engine.send_with_key("phone", "1", "key").await;
    engine.send("phone", "2").await.unwrap();
    assert_eq!(engine.send_with_key("phone", "1", "key").await, repeated(first));
});

conformance!(a_repeated_request_queues_nothing, async |backend| {
    let engine = phone(backend).await;
    engine.open("token", "phone", "connection").await;
    engine.send_with_key("phone", "1", "key").await.unwrap();
    engine.notified_of_messages();
    engine.send_with_key("phone", "1", "key").await.unwrap();
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1]);
    assert!(engine.notified_of_messages().is_empty());
});

conformance!(requests_without_a_key_are_never_repeats, async |backend| {
    let engine = phone(backend).await;
    assert_eq!(engine.send("phone", "1").await.unwrap().seq, 1);
    assert_eq!(engine.send("phone", "1").await.unwrap().seq, 2);
});

conformance!(a_repeated_request_reports_the_socket_as_of_the_first, async |backend| {
    let engine = phone(backend).await;
    let first = engine.send_with_key("phone", "1", "key").await;
    engine.open("token", "phone", "connection").await;
    let while_connected = engine.send_with_key("phone", "2", "another").await;
    assert_eq!(engine.send_with_key("phone", "1", "key").await, repeated(first));
    engine.close("phone", "connection").await;
    assert_eq!(engine.send_with_key("phone", "2", "another").await, repeated(while_connected));
});

conformance!(a_repeated_request_reports_the_acknowledgement, async |backend| {
    let engine = phone(backend).await;
    engine.open("token", "phone", "connection").await;
    let first = engine.send_with_key("phone", "1", "key").await.unwrap();
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(
        engine.send_with_key("phone", "1", "key").await,
        Ok(Sent { acknowledged: true, outbox: None, ..first })
    );
});

conformance!(another_body_under_a_used_key_is_refused, async |backend| {
    let engine = phone(backend).await;
    engine.send_with_key("phone", "1", "key").await.unwrap();
    assert_eq!(engine.send_with_key("phone", "2", "key").await, Err(SendError::KeyReused));
    assert_eq!(unacknowledged(&engine).await, 1);
});

conformance!(a_refused_body_keeps_the_first_answer_of_the_key, async |backend| {
    let engine = phone(backend).await;
    let first = engine.send_with_key("phone", "1", "key").await;
    engine.send_with_key("phone", "2", "key").await.unwrap_err();
    assert_eq!(engine.send_with_key("phone", "1", "key").await, repeated(first));
});

conformance!(each_device_has_its_own_keys, async |backend| {
    let engine = phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.send_with_key("phone", "1", "key").await.unwrap();
    assert_eq!(engine.send_with_key("tablet", "2", "key").await.unwrap().seq, 1);
    assert_eq!(engine.device("tablet").await.unwrap().unacknowledged, 1);
});

conformance!(a_key_is_remembered_for_a_day, async |backend| {
    let engine = phone(backend).await;
    let first = engine.send_with_key("phone", "1", "key").await;
    engine.advance(just_before(DAY)).await;
    assert_eq!(engine.send_with_key("phone", "1", "key").await, repeated(first));
    engine.advance(MOMENT).await;
    assert_eq!(engine.send_with_key("phone", "1", "key").await.unwrap().seq, 2);
});

conformance!(a_repeated_request_is_not_remembered_longer, async |backend| {
    let engine = phone(backend).await;
    engine.send_with_key("phone", "1", "key").await.unwrap();
    engine.advance(DAY / 2).await;
    engine.send_with_key("phone", "1", "key").await.unwrap();
    engine.advance(DAY / 2).await;
    assert_eq!(engine.send_with_key("phone", "1", "key").await.unwrap().seq, 2);
});

conformance!(a_new_record_remembers_no_keys, async |backend| {
    let engine = phone(backend).await;
    let before = engine.send_with_key("phone", "1", "key").await.unwrap();
    engine.disconnect("phone").await;
    engine.claim("phone", "next").await.unwrap();
    let after = engine.send_with_key("phone", "2", "key").await.unwrap();
    assert_ne!(after.epoch, before.epoch);
});

conformance!(a_new_key_is_refused_until_the_first_is_forgotten, async |backend| {
    let engine = phone_with_two_keys(backend).await;
    let wait = DAY / 2;
    assert_eq!(engine.send_with_key("phone", "3", "three").await, Err(SendError::KeysFull(wait)));
    engine.advance(just_before(wait)).await;
    assert_eq!(engine.send_with_key("phone", "3", "three").await, Err(SendError::KeysFull(MOMENT)));
    engine.advance(MOMENT).await;
    assert!(engine.send_with_key("phone", "3", "three").await.is_ok());
});

conformance!(a_request_without_room_for_its_key_queues_nothing, async |backend| {
    let engine = phone_with_two_keys(backend).await;
    let before = unacknowledged(&engine).await;
    engine.send_with_key("phone", "3", "three").await.unwrap_err();
    assert_eq!(unacknowledged(&engine).await, before);
});

conformance!(a_repeated_request_needs_no_room_for_its_key, async |backend| {
    let engine = phone_with_two_keys(backend).await;
    assert_eq!(engine.send_with_key("phone", "2", "two").await.unwrap().seq, 2);
});

conformance!(a_request_without_a_key_needs_no_room_for_one, async |backend| {
    let engine = phone_with_two_keys(backend).await;
    assert!(engine.send("phone", "3").await.is_ok());
});

/// A connected phone whose outbox has room for one message, with one under `key`.
async fn phone_with_full_outbox(backend: Backend) -> TestEngine {
    let limits = Limits { outbox_messages: 1, ..Limits::default() };
    let engine = phone_with(backend, limits).await;
    engine.open("token", "phone", "connection").await;
    engine.send_with_key("phone", "1", "key").await.unwrap();
    engine
}

conformance!(a_repeated_request_needs_no_room_in_the_outbox, async |backend| {
    let engine = phone_with_full_outbox(backend).await;
    assert_eq!(engine.send_with_key("phone", "1", "key").await.unwrap().seq, 1);
});

conformance!(a_request_refused_by_a_full_outbox_can_be_repeated, async |backend| {
    let engine = phone_with_full_outbox(backend).await;
    let refused = engine.send_with_key("phone", "2", "another").await;
    assert!(matches!(refused, Err(SendError::OutboxFull(_))), "{refused:?}");
    engine.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(engine.send_with_key("phone", "2", "another").await.unwrap().seq, 2);
});
