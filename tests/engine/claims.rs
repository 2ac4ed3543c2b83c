//! Who gets a token, by channel and claim.

use engine::{AuthoriseError, EndReason, RedeemError, RequestTokenError, TokenError};

use crate::world::{DAY, Make, World};

const CLAIMED: Result<(), RequestTokenError> = Err(RequestTokenError::DeviceClaimed);
const UNKNOWN: Result<(), TokenError> = Err(TokenError::Unknown);

pub async fn the_first_to_ask_claims_the_device(make: impl Make) {
    let world = World::new(make).await;
    assert_eq!(world.claim("phone", "first").await, Ok(()));
    assert_eq!(world.check("first").await, Ok(()));
}

pub async fn every_claim_is_of_one_device(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.claim("tablet", "another").await, Ok(()));
    assert_eq!(world.check("token").await, Ok(()));
}

pub async fn a_stranger_with_no_token_gets_nothing(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.claim("phone", "strange").await, CLAIMED);
    assert_eq!(world.check("strange").await, UNKNOWN);
}

pub async fn a_stranger_with_another_devices_token_gets_nothing(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.claim("tablet", "other").await.unwrap();
    assert_eq!(world.renew("phone", "other", "strange").await, CLAIMED);
    assert_eq!(world.check("strange").await, UNKNOWN);
}

pub async fn a_stranger_with_a_token_that_was_never_given_gets_nothing(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.renew("phone", "invented", "strange").await, CLAIMED);
    assert_eq!(world.check("strange").await, UNKNOWN);
}

pub async fn a_refused_claim_changes_nothing(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    assert_eq!(world.claim("phone", "strange").await, CLAIMED);
    assert_eq!(world.check("first").await, Ok(()));
    assert_eq!(world.check("second").await, Ok(()));
}

pub async fn the_newest_token_gets_the_next_one(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    assert_eq!(world.renew("phone", "first", "second").await, Ok(()));
    assert_eq!(world.check("second").await, Ok(()));
}

pub async fn the_newest_token_gets_the_next_one_when_it_has_expired(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.pass(DAY).await;
    assert_eq!(world.check("first").await, Err(TokenError::Expired));
    assert_eq!(world.renew("phone", "first", "second").await, Ok(()));
}

pub async fn the_token_before_gets_the_next_one_while_the_newer_is_unused(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "lost").await.unwrap();
    assert_eq!(world.renew("phone", "first", "third").await, Ok(()));
    assert_eq!(world.check("third").await, Ok(()));
}

pub async fn the_token_before_gets_the_next_one_when_it_has_expired(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.pass(DAY / 2).await;
    world.renew("phone", "first", "lost").await.unwrap();
    world.pass(DAY / 2).await;
    assert_eq!(world.check("first").await, Err(TokenError::Expired));
    assert_eq!(world.renew("phone", "first", "third").await, Ok(()));
}

pub async fn two_lost_replies_in_a_row_lose_nothing(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "lost").await.unwrap();
    world.renew("phone", "first", "lost as well").await.unwrap();
    assert_eq!(world.renew("phone", "first", "fourth").await, Ok(()));
    assert_eq!(world.authorise("fourth", "phone", "half").await, Ok(()));
}

pub async fn the_newer_of_a_lost_reply_is_replaced(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "lost").await.unwrap();
    world.renew("phone", "first", "third").await.unwrap();
    assert_eq!(world.check("lost").await, UNKNOWN);
    assert_eq!(world.renew("phone", "lost", "stolen").await, CLAIMED);
}

pub async fn the_token_before_is_refused_once_the_newer_was_used(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world.authorise("second", "phone", "half").await.unwrap();
    assert_eq!(world.renew("phone", "first", "third").await, CLAIMED);
}

pub async fn the_token_before_is_no_good_once_the_newer_was_used(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world.authorise("second", "phone", "half").await.unwrap();
    assert_eq!(world.check("first").await, UNKNOWN);
    assert_eq!(
        world.authorise("first", "phone", "another half").await,
        Err(AuthoriseError::Token(TokenError::Unknown))
    );
}

pub async fn the_token_before_authorises_while_the_newer_is_unused(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "lost").await.unwrap();
    assert_eq!(world.authorise("first", "phone", "half").await, Ok(()));
    assert_eq!(world.renew("phone", "first", "third").await, Ok(()));
}

pub async fn looking_at_a_token_does_not_use_it(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world.check("second").await.unwrap();
    assert_eq!(world.renew("phone", "first", "third").await, Ok(()));
}

pub async fn renewing_with_the_newest_ends_the_one_before_it(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world.renew("phone", "second", "third").await.unwrap();
    assert_eq!(world.check("first").await, UNKNOWN);
    assert_eq!(world.check("second").await, Ok(()));
}

pub async fn a_token_two_renewals_old_gets_nothing(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world.renew("phone", "second", "third").await.unwrap();
    assert_eq!(world.renew("phone", "first", "fourth").await, CLAIMED);
}

pub async fn a_claimed_device_gives_no_test_token(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.test("phone", "strange").await, CLAIMED);
    assert_eq!(world.check("strange").await, UNKNOWN);
}

pub async fn a_test_token_does_not_renew(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "trying out").await.unwrap();
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.renew("phone", "trying out", "next").await, CLAIMED);
}

pub async fn a_claim_ends_the_test_tokens(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.check("one").await, UNKNOWN);
    assert_eq!(world.check("two").await, UNKNOWN);
}

pub async fn a_claim_ends_what_test_tokens_had_authorised(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "trying out").await.unwrap();
    world.authorise("trying out", "phone", "half").await.unwrap();
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.redeem("half", "connection").await, Err(RedeemError::Revoked));
}

pub async fn a_claim_ends_the_socket_of_a_test_token(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "trying out").await.unwrap();
    world.open("trying out", "phone", "connection").await;
    world.claim("phone", "token").await.unwrap();
    world.ended(&[("connection", EndReason::Revoked)]);
}

pub async fn the_operator_claims_a_free_device(make: impl Make) {
    let world = World::new(make).await;
    assert_eq!(world.issue("phone", "issued").await, Ok(()));
    assert_eq!(world.claim("phone", "strange").await, CLAIMED);
    assert_eq!(world.renew("phone", "issued", "next").await, Ok(()));
}

pub async fn the_operators_token_is_the_newest_of_a_claim(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.issue("phone", "issued").await, Ok(()));
    assert_eq!(world.renew("phone", "issued", "next").await, Ok(()));
}

pub async fn the_operators_token_ends_the_prospects_when_it_is_used(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.issue("phone", "issued").await.unwrap();
    assert_eq!(world.check("token").await, Ok(()));
    world.authorise("issued", "phone", "half").await.unwrap();
    assert_eq!(world.check("token").await, UNKNOWN);
}

pub async fn the_operator_ends_what_the_test_channel_had(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "trying out").await.unwrap();
    world.open("trying out", "phone", "connection").await;
    world.issue("phone", "issued").await.unwrap();
    assert_eq!(world.check("trying out").await, UNKNOWN);
    world.ended(&[("connection", EndReason::Revoked)]);
}

pub async fn issuing_twice_keeps_the_devices_own_token(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.issue("phone", "issued").await.unwrap();
    world.issue("phone", "issued again").await.unwrap();
    assert_eq!(world.check("token").await, Ok(()));
    assert_eq!(world.authorise("token", "phone", "half").await, Ok(()));
}

pub async fn issuing_twice_drops_the_first_that_was_not_used(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.issue("phone", "issued").await.unwrap();
    world.issue("phone", "issued again").await.unwrap();
    assert_eq!(world.check("issued").await, UNKNOWN);
    assert_eq!(world.check("issued again").await, Ok(()));
}

pub async fn after_two_issues_the_devices_own_token_gets_the_next_one(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.issue("phone", "issued").await.unwrap();
    world.issue("phone", "issued again").await.unwrap();
    assert_eq!(world.renew("phone", "token", "next").await, Ok(()));
}

pub async fn after_two_issues_the_first_use_ends_the_devices_own_token(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.issue("phone", "issued").await.unwrap();
    world.issue("phone", "issued again").await.unwrap();
    world.authorise("issued again", "phone", "half").await.unwrap();
    assert_eq!(world.check("token").await, UNKNOWN);
}

pub async fn an_issue_after_a_lost_renewal_keeps_the_devices_own_token(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.renew("phone", "token", "lost").await.unwrap();
    world.issue("phone", "issued").await.unwrap();
    assert_eq!(world.check("lost").await, UNKNOWN);
    assert_eq!(world.renew("phone", "token", "next").await, Ok(()));
}

pub async fn an_issue_after_a_use_keeps_the_token_that_was_used(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world.authorise("second", "phone", "half").await.unwrap();
    world.issue("phone", "issued").await.unwrap();
    assert_eq!(world.renew("phone", "second", "next").await, Ok(()));
}

/// A claimed phone whose newest token, `second`, was not used yet.
async fn renewed_phone(make: impl Make) -> World {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world
}

pub async fn asking_too_often_uses_the_token(make: impl Make) {
    let world = renewed_phone(make).await;
    for _ in 0..10 {
        world.authorise("first", "phone", "half").await.unwrap();
    }
    let refused = world.authorise("second", "phone", "half").await;
    assert!(matches!(refused, Err(AuthoriseError::TooMany(_))), "{refused:?}");
    assert_eq!(world.check("first").await, UNKNOWN);
}

pub async fn asking_with_a_spent_half_ref_uses_the_token(make: impl Make) {
    let world = renewed_phone(make).await;
    world.open("first", "phone", "connection").await;
    let refused = world.authorise("second", "phone", "half ref of connection").await;
    assert_eq!(refused, Err(AuthoriseError::HalfRefSpent));
    assert_eq!(world.check("first").await, UNKNOWN);
}

pub async fn asking_for_a_fourth_authorisation_uses_the_token(make: impl Make) {
    let world = renewed_phone(make).await;
    for half_ref in ["one", "two", "three"] {
        world.authorise("first", "phone", half_ref).await.unwrap();
    }
    let refused = world.authorise("second", "phone", "four").await;
    assert!(matches!(refused, Err(AuthoriseError::Full(_))), "{refused:?}");
    assert_eq!(world.check("first").await, UNKNOWN);
}

pub async fn asking_for_another_device_does_not_use_the_token(make: impl Make) {
    let world = renewed_phone(make).await;
    let refused = world.authorise("second", "tablet", "half").await;
    assert_eq!(refused, Err(AuthoriseError::DeviceMismatch));
    assert_eq!(world.check("first").await, Ok(()));
}

pub async fn asking_with_an_expired_token_does_not_use_it(make: impl Make) {
    let world = renewed_phone(make).await;
    world.pass(DAY).await;
    let refused = world.authorise("second", "phone", "half").await;
    assert_eq!(refused, Err(AuthoriseError::Token(TokenError::Expired)));
    assert_eq!(world.renew("phone", "first", "third").await, Ok(()));
}
