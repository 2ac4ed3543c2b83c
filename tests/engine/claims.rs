//! Who gets a token, by channel and claim.

use engine::{AuthoriseError, EndReason, RedeemError, RequestTokenError, TokenError};

use crate::harness::{Backend, DAY, MOMENT, TestEngine, conformance, just_before};

const CLAIMED: Result<(), RequestTokenError> = Err(RequestTokenError::DeviceClaimed);
const UNKNOWN: Result<(), TokenError> = Err(TokenError::Unknown);

/// A claimed phone that renewed its token twice, because it did so at once or got no response.
async fn two_renewals(backend: Backend) -> TestEngine {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "one").await.unwrap();
    engine.renew("phone", "first", "other").await.unwrap();
    engine
}

/// A phone that was claimed with an idempotency key, `key`, for the token `lost`.
async fn lost_claim(backend: Backend) -> TestEngine {
    let engine = TestEngine::new(backend).await;
    engine.claim_with("phone", None, Some("key"), "lost").await.unwrap();
    engine
}

conformance!(the_first_request_claims_the_device, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert_eq!(engine.claim("phone", "first").await, Ok(()));
    assert_eq!(engine.check_token("first").await, Ok(()));
});

conformance!(a_claim_covers_one_device, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.claim("tablet", "another").await, Ok(()));
    assert_eq!(engine.check_token("token").await, Ok(()));
});

conformance!(a_claimed_device_is_refused_without_a_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.claim("phone", "strange").await, CLAIMED);
    assert_eq!(engine.check_token("strange").await, UNKNOWN);
});

conformance!(a_claimed_device_is_refused_with_another_devices_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.claim("tablet", "other").await.unwrap();
    assert_eq!(engine.renew("phone", "other", "strange").await, CLAIMED);
    assert_eq!(engine.check_token("strange").await, UNKNOWN);
});

conformance!(a_claimed_device_is_refused_with_an_unknown_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.renew("phone", "invented", "strange").await, CLAIMED);
    assert_eq!(engine.check_token("strange").await, UNKNOWN);
});

conformance!(a_refused_claim_changes_nothing, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    assert_eq!(engine.claim("phone", "strange").await, CLAIMED);
    assert_eq!(engine.check_token("first").await, Ok(()));
    assert_eq!(engine.check_token("second").await, Ok(()));
});

conformance!(the_newest_token_renews, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    assert_eq!(engine.renew("phone", "first", "second").await, Ok(()));
    assert_eq!(engine.check_token("second").await, Ok(()));
});

conformance!(an_expired_newest_token_renews, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.advance(DAY).await;
    assert_eq!(engine.check_token("first").await, Err(TokenError::Expired));
    assert_eq!(engine.renew("phone", "first", "second").await, Ok(()));
});

conformance!(the_previous_token_renews_while_the_newest_is_unused, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "lost").await.unwrap();
    assert_eq!(engine.renew("phone", "first", "third").await, Ok(()));
    assert_eq!(engine.check_token("third").await, Ok(()));
});

conformance!(an_expired_previous_token_renews, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.advance(DAY / 2).await;
    engine.renew("phone", "first", "lost").await.unwrap();
    engine.advance(DAY / 2).await;
    assert_eq!(engine.check_token("first").await, Err(TokenError::Expired));
    assert_eq!(engine.renew("phone", "first", "third").await, Ok(()));
});

conformance!(two_lost_replies_in_a_row_do_not_lock_the_device_out, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "lost").await.unwrap();
    engine.renew("phone", "first", "lost as well").await.unwrap();
    assert_eq!(engine.renew("phone", "first", "fourth").await, Ok(()));
    assert_eq!(engine.authorise("fourth", "phone", "half").await, Ok(()));
});

conformance!(two_renewals_at_once_are_both_good, async |backend| {
    let engine = two_renewals(backend).await;
    assert_eq!(engine.check_token("one").await, Ok(()));
    assert_eq!(engine.check_token("other").await, Ok(()));
});

conformance!(using_the_older_of_two_renewals_ends_the_others, async |backend| {
    let engine = two_renewals(backend).await;
    assert_eq!(engine.authorise("one", "phone", "half").await, Ok(()));
    assert_eq!(engine.check_token("other").await, UNKNOWN);
    assert_eq!(engine.check_token("first").await, UNKNOWN);
});

conformance!(using_the_newer_of_two_renewals_ends_the_others, async |backend| {
    let engine = two_renewals(backend).await;
    assert_eq!(engine.authorise("other", "phone", "half").await, Ok(()));
    assert_eq!(engine.check_token("one").await, UNKNOWN);
    assert_eq!(engine.check_token("first").await, UNKNOWN);
});

conformance!(renewing_with_one_of_two_renewals_ends_the_other, async |backend| {
    let engine = two_renewals(backend).await;
    assert_eq!(engine.renew("phone", "one", "next").await, Ok(()));
    assert_eq!(engine.check_token("one").await, Ok(()));
    assert_eq!(engine.check_token("other").await, UNKNOWN);
});

conformance!(the_socket_ends_with_the_renewal_that_is_used, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.open("first", "phone", "connection").await;
    engine.renew("phone", "first", "one").await.unwrap();
    engine.advance(DAY / 2).await;
    engine.renew("phone", "first", "other").await.unwrap();
    engine.authorise("one", "phone", "half").await.unwrap();
    engine.advance(DAY / 2).await;
    engine.ended_are(&[("connection", EndReason::TokenExpired)]);
});

conformance!(a_fifth_unused_renewal_replaces_the_oldest, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    for renewal in ["one", "two", "three", "four", "five"] {
        engine.renew("phone", "first", renewal).await.unwrap();
    }
    assert_eq!(engine.check_token("first").await, Ok(()));
    assert_eq!(engine.check_token("one").await, UNKNOWN);
    assert_eq!(engine.check_token("two").await, Ok(()));
    assert_eq!(engine.renew("phone", "one", "next").await, CLAIMED);
});

conformance!(the_previous_token_no_longer_renews_once_the_newest_was_used, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine.authorise("second", "phone", "half").await.unwrap();
    assert_eq!(engine.renew("phone", "first", "third").await, CLAIMED);
});

conformance!(the_previous_token_is_unknown_once_the_newest_was_used, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine.authorise("second", "phone", "half").await.unwrap();
    assert_eq!(engine.check_token("first").await, UNKNOWN);
    assert_eq!(
        engine.authorise("first", "phone", "another half").await,
        Err(AuthoriseError::Token(TokenError::Unknown))
    );
});

conformance!(the_previous_token_authorises_while_the_newest_is_unused, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "lost").await.unwrap();
    assert_eq!(engine.authorise("first", "phone", "half").await, Ok(()));
    assert_eq!(engine.renew("phone", "first", "third").await, Ok(()));
});

conformance!(checking_a_token_does_not_use_it, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine.check_token("second").await.unwrap();
    assert_eq!(engine.renew("phone", "first", "third").await, Ok(()));
});

conformance!(renewing_with_the_newest_ends_the_previous_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine.renew("phone", "second", "third").await.unwrap();
    assert_eq!(engine.check_token("first").await, UNKNOWN);
    assert_eq!(engine.check_token("second").await, Ok(()));
});

conformance!(a_token_two_renewals_old_does_not_renew, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine.renew("phone", "second", "third").await.unwrap();
    assert_eq!(engine.renew("phone", "first", "fourth").await, CLAIMED);
});

conformance!(a_claimed_device_is_refused_a_test_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.request_test_token("phone", "strange").await, CLAIMED);
    assert_eq!(engine.check_token("strange").await, UNKNOWN);
});

conformance!(a_test_token_does_not_renew, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "trying out").await.unwrap();
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.renew("phone", "trying out", "next").await, CLAIMED);
});

conformance!(a_claim_revokes_the_test_tokens, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.check_token("one").await, UNKNOWN);
    assert_eq!(engine.check_token("two").await, UNKNOWN);
});

conformance!(a_claim_revokes_the_authorisations_of_test_tokens, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "trying out").await.unwrap();
    engine.authorise("trying out", "phone", "half").await.unwrap();
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.redeem("half", "connection").await, Err(RedeemError::Revoked));
});

conformance!(a_claim_ends_the_socket_of_a_test_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "trying out").await.unwrap();
    engine.open("trying out", "phone", "connection").await;
    engine.claim("phone", "token").await.unwrap();
    engine.ended_are(&[("connection", EndReason::Revoked)]);
});

conformance!(the_operator_claims_a_free_device, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert_eq!(engine.issue("phone", "issued").await, Ok(()));
    assert_eq!(engine.claim("phone", "strange").await, CLAIMED);
    assert_eq!(engine.renew("phone", "issued", "next").await, Ok(()));
});

conformance!(an_issued_token_is_the_newest_of_a_claim, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.issue("phone", "issued").await, Ok(()));
    assert_eq!(engine.renew("phone", "issued", "next").await, Ok(()));
});

conformance!(using_an_issued_token_ends_the_previous_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.issue("phone", "issued").await.unwrap();
    assert_eq!(engine.check_token("token").await, Ok(()));
    engine.authorise("issued", "phone", "half").await.unwrap();
    assert_eq!(engine.check_token("token").await, UNKNOWN);
});

conformance!(issuing_a_token_revokes_the_test_tokens, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "trying out").await.unwrap();
    engine.open("trying out", "phone", "connection").await;
    engine.issue("phone", "issued").await.unwrap();
    assert_eq!(engine.check_token("trying out").await, UNKNOWN);
    engine.ended_are(&[("connection", EndReason::Revoked)]);
});

conformance!(issuing_twice_keeps_the_token_in_use, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.issue("phone", "issued").await.unwrap();
    engine.issue("phone", "issued again").await.unwrap();
    assert_eq!(engine.check_token("token").await, Ok(()));
    assert_eq!(engine.authorise("token", "phone", "half").await, Ok(()));
});

conformance!(issuing_twice_replaces_the_first_unused_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.issue("phone", "issued").await.unwrap();
    engine.issue("phone", "issued again").await.unwrap();
    assert_eq!(engine.check_token("issued").await, UNKNOWN);
    assert_eq!(engine.check_token("issued again").await, Ok(()));
});

conformance!(after_issuing_twice_the_token_in_use_renews, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.issue("phone", "issued").await.unwrap();
    engine.issue("phone", "issued again").await.unwrap();
    assert_eq!(engine.renew("phone", "token", "next").await, Ok(()));
});

conformance!(after_issuing_twice_the_first_use_ends_the_token_in_use, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.issue("phone", "issued").await.unwrap();
    engine.issue("phone", "issued again").await.unwrap();
    engine.authorise("issued again", "phone", "half").await.unwrap();
    assert_eq!(engine.check_token("token").await, UNKNOWN);
});

conformance!(issuing_after_a_lost_renewal_keeps_the_token_in_use, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.renew("phone", "token", "lost").await.unwrap();
    engine.issue("phone", "issued").await.unwrap();
    assert_eq!(engine.check_token("lost").await, UNKNOWN);
    assert_eq!(engine.renew("phone", "token", "next").await, Ok(()));
});

conformance!(issuing_after_a_use_keeps_the_used_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine.authorise("second", "phone", "half").await.unwrap();
    engine.issue("phone", "issued").await.unwrap();
    assert_eq!(engine.renew("phone", "second", "next").await, Ok(()));
});

/// A claimed phone whose newest token, `second`, was not used yet.
async fn renewed_phone(backend: Backend) -> TestEngine {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.renew("phone", "first", "second").await.unwrap();
    engine
}

conformance!(a_rate_limited_authorisation_uses_the_token, async |backend| {
    let engine = renewed_phone(backend).await;
    for _ in 0..10 {
        engine.authorise("first", "phone", "half").await.unwrap();
    }
    let refused = engine.authorise("second", "phone", "half").await;
    assert!(matches!(refused, Err(AuthoriseError::TooMany(_))), "{refused:?}");
    assert_eq!(engine.check_token("first").await, UNKNOWN);
});

conformance!(authorising_a_spent_half_ref_uses_the_token, async |backend| {
    let engine = renewed_phone(backend).await;
    engine.open("first", "phone", "connection").await;
    let refused = engine.authorise("second", "phone", "half ref of connection").await;
    assert_eq!(refused, Err(AuthoriseError::HalfRefSpent));
    assert_eq!(engine.check_token("first").await, UNKNOWN);
});

conformance!(a_fourth_authorisation_uses_the_token, async |backend| {
    let engine = renewed_phone(backend).await;
    for half_ref in ["one", "two", "three"] {
        engine.authorise("first", "phone", half_ref).await.unwrap();
    }
    engine.authorise("second", "phone", "four").await.unwrap();
    assert_eq!(engine.check_token("first").await, UNKNOWN);
});

conformance!(authorising_another_device_does_not_use_the_token, async |backend| {
    let engine = renewed_phone(backend).await;
    let refused = engine.authorise("second", "tablet", "half").await;
    assert_eq!(refused, Err(AuthoriseError::DeviceMismatch));
    assert_eq!(engine.check_token("first").await, Ok(()));
});

conformance!(authorising_with_an_expired_token_does_not_use_it, async |backend| {
    let engine = renewed_phone(backend).await;
    engine.advance(DAY).await;
    let refused = engine.authorise("second", "phone", "half").await;
    assert_eq!(refused, Err(AuthoriseError::Token(TokenError::Expired)));
    assert_eq!(engine.renew("phone", "first", "third").await, Ok(()));
});

conformance!(a_repeated_claim_gets_a_fresh_token, async |backend| {
    let engine = lost_claim(backend).await;
    assert_eq!(engine.claim_with("phone", None, Some("key"), "fresh").await, Ok(()));
    assert_eq!(engine.check_token("fresh").await, Ok(()));
    assert_eq!(engine.check_token("lost").await, UNKNOWN);
});

conformance!(a_claim_can_be_repeated_until_the_token_is_used, async |backend| {
    let engine = lost_claim(backend).await;
    for token in ["second", "third", "fourth"] {
        assert_eq!(engine.claim_with("phone", None, Some("key"), token).await, Ok(()));
    }
    engine.check_token("fourth").await.unwrap();
    engine.authorise("fourth", "phone", "half").await.unwrap();
    assert_eq!(engine.claim_with("phone", None, Some("key"), "stolen").await, CLAIMED);
    assert_eq!(engine.check_token("fourth").await, Ok(()));
});

conformance!(renewing_a_claim_ends_its_key, async |backend| {
    let engine = lost_claim(backend).await;
    engine.renew("phone", "lost", "next").await.unwrap();
    assert_eq!(engine.claim_with("phone", None, Some("key"), "stolen").await, CLAIMED);
    assert_eq!(engine.check_token("lost").await, Ok(()));
});

conformance!(an_expired_claim_can_be_repeated, async |backend| {
    let engine = lost_claim(backend).await;
    engine.advance(DAY).await;
    assert_eq!(engine.claim_with("phone", None, Some("key"), "fresh").await, Ok(()));
    assert_eq!(engine.check_token("fresh").await, Ok(()));
});

conformance!(a_repeated_claim_keeps_the_record, async |backend| {
    let engine = lost_claim(backend).await;
    let sent = engine.send("phone", "1").await.unwrap();
    engine.claim_with("phone", None, Some("key"), "fresh").await.unwrap();
    assert_eq!(engine.open("fresh", "phone", "connection").await.epoch, sent.epoch);
    assert_eq!(engine.outbox_numbers("phone", "connection").await, [1]);
});

conformance!(another_key_does_not_repeat_a_claim, async |backend| {
    let engine = lost_claim(backend).await;
    assert_eq!(engine.claim_with("phone", None, Some("another"), "stolen").await, CLAIMED);
    assert_eq!(engine.claim("phone", "stolen").await, CLAIMED);
    assert_eq!(engine.check_token("lost").await, Ok(()));
});

conformance!(a_claim_without_a_key_cannot_be_repeated, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "lost").await.unwrap();
    assert_eq!(engine.claim_with("phone", None, Some("key"), "stolen").await, CLAIMED);
});

conformance!(each_device_has_its_own_claim_key, async |backend| {
    let engine = lost_claim(backend).await;
    assert_eq!(engine.claim_with("tablet", None, Some("key"), "other").await, Ok(()));
    assert_eq!(engine.check_token("lost").await, Ok(()));
});

conformance!(a_repeated_renewal_gets_a_fresh_token, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "first").await.unwrap();
    engine.open("first", "phone", "connection").await;
    engine.claim_with("phone", Some("first"), Some("key"), "lost").await.unwrap();
    engine.advance(DAY / 2).await;
    engine.claim_with("phone", Some("first"), Some("key"), "fresh").await.unwrap();
    assert_eq!(engine.check_token("first").await, Ok(()));
    assert_eq!(engine.check_token("lost").await, UNKNOWN);
    assert_eq!(engine.authorise("fresh", "phone", "half").await, Ok(()));
    engine.advance(just_before(DAY)).await;
    engine.ended_are(&[]);
    engine.advance(MOMENT).await;
    engine.ended_are(&[("connection", EndReason::TokenExpired)]);
});

conformance!(an_issued_token_does_not_end_the_key_of_a_claim, async |backend| {
    let engine = lost_claim(backend).await;
    engine.issue("phone", "issued").await.unwrap();
    assert_eq!(engine.claim_with("phone", None, Some("key"), "fresh").await, Ok(()));
    assert_eq!(engine.check_token("issued").await, Ok(()));
    assert_eq!(engine.renew("phone", "fresh", "next").await, Ok(()));
});
