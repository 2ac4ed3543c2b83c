//! A device's record: its epoch, its end and the room that it takes.

use std::sync::Arc;

use engine::{Limits, RequestTokenError};

use crate::world::{DAY, MOMENT, Make, World, just_before};

const FULL: Result<(), RequestTokenError> = Err(RequestTokenError::DevicesFull);

/// The epoch of a device, as a socket that opens and closes sees it.
async fn epoch(world: &World, token: &str, device: &str, name: &str) -> Arc<str> {
    let epoch = world.open(token, device, name).await.epoch;
    world.close(device, name).await;
    epoch
}

/// With room for two devices.
async fn small(make: impl Make) -> World {
    let settings = Limits { devices: 2, ..Limits::default() };
    let world = World::with(make, settings).await;
    world.claim("phone", "token").await.unwrap();
    world.test("tablet", "other").await.unwrap();
    world
}

pub async fn one_device_keeps_one_epoch(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    let before = epoch(&world, "token", "phone", "first").await;
    assert_eq!(epoch(&world, "token", "phone", "second").await, before);
}

pub async fn two_devices_have_two_epochs(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.claim("tablet", "other").await.unwrap();
    let phone = epoch(&world, "token", "phone", "first").await;
    assert_ne!(epoch(&world, "other", "tablet", "second").await, phone);
}

pub async fn renewing_keeps_the_epoch(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    let before = epoch(&world, "token", "phone", "first").await;
    world.renew("phone", "token", "next").await.unwrap();
    assert_eq!(epoch(&world, "next", "phone", "second").await, before);
}

pub async fn a_record_outlives_its_last_token_by_a_day(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    let before = epoch(&world, "token", "phone", "first").await;
    world.pass(just_before(DAY + DAY)).await;
    assert_eq!(world.claim("phone", "strange").await, Err(RequestTokenError::DeviceClaimed));
    world.renew("phone", "token", "next").await.unwrap();
    assert_eq!(epoch(&world, "next", "phone", "second").await, before);
}

pub async fn a_record_ends_a_day_after_its_last_token(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    let before = epoch(&world, "token", "phone", "first").await;
    world.pass(DAY + DAY).await;
    assert_eq!(world.claim("phone", "another").await, Ok(()));
    assert_ne!(epoch(&world, "another", "phone", "second").await, before);
}

pub async fn a_renewal_puts_off_the_end_of_the_record(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.pass(DAY / 2).await;
    world.renew("phone", "token", "next").await.unwrap();
    world.pass(just_before(DAY + DAY)).await;
    assert_eq!(world.claim("phone", "strange").await, Err(RequestTokenError::DeviceClaimed));
    world.pass(MOMENT).await;
    assert_eq!(world.claim("phone", "another").await, Ok(()));
}

pub async fn a_life_of_renewals_keeps_socket_and_epoch(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token 0").await.unwrap();
    let opened = world.open("token 0", "phone", "connection").await;
    for day in 0..4 {
        let (shown, next) = (format!("token {day}"), format!("token {}", day + 1));
        world.pass(just_before(DAY)).await;
        world.renew("phone", &shown, &next).await.unwrap();
    }
    world.ended(&[]);
    let later = world.open("token 4", "phone", "later").await;
    assert_eq!(later.epoch, opened.epoch);
}

pub async fn a_new_device_is_refused_when_all_places_are_taken(make: impl Make) {
    let world = small(make).await;
    assert_eq!(world.claim("watch", "strange").await, FULL);
    assert_eq!(world.test("watch", "strange").await, FULL);
    assert_eq!(world.issue("watch", "strange").await, FULL);
    assert!(world.check("strange").await.is_err());
}

pub async fn a_known_device_is_served_when_all_places_are_taken(make: impl Make) {
    let world = small(make).await;
    assert_eq!(world.renew("phone", "token", "next").await, Ok(()));
    assert_eq!(world.test("tablet", "more").await, Ok(()));
    assert_eq!(world.claim("tablet", "claim").await, Ok(()));
}

pub async fn a_revoked_claim_makes_room_for_another_device(make: impl Make) {
    let world = small(make).await;
    world.revoke("token").await;
    assert_eq!(world.claim("watch", "new").await, Ok(()));
    assert_eq!(world.claim("phone", "again").await, FULL);
}

pub async fn a_record_that_ended_makes_room_for_another_device(make: impl Make) {
    let world = small(make).await;
    world.pass(just_before(DAY + DAY)).await;
    assert_eq!(world.claim("watch", "new").await, FULL);
    world.pass(MOMENT).await;
    assert_eq!(world.claim("watch", "new").await, Ok(()));
}

pub async fn an_engine_is_ready(make: impl Make) {
    let world = World::new(make).await;
    assert_eq!(world.engine.ready().await, Ok(()));
}

pub async fn a_queued_message_puts_off_the_end_of_the_record(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.pass(DAY + DAY / 2).await;
    world.send("phone", "1").await.unwrap();
    world.pass(just_before(DAY)).await;
    assert!(world.device("phone").await.is_some());
    world.pass(MOMENT).await;
    assert_eq!(world.device("phone").await, None);
}
