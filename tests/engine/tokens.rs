//! How long a token is good, and what ends with it.

use engine::{EndReason, RedeemError, TokenError};

use crate::world::{DAY, MOMENT, Make, World, just_before};

const UNKNOWN: Result<(), TokenError> = Err(TokenError::Unknown);
const EXPIRED: Result<(), TokenError> = Err(TokenError::Expired);

pub async fn a_token_that_was_never_given_is_unknown(make: impl Make) {
    let world = World::new(make).await;
    assert_eq!(world.check("invented").await, UNKNOWN);
}

pub async fn a_token_is_good_until_its_time_is_over(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.pass(just_before(DAY)).await;
    assert_eq!(world.check("token").await, Ok(()));
    world.pass(MOMENT).await;
    assert_eq!(world.check("token").await, EXPIRED);
}

pub async fn an_expired_token_is_known_as_expired(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "token").await.unwrap();
    world.pass(just_before(DAY + DAY)).await;
    assert_eq!(world.check("token").await, EXPIRED);
}

pub async fn a_test_token_is_given_to_whoever_asks(make: impl Make) {
    let world = World::new(make).await;
    assert_eq!(world.test("phone", "one").await, Ok(()));
    assert_eq!(world.test("phone", "two").await, Ok(()));
    assert_eq!(world.check("one").await, Ok(()));
    assert_eq!(world.check("two").await, Ok(()));
}

pub async fn the_ninth_test_token_ends_the_first(make: impl Make) {
    let world = World::new(make).await;
    for number in 1..=8 {
        world.test("phone", &format!("token {number}")).await.unwrap();
    }
    assert_eq!(world.check("token 1").await, Ok(()));
    world.test("phone", "token 9").await.unwrap();
    assert_eq!(world.check("token 1").await, UNKNOWN);
    assert_eq!(world.check("token 2").await, Ok(()));
}

pub async fn a_test_token_that_makes_room_ends_what_it_had(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "first").await.unwrap();
    world.open("first", "phone", "connection").await;
    world.authorise("first", "phone", "half").await.unwrap();
    for number in 2..=9 {
        world.test("phone", &format!("token {number}")).await.unwrap();
    }
    world.ended(&[("connection", EndReason::Revoked)]);
    assert_eq!(world.redeem("half", "another").await, Err(RedeemError::Revoked));
}

pub async fn revoking_a_claim_ends_all_its_tokens(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "second").await.unwrap();
    world.revoke("second").await;
    assert_eq!(world.check("first").await, UNKNOWN);
    assert_eq!(world.check("second").await, UNKNOWN);
}

pub async fn revoking_the_token_before_ends_the_claim_as_well(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "first").await.unwrap();
    world.renew("phone", "first", "lost").await.unwrap();
    world.revoke("first").await;
    assert_eq!(world.check("lost").await, UNKNOWN);
}

pub async fn revoking_a_claim_frees_the_device(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.revoke("token").await;
    assert_eq!(world.claim("phone", "another").await, Ok(()));
}

pub async fn revoking_a_claim_starts_a_new_epoch(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    let before = world.open("token", "phone", "connection").await.epoch;
    world.revoke("token").await;
    world.claim("phone", "another").await.unwrap();
    let after = world.open("another", "phone", "another").await.epoch;
    assert_ne!(before, after);
}

pub async fn revoking_an_expired_token_ends_the_claim(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.pass(DAY).await;
    world.revoke("token").await;
    assert_eq!(world.claim("phone", "another").await, Ok(()));
}

pub async fn revoking_one_of_several_test_tokens_leaves_the_others(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.revoke("one").await;
    assert_eq!(world.check("one").await, UNKNOWN);
    assert_eq!(world.check("two").await, Ok(()));
}

pub async fn revoking_a_test_token_ends_what_it_had_authorised(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.authorise("one", "phone", "half").await.unwrap();
    world.revoke("one").await;
    assert_eq!(world.redeem("half", "connection").await, Err(RedeemError::Revoked));
}

pub async fn revoking_a_test_token_leaves_what_others_had_authorised(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.authorise("two", "phone", "half").await.unwrap();
    world.revoke("one").await;
    assert!(world.redeem("half", "connection").await.is_ok());
}

pub async fn revoking_a_test_token_ends_its_socket(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.open("one", "phone", "connection").await;
    world.revoke("one").await;
    world.ended(&[("connection", EndReason::Revoked)]);
}

pub async fn revoking_a_test_token_leaves_the_socket_of_another(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.open("two", "phone", "connection").await;
    world.revoke("one").await;
    world.ended(&[]);
}

pub async fn revoking_twice_is_no_error(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.open("token", "phone", "connection").await;
    world.revoke("token").await;
    world.revoke("token").await;
    world.ended(&[("connection", EndReason::Revoked)]);
}

pub async fn revoking_leaves_other_devices_alone(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.claim("tablet", "other").await.unwrap();
    world.open("other", "tablet", "connection").await;
    world.revoke("token").await;
    assert_eq!(world.check("other").await, Ok(()));
    world.ended(&[]);
}
