//! What the operator sends and the prospect acknowledges, and what the prospect says.

use std::time::Duration;

use engine::{Limits, Message, SendError, Sent, SocketError};

use crate::phones::{open_phone, open_phone_with, phone};
use crate::world::{DAY, MESSAGE, MOMENT, Make, World, just_before};

const SECOND: Duration = Duration::from_secs(1);
const STALE: SocketError = SocketError::Stale;

/// A connected phone with two messages, 1 and 2, which fill its outbox.
async fn full_phone(make: impl Make) -> World {
    let settings = Limits { outbox_messages: 2, ..Limits::default() };
    let world = open_phone_with(make, settings).await;
    world.send_for("phone", "1", 60 * SECOND).await.unwrap();
    world.send_for("phone", "2", 30 * SECOND).await.unwrap();
    world
}

/// A connected phone with two messages, 1 and 2, which fill its outbox's ten bytes.
async fn heavy_phone(make: impl Make) -> World {
    let settings = Limits { outbox_bytes: 10, ..Limits::default() };
    let world = open_phone_with(make, settings).await;
    world.send_for("phone", "1234", 60 * SECOND).await.unwrap();
    world.send_for("phone", "123456", 30 * SECOND).await.unwrap();
    world
}

/// Sends messages that say their own numbers.
async fn send_up_to(world: &World, newest: u64) {
    for number in 1..=newest {
        let sent = world.send("phone", &number.to_string()).await.unwrap();
        assert_eq!(sent.seq, number);
    }
}

// Sending.

pub async fn a_device_without_a_record_is_sent_nothing(make: impl Make) {
    let world = World::new(make).await;
    assert_eq!(world.send("phone", "1").await, Err(SendError::UnknownDevice));
}

pub async fn messages_are_numbered_from_one(make: impl Make) {
    let world = phone(make).await;
    for expected in 1..=3 {
        assert_eq!(world.send("phone", "0").await.unwrap().seq, expected);
    }
}

pub async fn each_device_has_its_own_numbers(make: impl Make) {
    let world = phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.send("phone", "0").await.unwrap();
    assert_eq!(world.send("tablet", "0").await.unwrap().seq, 1);
}

pub async fn a_message_has_the_epoch_that_the_socket_is_told(make: impl Make) {
    let world = phone(make).await;
    let epoch = world.open("token", "phone", "connection").await.epoch;
    assert_eq!(world.send("phone", "0").await.unwrap().epoch, epoch);
}

pub async fn a_new_record_numbers_from_one_in_a_new_epoch(make: impl Make) {
    let world = phone(make).await;
    let before = world.send("phone", "0").await.unwrap();
    world.forget("phone").await;
    world.claim("phone", "next").await.unwrap();
    let after = world.send("phone", "0").await.unwrap();
    assert_eq!(after.seq, 1);
    assert_ne!(after.epoch, before.epoch);
}

pub async fn a_renewal_keeps_numbers_and_what_waits(make: impl Make) {
    let world = phone(make).await;
    world.send("phone", "0").await.unwrap();
    world.renew("phone", "token", "next").await.unwrap();
    assert_eq!(world.send("phone", "0").await.unwrap().seq, 2);
    world.open("next", "phone", "connection").await;
    assert_eq!(world.waiting("phone", "connection").await, [1, 2]);
}

pub async fn sending_tells_that_a_device_is_connected(make: impl Make) {
    let world = open_phone(make).await;
    let sent = world.send("phone", "0").await.unwrap();
    assert_eq!((sent.connected, sent.acknowledged), (true, false));
}

pub async fn sending_tells_that_a_device_was_never_connected(make: impl Make) {
    let world = phone(make).await;
    assert!(!world.send("phone", "0").await.unwrap().connected);
}

pub async fn sending_tells_that_a_device_is_gone(make: impl Make) {
    let world = open_phone(make).await;
    world.close("phone", "connection").await;
    assert!(!world.send("phone", "0").await.unwrap().connected);
}

pub async fn the_socket_is_told_of_a_message(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "0").await.unwrap();
    assert_eq!(world.told_of_messages(), ["connection"]);
}

pub async fn the_newer_socket_is_told_of_a_message(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    world.send("phone", "0").await.unwrap();
    assert_eq!(world.told_of_messages(), ["newer"]);
}

pub async fn no_socket_is_told_of_another_devices_message(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.send("tablet", "0").await.unwrap();
    assert!(world.told_of_messages().is_empty());
}

pub async fn no_socket_is_told_of_a_refused_message(make: impl Make) {
    let world = full_phone(make).await;
    world.told_of_messages();
    world.send("phone", "3").await.unwrap_err();
    assert!(world.told_of_messages().is_empty());
}

// The outbox.

pub async fn an_empty_outbox_gives_nothing(make: impl Make) {
    let world = open_phone(make).await;
    assert!(world.waiting("phone", "connection").await.is_empty());
}

pub async fn messages_wait_in_their_order_byte_for_byte(make: impl Make) {
    let world = open_phone(make).await;
    let said = [r#"{ "b" : 1.0e2, "a":"\u00e9/é" }"#, "null", r#""""#];
    for data in said {
        world.send("phone", data).await.unwrap();
    }
    let expected: Vec<_> =
        (1..).zip(said).map(|(seq, data)| Message { seq, data: data.into() }).collect();
    assert_eq!(world.outbox("phone", "connection", 0, usize::MAX).await, Ok(expected));
}

pub async fn a_device_gets_its_own_messages_alone(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.send("tablet", "0").await.unwrap();
    assert!(world.waiting("phone", "connection").await.is_empty());
}

pub async fn what_was_sent_before_the_socket_opened_waits(make: impl Make) {
    let world = phone(make).await;
    send_up_to(&world, 2).await;
    world.open("token", "phone", "connection").await;
    assert_eq!(world.waiting("phone", "connection").await, [1, 2]);
}

pub async fn what_was_read_still_waits(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 2).await;
    assert_eq!(world.waiting("phone", "connection").await, [1, 2]);
    assert_eq!(world.waiting("phone", "connection").await, [1, 2]);
}

pub async fn a_newer_socket_gets_all_that_is_unacknowledged(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 3).await;
    world.waiting("phone", "connection").await;
    world.acknowledge("phone", "connection", 1).await.unwrap();
    world.open("token", "phone", "newer").await;
    assert_eq!(world.waiting("phone", "newer").await, [2, 3]);
}

pub async fn only_what_comes_after_a_number_is_read(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 4).await;
    assert_eq!(world.batch("phone", "connection", 2, usize::MAX).await, [3, 4]);
    assert!(world.batch("phone", "connection", 4, usize::MAX).await.is_empty());
    assert!(world.batch("phone", "connection", u64::MAX, usize::MAX).await.is_empty());
}

pub async fn a_batch_has_at_most_its_bytes(make: impl Make) {
    let world = open_phone(make).await;
    for _ in 0..4 {
        world.send("phone", "12345").await.unwrap();
    }
    assert_eq!(world.batch("phone", "connection", 0, 14).await, [1, 2]);
    assert_eq!(world.batch("phone", "connection", 0, 15).await, [1, 2, 3]);
    assert_eq!(world.batch("phone", "connection", 2, 10).await, [3, 4]);
}

pub async fn a_batch_has_one_message_however_large(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "12345").await.unwrap();
    world.send("phone", "1").await.unwrap();
    assert_eq!(world.batch("phone", "connection", 0, 1).await, [1]);
    assert_eq!(world.batch("phone", "connection", 0, 0).await, [1]);
}

pub async fn a_batch_does_not_pass_over_a_large_message(make: impl Make) {
    let world = open_phone(make).await;
    for data in ["1", "12345", "1"] {
        world.send("phone", data).await.unwrap();
    }
    assert_eq!(world.batch("phone", "connection", 0, 3).await, [1]);
}

// Acknowledging.

pub async fn acknowledging_takes_out_all_up_to_the_number(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 4).await;
    assert_eq!(world.acknowledge("phone", "connection", 3).await, Ok(()));
    assert_eq!(world.waiting("phone", "connection").await, [4]);
}

pub async fn acknowledging_less_than_before_changes_nothing(make: impl Make) {
    let world = open_phone(make).await;
    let epoch = world.send("phone", "1").await.unwrap().epoch;
    world.send("phone", "2").await.unwrap();
    world.acknowledge("phone", "connection", 2).await.unwrap();
    assert_eq!(world.acknowledge("phone", "connection", 1).await, Ok(()));
    assert!(world.is_acknowledged("phone", &epoch, 2).await);
}

pub async fn what_was_never_sent_is_not_acknowledged_ahead(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 1).await;
    world.acknowledge("phone", "connection", 99).await.unwrap();
    let sent = world.send("phone", "2").await.unwrap();
    assert_eq!(sent.seq, 2);
    assert!(!world.is_acknowledged("phone", &sent.epoch, 2).await);
    assert_eq!(world.waiting("phone", "connection").await, [2]);
}

pub async fn acknowledging_leaves_other_devices_alone(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.open("other", "tablet", "another").await;
    let sent = world.send("tablet", "1").await.unwrap();
    send_up_to(&world, 1).await;
    world.acknowledge("phone", "connection", 1).await.unwrap();
    assert!(!world.is_acknowledged("tablet", &sent.epoch, 1).await);
    assert_eq!(world.waiting("tablet", "another").await, [1]);
}

pub async fn the_sender_is_told_of_an_acknowledgement(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 1).await;
    assert!(world.told_of_acknowledgements().is_empty());
    world.acknowledge("phone", "connection", 1).await.unwrap();
    assert_eq!(world.told_of_acknowledgements(), ["phone"]);
}

pub async fn a_message_is_acknowledged_up_to_the_number(make: impl Make) {
    let world = open_phone(make).await;
    let epoch = world.send("phone", "1").await.unwrap().epoch;
    world.send("phone", "2").await.unwrap();
    world.send("phone", "3").await.unwrap();
    assert!(!world.is_acknowledged("phone", &epoch, 1).await);
    world.acknowledge("phone", "connection", 2).await.unwrap();
    assert!(world.is_acknowledged("phone", &epoch, 1).await);
    assert!(world.is_acknowledged("phone", &epoch, 2).await);
    assert!(!world.is_acknowledged("phone", &epoch, 3).await);
}

pub async fn a_message_of_another_epoch_is_not_acknowledged(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 1).await;
    world.acknowledge("phone", "connection", 1).await.unwrap();
    assert!(!world.is_acknowledged("phone", "another", 1).await);
}

pub async fn a_message_to_a_device_that_was_forgotten_is_not_acknowledged(make: impl Make) {
    let world = open_phone(make).await;
    let epoch = world.send("phone", "1").await.unwrap().epoch;
    world.acknowledge("phone", "connection", 1).await.unwrap();
    world.forget("phone").await;
    assert!(!world.is_acknowledged("phone", &epoch, 1).await);
    world.claim("phone", "next").await.unwrap();
    assert!(!world.is_acknowledged("phone", &epoch, 1).await);
}

pub async fn acknowledgement_outlives_the_socket(make: impl Make) {
    let world = open_phone(make).await;
    let epoch = world.send("phone", "1").await.unwrap().epoch;
    world.acknowledge("phone", "connection", 1).await.unwrap();
    world.close("phone", "connection").await;
    assert!(world.is_acknowledged("phone", &epoch, 1).await);
}

// Room.

pub async fn an_outbox_full_of_messages_refuses_until_the_first_ends(make: impl Make) {
    let world = full_phone(make).await;
    assert_eq!(world.send("phone", "3").await, Err(SendError::OutboxFull(30 * SECOND)));
    world.pass(10 * SECOND).await;
    assert_eq!(world.send("phone", "3").await, Err(SendError::OutboxFull(20 * SECOND)));
    world.pass(20 * SECOND).await;
    assert!(world.send("phone", "3").await.is_ok());
}

pub async fn an_outbox_full_of_bytes_refuses_until_the_first_ends(make: impl Make) {
    let world = heavy_phone(make).await;
    assert_eq!(world.send("phone", "1").await, Err(SendError::OutboxFull(30 * SECOND)));
    world.pass(30 * SECOND).await;
    assert!(world.send("phone", "123456").await.is_ok());
}

pub async fn an_outbox_takes_messages_up_to_its_last_byte(make: impl Make) {
    let world = heavy_phone(make).await;
    world.acknowledge("phone", "connection", 1).await.unwrap();
    let refused = world.send("phone", "12345").await;
    assert!(matches!(refused, Err(SendError::OutboxFull(_))), "{refused:?}");
    assert!(world.send("phone", "1234").await.is_ok());
}

pub async fn a_refused_message_takes_no_number(make: impl Make) {
    let world = full_phone(make).await;
    world.send("phone", "refused").await.unwrap_err();
    world.acknowledge("phone", "connection", 2).await.unwrap();
    assert_eq!(world.send("phone", "3").await.unwrap().seq, 3);
    assert_eq!(world.waiting("phone", "connection").await, [3]);
}

pub async fn acknowledging_makes_room_for_messages(make: impl Make) {
    let world = full_phone(make).await;
    world.acknowledge("phone", "connection", 1).await.unwrap();
    assert!(world.send("phone", "3").await.is_ok());
    assert!(world.send("phone", "4").await.is_err());
}

pub async fn acknowledging_makes_room_for_bytes(make: impl Make) {
    let world = heavy_phone(make).await;
    world.acknowledge("phone", "connection", 2).await.unwrap();
    assert!(world.send("phone", "1234567890").await.is_ok());
}

pub async fn each_device_has_its_own_outbox(make: impl Make) {
    let world = full_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    assert!(world.send("tablet", "1").await.is_ok());
}

// A message's time.

pub async fn a_message_waits_until_its_time_is_over(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "1").await.unwrap();
    world.pass(just_before(MESSAGE)).await;
    assert_eq!(world.waiting("phone", "connection").await, [1]);
    world.happened(&[]).await;
    world.pass(MOMENT).await;
    assert!(world.waiting("phone", "connection").await.is_empty());
    world.happened(&["phone expired 1"]).await;
}

pub async fn a_message_in_the_middle_expires_by_itself(make: impl Make) {
    let world = open_phone(make).await;
    world.send_for("phone", "1", 20 * SECOND).await.unwrap();
    world.send_for("phone", "2", 10 * SECOND).await.unwrap();
    world.send_for("phone", "3", 20 * SECOND).await.unwrap();
    world.pass(10 * SECOND).await;
    world.happened(&["phone expired 2"]).await;
    assert_eq!(world.waiting("phone", "connection").await, [1, 3]);
}

pub async fn messages_expire_in_the_order_of_their_deadlines(make: impl Make) {
    let world = open_phone(make).await;
    world.send_for("phone", "1", 20 * SECOND).await.unwrap();
    world.send_for("phone", "2", 10 * SECOND).await.unwrap();
    world.send_for("phone", "3", 10 * SECOND).await.unwrap();
    world.pass(30 * SECOND).await;
    world.happened(&["phone expired 2", "phone expired 3", "phone expired 1"]).await;
}

pub async fn a_message_expires_once(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "1").await.unwrap();
    world.pass(MESSAGE).await;
    world.news().await;
    world.pass(MESSAGE).await;
    world.forget("phone").await;
    world.happened(&["phone disconnected connection Revoked"]).await;
}

pub async fn a_message_expires_without_a_socket(make: impl Make) {
    let world = phone(make).await;
    world.send("phone", "1").await.unwrap();
    world.pass(MESSAGE).await;
    world.happened(&["phone expired 1"]).await;
}

pub async fn a_message_that_was_read_expires_as_well(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "1").await.unwrap();
    world.waiting("phone", "connection").await;
    world.pass(MESSAGE).await;
    world.happened(&["phone expired 1"]).await;
}

pub async fn an_acknowledged_message_does_not_expire(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "1").await.unwrap();
    world.acknowledge("phone", "connection", 1).await.unwrap();
    world.pass(MESSAGE).await;
    world.happened(&[]).await;
}

pub async fn a_message_that_expires_in_the_middle_makes_room(make: impl Make) {
    let world = heavy_phone(make).await;
    world.pass(30 * SECOND).await;
    assert!(world.send("phone", "1234567").await.is_err());
    assert!(world.send("phone", "123456").await.is_ok());
}

pub async fn an_expired_number_is_not_given_again(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "1").await.unwrap();
    world.pass(MESSAGE).await;
    assert_eq!(world.send("phone", "2").await.unwrap().seq, 2);
}

pub async fn a_message_of_a_record_that_ended_leaves_the_next_alone(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "before").await.unwrap();
    world.forget("phone").await;
    world.claim("phone", "next").await.unwrap();
    world.send_for("phone", "after", 2 * MESSAGE).await.unwrap();
    world.news().await;
    world.pass(MESSAGE).await;
    world.happened(&[]).await;
    world.open("next", "phone", "newer").await;
    assert_eq!(world.waiting("phone", "newer").await, [1]);
}

pub async fn what_was_acknowledged_in_a_record_that_ended_leaves_the_next_alone(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "before").await.unwrap();
    world.acknowledge("phone", "connection", 1).await.unwrap();
    world.forget("phone").await;
    world.claim("phone", "next").await.unwrap();
    world.send_for("phone", "after", 2 * MESSAGE).await.unwrap();
    world.news().await;
    world.pass(MESSAGE).await;
    world.happened(&[]).await;
}

// A stale connection.

/// Whether a connection is refused whatever it does, and nothing comes of it.
async fn stale(world: &World, device: &str, name: &str) {
    world.told_of_acknowledgements();
    let before = world.device(device).await;
    world.news().await;
    assert_eq!(world.outbox(device, name, 0, usize::MAX).await, Err(STALE));
    assert_eq!(world.acknowledge(device, name, 1).await, Err(STALE));
    assert_eq!(world.accept(device, name, "id", "1").await, Err(STALE));
    assert_eq!(world.device(device).await, before);
    assert!(world.told_of_acknowledgements().is_empty());
    world.happened(&[]).await;
}

pub async fn a_superseded_connection_is_stale(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 1).await;
    world.open("token", "phone", "newer").await;
    stale(&world, "phone", "connection").await;
    assert_eq!(world.waiting("phone", "newer").await, [1]);
}

pub async fn a_closed_connection_is_stale(make: impl Make) {
    let world = open_phone(make).await;
    send_up_to(&world, 1).await;
    world.close("phone", "connection").await;
    stale(&world, "phone", "connection").await;
}

pub async fn a_revoked_connection_is_stale(make: impl Make) {
    let world = open_phone(make).await;
    world.revoke("token").await;
    stale(&world, "phone", "connection").await;
}

pub async fn a_connection_of_a_forgotten_record_is_stale_in_the_next(make: impl Make) {
    let world = open_phone(make).await;
    world.forget("phone").await;
    world.claim("phone", "next").await.unwrap();
    world.open("next", "phone", "newer").await;
    send_up_to(&world, 1).await;
    stale(&world, "phone", "connection").await;
}

pub async fn a_connection_whose_token_ended_is_stale(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY).await;
    stale(&world, "phone", "connection").await;
}

pub async fn another_devices_connection_is_stale(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.open("other", "tablet", "another").await;
    send_up_to(&world, 1).await;
    stale(&world, "phone", "another").await;
}

pub async fn a_connection_of_no_device_is_stale(make: impl Make) {
    let world = open_phone(make).await;
    stale(&world, "nobody", "connection").await;
}

// What the prospect says.

pub async fn an_accepted_message_is_in_the_event_stream(make: impl Make) {
    let world = open_phone(make).await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
    world.happened(&["phone message connection a 1"]).await;
}

pub async fn accepted_messages_keep_their_order(make: impl Make) {
    let world = open_phone(make).await;
    for id in ["c", "a", "b"] {
        world.accept("phone", "connection", id, "1").await.unwrap();
    }
    world
        .happened(&[
            "phone message connection c 1",
            "phone message connection a 1",
            "phone message connection b 1",
        ])
        .await;
}

pub async fn an_id_is_accepted_once(make: impl Make) {
    let world = open_phone(make).await;
    world.accept("phone", "connection", "a", "1").await.unwrap();
    assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
    world.happened(&["phone message connection a 1"]).await;
}

pub async fn an_id_is_accepted_once_over_a_reconnect(make: impl Make) {
    let world = open_phone(make).await;
    world.accept("phone", "connection", "a", "1").await.unwrap();
    world.open("token", "phone", "newer").await;
    world.news().await;
    assert_eq!(world.accept("phone", "newer", "a", "1").await, Ok(()));
    world.happened(&[]).await;
}

pub async fn an_id_is_accepted_once_after_its_event_was_released(make: impl Make) {
    let world = open_phone(make).await;
    world.accept("phone", "connection", "a", "1").await.unwrap();
    world.news().await;
    world.release_all().await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
    world.happened(&[]).await;
}

pub async fn each_device_has_its_own_ids(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.open("other", "tablet", "another").await;
    world.news().await;
    world.accept("phone", "connection", "a", "1").await.unwrap();
    world.accept("tablet", "another", "a", "1").await.unwrap();
    world.happened(&["phone message connection a 1", "tablet message another a 1"]).await;
}

pub async fn a_new_record_knows_no_ids(make: impl Make) {
    let world = open_phone(make).await;
    world.accept("phone", "connection", "a", "1").await.unwrap();
    world.forget("phone").await;
    world.claim("phone", "next").await.unwrap();
    world.open("next", "phone", "newer").await;
    world.news().await;
    world.accept("phone", "newer", "a", "1").await.unwrap();
    world.happened(&["phone message newer a 1"]).await;
}

/// Has the phone say so many messages, by the ids 1, 2, 3 and so on.
async fn say(world: &World, messages: usize) {
    for id in 1..=messages {
        world.accept("phone", "connection", &id.to_string(), "1").await.unwrap();
    }
    world.news().await;
}

pub async fn the_last_256_ids_are_remembered(make: impl Make) {
    let world = open_phone(make).await;
    say(&world, 257).await;
    for id in 2..=257 {
        world.accept("phone", "connection", &id.to_string(), "1").await.unwrap();
    }
    world.happened(&[]).await;
}

pub async fn the_257th_last_id_is_forgotten(make: impl Make) {
    let world = open_phone(make).await;
    say(&world, 257).await;
    world.accept("phone", "connection", "1", "1").await.unwrap();
    world.happened(&["phone message connection 1 1"]).await;
}

pub async fn an_id_that_comes_again_is_not_remembered_longer(make: impl Make) {
    let world = open_phone(make).await;
    say(&world, 256).await;
    world.accept("phone", "connection", "1", "1").await.unwrap();
    world.accept("phone", "connection", "257", "1").await.unwrap();
    world.accept("phone", "connection", "1", "1").await.unwrap();
    world.happened(&["phone message connection 257 1", "phone message connection 1 1"]).await;
}

pub async fn what_the_prospect_says_leaves_its_outbox_alone(make: impl Make) {
    let world = open_phone(make).await;
    let Sent { epoch, .. } = world.send("phone", "1").await.unwrap();
    world.accept("phone", "connection", "a", "1").await.unwrap();
    assert_eq!(world.waiting("phone", "connection").await, [1]);
    assert!(!world.is_acknowledged("phone", &epoch, 1).await);
}
