//! A device's record: its epoch, its end and the room that it takes.

use std::sync::Arc;

use engine::{Limits, RequestTokenError};

use crate::harness::{Backend, DAY, MOMENT, TestEngine, conformance, just_before};

const FULL: Result<(), RequestTokenError> = Err(RequestTokenError::DevicesFull);

/// The epoch of a device, as a socket that opens and closes sees it.
async fn epoch(engine: &TestEngine, token: &str, device: &str, name: &str) -> Arc<str> {
    let epoch = engine.open(token, device, name).await.epoch;
    engine.close(device, name).await;
    epoch
}

/// With room for two devices.
async fn small(backend: Backend) -> TestEngine {
    let limits = Limits { devices: 2, ..Limits::default() };
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    engine.request_test_token("tablet", "other").await.unwrap();
    engine
}

conformance!(a_device_keeps_its_epoch, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    let before = epoch(&engine, "token", "phone", "first").await;
    assert_eq!(epoch(&engine, "token", "phone", "second").await, before);
});

conformance!(each_device_has_its_own_epoch, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.claim("tablet", "other").await.unwrap();
    let phone = epoch(&engine, "token", "phone", "first").await;
    assert_ne!(epoch(&engine, "other", "tablet", "second").await, phone);
});

conformance!(renewing_keeps_the_epoch, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    let before = epoch(&engine, "token", "phone", "first").await;
    engine.renew("phone", "token", "next").await.unwrap();
    assert_eq!(epoch(&engine, "next", "phone", "second").await, before);
});

conformance!(a_record_outlives_its_last_token_by_a_day, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    let before = epoch(&engine, "token", "phone", "first").await;
    engine.advance(just_before(DAY + DAY)).await;
    assert_eq!(engine.claim("phone", "strange").await, Err(RequestTokenError::DeviceClaimed));
    engine.renew("phone", "token", "next").await.unwrap();
    assert_eq!(epoch(&engine, "next", "phone", "second").await, before);
});

conformance!(a_record_ends_a_day_after_its_last_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    let before = epoch(&engine, "token", "phone", "first").await;
    engine.advance(DAY + DAY).await;
    assert_eq!(engine.claim("phone", "another").await, Ok(()));
    assert_ne!(epoch(&engine, "another", "phone", "second").await, before);
});

conformance!(a_renewal_extends_the_record, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.advance(DAY / 2).await;
    engine.renew("phone", "token", "next").await.unwrap();
    engine.advance(just_before(DAY + DAY)).await;
    assert_eq!(engine.claim("phone", "strange").await, Err(RequestTokenError::DeviceClaimed));
    engine.advance(MOMENT).await;
    assert_eq!(engine.claim("phone", "another").await, Ok(()));
});

conformance!(renewals_keep_socket_and_epoch, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token 0").await.unwrap();
    let opened = engine.open("token 0", "phone", "connection").await;
    for day in 0..4 {
        let (shown, next) = (format!("token {day}"), format!("token {}", day + 1));
        engine.advance(just_before(DAY)).await;
        engine.renew("phone", &shown, &next).await.unwrap();
    }
    engine.ended_are(&[]);
    let later = engine.open("token 4", "phone", "later").await;
    assert_eq!(later.epoch, opened.epoch);
});

conformance!(a_new_device_is_refused_at_the_device_limit, in_one_partition, async |backend| {
    let engine = small(backend).await;
    assert_eq!(engine.claim("watch", "strange").await, FULL);
    assert_eq!(engine.request_test_token("watch", "strange").await, FULL);
    assert_eq!(engine.issue("watch", "strange").await, FULL);
    assert!(engine.check_token("strange").await.is_err());
});

conformance!(a_known_device_is_served_at_the_device_limit, async |backend| {
    let engine = small(backend).await;
    assert_eq!(engine.renew("phone", "token", "next").await, Ok(()));
    assert_eq!(engine.request_test_token("tablet", "more").await, Ok(()));
    assert_eq!(engine.claim("tablet", "claim").await, Ok(()));
});

conformance!(a_revoked_claim_makes_room_for_another_device, in_one_partition, async |backend| {
    let engine = small(backend).await;
    engine.revoke("token").await;
    assert_eq!(engine.claim("watch", "new").await, Ok(()));
    assert_eq!(engine.claim("phone", "again").await, FULL);
});

conformance!(
    a_record_that_ended_makes_room_for_another_device,
    in_one_partition,
    async |backend| {
        let engine = small(backend).await;
        engine.advance(just_before(DAY + DAY)).await;
        assert_eq!(engine.claim("watch", "new").await, FULL);
        engine.advance(MOMENT).await;
        assert_eq!(engine.claim("watch", "new").await, Ok(()));
    }
);

conformance!(a_running_engine_is_ready, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert_eq!(engine.inner.ready().await, Ok(()));
});

conformance!(a_queued_message_extends_the_record, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.advance(DAY + DAY / 2).await;
    engine.send("phone", "1").await.unwrap();
    engine.advance(just_before(DAY)).await;
    assert!(engine.device("phone").await.is_some());
    engine.advance(MOMENT).await;
    assert_eq!(engine.device("phone").await, None);
});
