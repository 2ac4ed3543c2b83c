//! Time that passes without a sweep: a gateway sweeps about every half second, and until it does,
//! what is due counts as expired all the same.
//!
//! What depends on something that is due may end with the sweep alone: the socket and the open
//! authorisations of an expired token, and a record.

use engine::{Acknowledgement, AuthoriseError, Limits, RedeemError, SendError, TokenError};

use crate::harness::{
    AUTHORISATION, DAY, MEMORY, MESSAGE, SECOND, TestEngine, conformance, open_phone,
    open_phone_with, phone,
};

conformance!(an_expired_token_is_refused, async |backend| {
    let engine = phone(backend).await;
    engine.advance_unswept(DAY);
    assert_eq!(engine.check_token("token").await, Err(TokenError::Expired));
    assert_eq!(
        engine.authorise("token", "phone", "half").await,
        Err(AuthoriseError::Token(TokenError::Expired))
    );
});

conformance!(an_expired_half_ref_opens_nothing, async |backend| {
    let engine = phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance_unswept(AUTHORISATION);
    assert_eq!(engine.redeem("half", "connection").await, Err(RedeemError::Expired));
});

conformance!(an_expired_authorisation_makes_room, async |backend| {
    let limits = Limits { open_authorisations: 1, ..Limits::default() };
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance_unswept(AUTHORISATION);
    assert_eq!(engine.authorise("token", "phone", "another").await, Ok(()));
});

conformance!(a_revocation_does_not_revoke_an_expired_half_ref, async |backend| {
    let engine = phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.advance_unswept(AUTHORISATION);
    engine.revoke("token").await;
    assert_eq!(engine.redeem("half", "connection").await, Err(RedeemError::Expired));
});

conformance!(a_spent_half_ref_is_forgotten, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance_unswept(MEMORY);
    assert_eq!(engine.redeem("half ref of connection", "newer").await, Err(RedeemError::Unknown));
    assert_eq!(engine.authorise("token", "phone", "half ref of connection").await, Ok(()));
});

conformance!(an_expired_message_is_not_read, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.send_with_ttl("phone", "2", 2 * MESSAGE).await.unwrap();
    engine.advance_unswept(MESSAGE);
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [2]);
});

conformance!(an_expired_message_is_not_counted, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.send_with_ttl("phone", "2", 2 * MESSAGE).await.unwrap();
    engine.advance_unswept(MESSAGE);
    let state = engine.device("phone").await.unwrap();
    assert_eq!(state.unacknowledged, 1);
    assert_eq!(engine.inner.connected(None, "", 10).await, Ok(vec![state]));
});

conformance!(an_expired_message_is_not_acknowledged, async |backend| {
    let engine = open_phone(backend).await;
    let epoch = engine.send("phone", "1").await.unwrap().epoch;
    engine.send_with_ttl("phone", "2", 2 * MESSAGE).await.unwrap();
    engine.advance_unswept(MESSAGE);
    assert_eq!(engine.acknowledgement("phone", &epoch, 1).await, Acknowledgement::Never);
    engine.acknowledge("phone", "connection", 2).await.unwrap();
    assert!(!engine.is_acknowledged("phone", &epoch, 1).await);
    assert!(engine.is_acknowledged("phone", &epoch, 2).await);
    engine.sweep().await;
    engine.events_are(&["phone expired 1"]).await;
});

conformance!(an_expired_message_makes_room_for_a_message, async |backend| {
    let engine = open_phone_with(backend, Limits { outbox_messages: 2, ..Limits::default() }).await;
    engine.send_with_ttl("phone", "1", 60 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "2", 30 * SECOND).await.unwrap();
    engine.advance_unswept(30 * SECOND);
    assert!(engine.send("phone", "3").await.is_ok());
    assert_eq!(engine.send("phone", "4").await, Err(SendError::OutboxFull(30 * SECOND)));
});

conformance!(an_expired_message_makes_room_for_its_bytes, async |backend| {
    let engine = open_phone_with(backend, Limits { outbox_bytes: 10, ..Limits::default() }).await;
    engine.send_with_ttl("phone", "1234", 60 * SECOND).await.unwrap();
    engine.send_with_ttl("phone", "123456", 30 * SECOND).await.unwrap();
    engine.advance_unswept(30 * SECOND);
    assert!(engine.send("phone", "1234567").await.is_err());
    assert!(engine.send("phone", "123456").await.is_ok());
});

conformance!(the_sweep_appends_the_event_of_an_expired_message, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.advance_unswept(MESSAGE);
    engine.sweep().await;
    engine.events_are(&["phone expired 1"]).await;
    engine.sweep().await;
    engine.events_are(&[]).await;
});

conformance!(an_idempotency_key_is_forgotten, async |backend| {
    let limits = Limits { idempotency_keys: 1, ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.send_with_key("phone", "1", "key").await.unwrap();
    engine.renew("phone", "token", "next").await.unwrap();
    engine.advance_unswept(DAY);
    assert_eq!(engine.send_with_key("phone", "2", "key").await.unwrap().seq, 2);
});

conformance!(an_expired_message_does_not_end_a_batch, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.send_with_ttl("phone", "123456", SECOND).await.unwrap();
    engine.send("phone", "3").await.unwrap();
    engine.advance_unswept(SECOND);
    assert_eq!(engine.outbox_batch("phone", "connection", 0, 2).await, [1, 3]);
});
