//! Requests to send that are repeated under a key.

use engine::{Limits, SendError, Sent};

use crate::phones::{phone, phone_with};
use crate::world::{DAY, MOMENT, Make, World, just_before};

/// A phone whose two keys, `one` and `two`, were used half a day apart.
async fn phone_with_two_keys(make: impl Make) -> World {
    let settings = Limits { idempotency_keys: 2, ..Limits::default() };
    let world = phone_with(make, settings).await;
    world.send_once("phone", "1", "one").await.unwrap();
    world.pass(DAY / 2).await;
    world.send_once("phone", "2", "two").await.unwrap();
    world
}

async fn unacknowledged(world: &World) -> usize {
    world.device("phone").await.expect("there is a record").unacknowledged
}

pub async fn a_repeated_request_gets_the_first_answer(make: impl Make) {
    let world = phone(make).await;
    let first = world.send_once("phone", "1", "key").await;
    world.send("phone", "2").await.unwrap();
    assert_eq!(world.send_once("phone", "1", "key").await, first);
}

pub async fn a_repeated_request_sends_nothing(make: impl Make) {
    let world = phone(make).await;
    world.open("token", "phone", "connection").await;
    world.send_once("phone", "1", "key").await.unwrap();
    world.told_of_messages();
    world.send_once("phone", "1", "key").await.unwrap();
    assert_eq!(world.waiting("phone", "connection").await, [1]);
    assert!(world.told_of_messages().is_empty());
}

pub async fn a_request_without_a_key_is_never_repeated(make: impl Make) {
    let world = phone(make).await;
    assert_eq!(world.send("phone", "1").await.unwrap().seq, 1);
    assert_eq!(world.send("phone", "1").await.unwrap().seq, 2);
}

pub async fn a_repeated_request_is_told_what_was_so_at_first_of_the_socket(make: impl Make) {
    let world = phone(make).await;
    let first = world.send_once("phone", "1", "key").await;
    world.open("token", "phone", "connection").await;
    let while_connected = world.send_once("phone", "2", "another").await;
    assert_eq!(world.send_once("phone", "1", "key").await, first);
    world.close("phone", "connection").await;
    assert_eq!(world.send_once("phone", "2", "another").await, while_connected);
}

pub async fn a_repeated_request_is_told_of_the_acknowledgement(make: impl Make) {
    let world = phone(make).await;
    world.open("token", "phone", "connection").await;
    let first = world.send_once("phone", "1", "key").await.unwrap();
    world.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(
        world.send_once("phone", "1", "key").await,
        Ok(Sent { acknowledged: true, ..first })
    );
}

pub async fn another_body_under_a_used_key_is_refused(make: impl Make) {
    let world = phone(make).await;
    world.send_once("phone", "1", "key").await.unwrap();
    assert_eq!(world.send_once("phone", "2", "key").await, Err(SendError::KeyReused));
    assert_eq!(unacknowledged(&world).await, 1);
}

pub async fn a_refused_body_leaves_the_key_to_the_first(make: impl Make) {
    let world = phone(make).await;
    let first = world.send_once("phone", "1", "key").await;
    world.send_once("phone", "2", "key").await.unwrap_err();
    assert_eq!(world.send_once("phone", "1", "key").await, first);
}

pub async fn each_device_has_its_own_keys(make: impl Make) {
    let world = phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.send_once("phone", "1", "key").await.unwrap();
    assert_eq!(world.send_once("tablet", "2", "key").await.unwrap().seq, 1);
    assert_eq!(world.device("tablet").await.unwrap().unacknowledged, 1);
}

pub async fn a_key_is_remembered_for_a_day(make: impl Make) {
    let world = phone(make).await;
    let first = world.send_once("phone", "1", "key").await;
    world.pass(just_before(DAY)).await;
    assert_eq!(world.send_once("phone", "1", "key").await, first);
    world.pass(MOMENT).await;
    assert_eq!(world.send_once("phone", "1", "key").await.unwrap().seq, 2);
}

pub async fn a_repeated_request_is_not_remembered_longer(make: impl Make) {
    let world = phone(make).await;
    world.send_once("phone", "1", "key").await.unwrap();
    world.pass(DAY / 2).await;
    world.send_once("phone", "1", "key").await.unwrap();
    world.pass(DAY / 2).await;
    assert_eq!(world.send_once("phone", "1", "key").await.unwrap().seq, 2);
}

pub async fn a_new_record_knows_no_keys(make: impl Make) {
    let world = phone(make).await;
    let before = world.send_once("phone", "1", "key").await.unwrap();
    world.forget("phone").await;
    world.claim("phone", "next").await.unwrap();
    let after = world.send_once("phone", "2", "key").await.unwrap();
    assert_ne!(after.epoch, before.epoch);
}

pub async fn a_new_key_waits_for_the_first_to_be_forgotten(make: impl Make) {
    let world = phone_with_two_keys(make).await;
    let wait = DAY / 2;
    assert_eq!(world.send_once("phone", "3", "three").await, Err(SendError::KeysFull(wait)));
    world.pass(just_before(wait)).await;
    assert_eq!(world.send_once("phone", "3", "three").await, Err(SendError::KeysFull(MOMENT)));
    world.pass(MOMENT).await;
    assert!(world.send_once("phone", "3", "three").await.is_ok());
}

pub async fn a_request_that_finds_no_room_for_its_key_sends_nothing(make: impl Make) {
    let world = phone_with_two_keys(make).await;
    let before = unacknowledged(&world).await;
    world.send_once("phone", "3", "three").await.unwrap_err();
    assert_eq!(unacknowledged(&world).await, before);
}

pub async fn a_repeated_request_needs_no_room_for_its_key(make: impl Make) {
    let world = phone_with_two_keys(make).await;
    assert_eq!(world.send_once("phone", "2", "two").await.unwrap().seq, 2);
}

pub async fn a_request_without_a_key_needs_no_room_for_one(make: impl Make) {
    let world = phone_with_two_keys(make).await;
    assert!(world.send("phone", "3").await.is_ok());
}

/// A connected phone whose outbox has room for one message, with one under `key`.
async fn phone_with_full_outbox(make: impl Make) -> World {
    let settings = Limits { outbox_messages: 1, ..Limits::default() };
    let world = phone_with(make, settings).await;
    world.open("token", "phone", "connection").await;
    world.send_once("phone", "1", "key").await.unwrap();
    world
}

pub async fn a_repeated_request_needs_no_room_in_the_outbox(make: impl Make) {
    let world = phone_with_full_outbox(make).await;
    assert_eq!(world.send_once("phone", "1", "key").await.unwrap().seq, 1);
}

pub async fn a_request_that_found_the_outbox_full_may_come_again(make: impl Make) {
    let world = phone_with_full_outbox(make).await;
    let refused = world.send_once("phone", "2", "another").await;
    assert!(matches!(refused, Err(SendError::OutboxFull(_))), "{refused:?}");
    world.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(world.send_once("phone", "2", "another").await.unwrap().seq, 2);
}
