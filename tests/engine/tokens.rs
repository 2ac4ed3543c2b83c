//! How long a token is good, and what ends with it.

use engine::{EndReason, RedeemError, TokenError};

use crate::harness::{DAY, MOMENT, TestEngine, conformance, just_before};

const UNKNOWN: Result<(), TokenError> = Err(TokenError::Unknown);
const EXPIRED: Result<(), TokenError> = Err(TokenError::Expired);

conformance!(a_token_that_was_never_issued_is_unknown, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert_eq!(engine.check_token("invented").await, UNKNOWN);
});

conformance!(a_token_is_live_until_its_ttl_ends, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.advance(just_before(DAY)).await;
    assert_eq!(engine.check_token("token").await, Ok(()));
    engine.advance(MOMENT).await;
    assert_eq!(engine.check_token("token").await, EXPIRED);
});

conformance!(an_expired_token_is_reported_as_expired, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "token").await.unwrap();
    engine.advance(just_before(DAY + DAY)).await;
    assert_eq!(engine.check_token("token").await, EXPIRED);
});

conformance!(every_request_gets_a_test_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert_eq!(engine.request_test_token("phone", "one").await, Ok(()));
    assert_eq!(engine.request_test_token("phone", "two").await, Ok(()));
    assert_eq!(engine.check_token("one").await, Ok(()));
    assert_eq!(engine.check_token("two").await, Ok(()));
});

conformance!(the_ninth_test_token_replaces_the_first, async |backend| {
    let engine = TestEngine::new(backend).await;
    for number in 1..=8 {
        engine.request_test_token("phone", &format!("token {number}")).await.unwrap();
    }
    assert_eq!(engine.check_token("token 1").await, Ok(()));
    engine.request_test_token("phone", "token 9").await.unwrap();
    assert_eq!(engine.check_token("token 1").await, UNKNOWN);
    assert_eq!(engine.check_token("token 2").await, Ok(()));
});

conformance!(a_replaced_test_token_loses_its_socket_and_authorisations, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "first").await.unwrap();
    engine.open("first", "phone", "connection").await;
    engine.authorise("first", "phone", "half").await.unwrap();
    for number in 2..=9 {
        engine.request_test_token("phone", &format!("token {number}")).await.unwrap();
    }
    engine.ended_are(&[("connection", EndReason::Revoked)]);
    assert_eq!(engine.redeem("half", "another").await, Err(RedeemError::Revoked));
});

conformance!(revoking_a_claim_revokes_all_its_tokens, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine.revoke("second").await;
    assert_eq!(engine.check_token("first").await, UNKNOWN);
    assert_eq!(engine.check_token("second").await, UNKNOWN);
});

conformance!(revoking_the_previous_token_ends_the_claim, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "lost").await.unwrap();
    engine.revoke("first").await;
    assert_eq!(engine.check_token("lost").await, UNKNOWN);
});

conformance!(revoking_a_claim_frees_the_device, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.revoke("token").await;
    assert_eq!(engine.claim("phone", "another").await, Ok(()));
});

conformance!(a_claim_after_a_revocation_has_a_new_epoch, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    let before = engine.open("token", "phone", "connection").await.epoch;
    engine.revoke("token").await;
    engine.claim("phone", "another").await.unwrap();
    let after = engine.open("another", "phone", "another").await.epoch;
    assert_ne!(before, after);
});

conformance!(revoking_an_expired_token_ends_the_claim, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.advance(DAY).await;
    engine.revoke("token").await;
    assert_eq!(engine.claim("phone", "another").await, Ok(()));
});

conformance!(revoking_one_of_several_test_tokens_keeps_the_others, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.revoke("one").await;
    assert_eq!(engine.check_token("one").await, UNKNOWN);
    assert_eq!(engine.check_token("two").await, Ok(()));
});

conformance!(revoking_a_test_token_revokes_its_authorisations, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.authorise("one", "phone", "half").await.unwrap();
    engine.revoke("one").await;
    assert_eq!(engine.redeem("half", "connection").await, Err(RedeemError::Revoked));
});

conformance!(revoking_a_test_token_keeps_the_authorisations_of_others, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.authorise("two", "phone", "half").await.unwrap();
    engine.revoke("one").await;
    assert!(engine.redeem("half", "connection").await.is_ok());
});

conformance!(revoking_a_test_token_ends_its_socket, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.open("one", "phone", "connection").await;
    engine.revoke("one").await;
    engine.ended_are(&[("connection", EndReason::Revoked)]);
});

conformance!(revoking_a_test_token_keeps_the_socket_of_another, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.open("two", "phone", "connection").await;
    engine.revoke("one").await;
    engine.ended_are(&[]);
});

conformance!(revoking_twice_is_no_error, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.open("token", "phone", "connection").await;
    engine.revoke("token").await;
    engine.revoke("token").await;
    engine.ended_are(&[("connection", EndReason::Revoked)]);
});

conformance!(revoking_does_not_affect_other_devices, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.claim("tablet", "other").await.unwrap();
    engine.open("other", "tablet", "connection").await;
    engine.revoke("token").await;
    assert_eq!(engine.check_token("other").await, Ok(()));
    engine.ended_are(&[]);
});
