//! What a `halfRef` opens, once, and how long it is remembered after that.

use engine::{Limits, Opened, RedeemError};

use crate::world::{AUTHORISATION, DAY, MEMORY, MOMENT, Make, World, just_before};

const UNKNOWN: Result<Opened, RedeemError> = Err(RedeemError::Unknown);
const SPENT: Result<Opened, RedeemError> = Err(RedeemError::Spent);
const EXPIRED: Result<Opened, RedeemError> = Err(RedeemError::Expired);
const REVOKED: Result<Opened, RedeemError> = Err(RedeemError::Revoked);

/// A claimed phone whose socket waits for `half`.
async fn waiting(make: impl Make) -> World {
    waiting_with(make, Limits::default()).await
}

async fn waiting_with(make: impl Make, settings: Limits) -> World {
    let world = World::with(make, settings).await;
    world.claim("phone", "token").await.unwrap();
    world.authorise("token", "phone", "half").await.unwrap();
    world
}

pub async fn a_half_ref_opens_its_devices_socket(make: impl Make) {
    let world = waiting(make).await;
    let opened = world.redeem("half", "connection").await.unwrap();
    assert_eq!(&*opened.device, "phone");
    assert_eq!(opened.linkinjected, None);
}

pub async fn a_half_ref_hands_over_its_linkinjected(make: impl Make) {
    let world = waiting(make).await;
    world.authorise_linked("token", "phone", "linked", Some("link")).await.unwrap();
    let opened = world.redeem("linked", "connection").await.unwrap();
    assert_eq!(opened.linkinjected.as_deref(), Some("link"));
}

pub async fn a_half_ref_opens_once(make: impl Make) {
    let world = waiting(make).await;
    world.redeem("half", "connection").await.unwrap();
    assert_eq!(world.redeem("half", "replay").await, SPENT);
    world.ended(&[]);
}

pub async fn an_unknown_half_ref_opens_nothing(make: impl Make) {
    let world = waiting(make).await;
    assert_eq!(world.redeem("invented", "connection").await, UNKNOWN);
}

pub async fn an_expired_half_ref_opens_nothing(make: impl Make) {
    let world = waiting(make).await;
    world.pass(AUTHORISATION).await;
    assert_eq!(world.redeem("half", "connection").await, EXPIRED);
}

pub async fn a_half_ref_opens_until_its_time_is_over(make: impl Make) {
    let world = waiting(make).await;
    world.pass(just_before(AUTHORISATION)).await;
    assert!(world.redeem("half", "connection").await.is_ok());
}

pub async fn a_revoked_half_ref_opens_nothing(make: impl Make) {
    let world = waiting(make).await;
    world.revoke("token").await;
    assert_eq!(world.redeem("half", "connection").await, REVOKED);
}

pub async fn a_half_ref_of_an_expired_token_is_expired(make: impl Make) {
    let world = waiting(make).await;
    world.pass(DAY.saturating_sub(AUTHORISATION / 2)).await;
    world.authorise("token", "phone", "late").await.unwrap();
    world.pass(AUTHORISATION / 2).await;
    assert_eq!(world.redeem("late", "connection").await, EXPIRED);
}

pub async fn a_renewed_token_keeps_what_waits(make: impl Make) {
    let world = waiting(make).await;
    world.pass(DAY.saturating_sub(AUTHORISATION / 2)).await;
    world.authorise("token", "phone", "late").await.unwrap();
    world.renew("phone", "token", "next").await.unwrap();
    world.pass(AUTHORISATION / 2).await;
    assert!(world.redeem("late", "connection").await.is_ok());
}

pub async fn a_spent_half_ref_is_remembered_for_ten_minutes(make: impl Make) {
    let world = waiting(make).await;
    world.redeem("half", "connection").await.unwrap();
    world.pass(just_before(MEMORY)).await;
    assert_eq!(world.redeem("half", "replay").await, SPENT);
    world.pass(MOMENT).await;
    assert_eq!(world.redeem("half", "replay").await, UNKNOWN);
}

pub async fn an_expired_half_ref_is_remembered_for_ten_minutes(make: impl Make) {
    let world = waiting(make).await;
    world.pass(AUTHORISATION).await;
    world.pass(just_before(MEMORY)).await;
    assert_eq!(world.redeem("half", "replay").await, EXPIRED);
    world.pass(MOMENT).await;
    assert_eq!(world.redeem("half", "replay").await, UNKNOWN);
}

pub async fn a_revoked_half_ref_is_remembered_for_ten_minutes(make: impl Make) {
    let world = waiting(make).await;
    world.revoke("token").await;
    world.pass(just_before(MEMORY)).await;
    assert_eq!(world.redeem("half", "replay").await, REVOKED);
    world.pass(MOMENT).await;
    assert_eq!(world.redeem("half", "replay").await, UNKNOWN);
}

/// Remembers two.
fn forgetful() -> Limits {
    Limits { remembered_half_refs: 2, ..Limits::default() }
}

pub async fn the_oldest_remembered_half_ref_makes_room(make: impl Make) {
    let world = waiting_with(make, forgetful()).await;
    world.redeem("half", "first").await.unwrap();
    for name in ["second", "third"] {
        world.pass(MOMENT).await;
        world.open("token", "phone", name).await;
    }
    assert_eq!(world.redeem("half", "replay").await, UNKNOWN);
    assert_eq!(world.redeem("half ref of second", "replay").await, SPENT);
    assert_eq!(world.redeem("half ref of third", "replay").await, SPENT);
}

pub async fn what_waits_is_not_forgotten_for_want_of_memory(make: impl Make) {
    let world = waiting_with(make, forgetful()).await;
    for name in ["first", "second", "third"] {
        world.pass(MOMENT).await;
        world.open("token", "phone", name).await;
    }
    assert!(world.redeem("half", "connection").await.is_ok());
}
