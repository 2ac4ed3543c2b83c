//! The event stream: what is written down, how it is read, and when it is let go.

use std::{sync::Arc, time::Duration};

use engine::{DisconnectCause, Event, EventData, Limits, Millis, RedeemError, SocketError, millis};

use crate::phones::{open_phone, open_phone_with, phone};
use crate::world::{DAY, MESSAGE, MOMENT, Make, World, connection, just_before};

const MINUTE: Duration = Duration::from_mins(1);
const FULL: Result<(), SocketError> = Err(SocketError::EventsFull);

/// An open phone that has said four things: the events 1 to 5.
async fn talkative_phone(make: impl Make) -> World {
    let world = open_phone(make).await;
    for id in ["a", "b", "c", "d"] {
        world.accept("phone", "connection", id, "1").await.unwrap();
    }
    world
}

/// When every test begins.
const START: Millis = 1_700_000_000_000;

/// The one event since the last.
async fn newest(world: &World) -> Event {
    let news = world.news().await;
    let [event] = news.as_slice() else { panic!("one event: {news:?}") };
    event.clone()
}

/// An event of the phone's first socket.
fn of_the_phone(n: u64, at: Millis, data: EventData) -> Event {
    Event { n, device: "phone".into(), connection: Some(connection("connection")), at, data }
}

/// An event of the phone about a message that expired.
fn expired(n: u64, at: Millis, epoch: Arc<str>) -> Event {
    let data = EventData::Expired { epoch, seq: 1 };
    Event { n, device: "phone".into(), connection: None, at, data }
}

async fn numbers(world: &World, from: u64, limit: usize) -> Vec<u64> {
    world.events(from, limit).await.events.iter().map(|event| event.n).collect()
}

/// The first event that is kept and the next to come.
async fn ends(world: &World) -> (u64, u64) {
    let events = world.events(0, 0).await;
    (events.oldest, events.next)
}

// What an event says.

pub async fn a_connected_event_says_who_and_when(make: impl Make) {
    let world = phone(make).await;
    world.pass(MOMENT).await;
    world.open("token", "phone", "connection").await;
    let data = EventData::Connected { linkinjected: None };
    assert_eq!(newest(&world).await, of_the_phone(1, START + 1, data));
}

pub async fn a_connected_event_hands_over_linkinjected(make: impl Make + Copy) {
    for link in [r#"a/"b"é"#, "", "="] {
        let world = phone(make).await;
        world.authorise_linked("token", "phone", "half", Some(link)).await.unwrap();
        world.redeem("half", "connection").await.unwrap();
        let data = EventData::Connected { linkinjected: Some(link.into()) };
        assert_eq!(newest(&world).await, of_the_phone(1, START, data));
    }
}

pub async fn a_message_event_has_its_data_byte_for_byte(make: impl Make) {
    let world = open_phone(make).await;
    let said = r#"{ "b" : [1.0e2, -0], "a":"\u00e9/é" }"#;
    world.accept("phone", "connection", r#"a-"1"#, said).await.unwrap();
    let data = EventData::Message { id: r#"a-"1"#.into(), data: said.into() };
    assert_eq!(newest(&world).await, of_the_phone(2, START, data));
}

pub async fn a_message_event_has_data_that_is_null(make: impl Make) {
    let world = open_phone(make).await;
    world.accept("phone", "connection", "a", "null").await.unwrap();
    let data = EventData::Message { id: "a".into(), data: "null".into() };
    assert_eq!(newest(&world).await, of_the_phone(2, START, data));
}

pub async fn a_disconnected_event_has_the_code(make: impl Make) {
    let world = open_phone(make).await;
    world.close_with("phone", "connection", Some(1001)).await;
    let data = EventData::Disconnected { cause: Some(DisconnectCause::Gateway(1001)) };
    assert_eq!(newest(&world).await, of_the_phone(2, START, data));
}

pub async fn a_disconnected_event_has_no_code_where_there_was_none(make: impl Make) {
    let world = open_phone(make).await;
    world.close_with("phone", "connection", None).await;
    let data = EventData::Disconnected { cause: None };
    assert_eq!(newest(&world).await, of_the_phone(2, START, data));
}

pub async fn an_expired_event_has_epoch_and_number(make: impl Make) {
    let world = open_phone(make).await;
    let epoch = world.send("phone", "1").await.unwrap().epoch;
    world.pass(MESSAGE).await;
    assert_eq!(newest(&world).await, expired(2, START + millis(MESSAGE), epoch));
}

// What is written down.

pub async fn a_newer_socket_comes_after_the_end_of_the_older(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    world.happened(&["phone disconnected connection Superseded", "phone connected newer"]).await;
}

pub async fn a_close_is_written_once(make: impl Make) {
    let world = open_phone(make).await;
    world.close_with("phone", "connection", Some(1000)).await;
    world.close_with("phone", "connection", Some(1001)).await;
    world.happened(&["phone disconnected connection 1000"]).await;
}

pub async fn the_close_of_a_superseded_connection_is_not_written_again(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    world.news().await;
    world.close_with("phone", "connection", Some(4004)).await;
    world.happened(&[]).await;
}

pub async fn a_close_under_another_devices_name_is_not_written(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.close_with("tablet", "connection", Some(1000)).await;
    world.happened(&[]).await;
}

pub async fn a_revoked_token_disconnects_as_revoked(make: impl Make) {
    let world = open_phone(make).await;
    world.revoke("token").await;
    world.happened(&["phone disconnected connection Revoked"]).await;
}

pub async fn a_revoked_test_token_disconnects_as_revoked(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.open("one", "phone", "connection").await;
    world.news().await;
    world.revoke("one").await;
    world.happened(&["phone disconnected connection Revoked"]).await;
}

pub async fn a_claim_over_a_test_token_disconnects_as_revoked(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "trying out").await.unwrap();
    world.open("trying out", "phone", "connection").await;
    world.news().await;
    world.claim("phone", "token").await.unwrap();
    world.happened(&["phone disconnected connection Revoked"]).await;
}

pub async fn the_end_of_the_token_disconnects_as_expired(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY).await;
    world.happened(&["phone disconnected connection TokenExpired"]).await;
}

pub async fn a_renewal_is_not_written(make: impl Make) {
    let world = open_phone(make).await;
    world.renew("phone", "token", "next").await.unwrap();
    world.happened(&[]).await;
}

pub async fn a_record_that_ends_expires_what_is_undelivered(make: impl Make) {
    let world = open_phone(make).await;
    for data in ["1", "2", "3"] {
        world.send("phone", data).await.unwrap();
    }
    world.acknowledge("phone", "connection", 1).await.unwrap();
    world.revoke("token").await;
    world
        .happened(&["phone disconnected connection Revoked", "phone expired 2", "phone expired 3"])
        .await;
}

pub async fn a_record_that_ends_by_itself_expires_what_is_undelivered(make: impl Make) {
    let world = phone(make).await;
    world.send_for("phone", "1", 3 * DAY).await.unwrap();
    world.pass(just_before(DAY + DAY)).await;
    world.happened(&[]).await;
    world.pass(MOMENT).await;
    world.happened(&["phone expired 1"]).await;
}

pub async fn what_expires_with_its_record_has_the_epoch_it_was_sent_in(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "trying out").await.unwrap();
    let epoch = world.send("phone", "1").await.unwrap().epoch;
    world.claim("phone", "token").await.unwrap();
    assert_eq!(newest(&world).await, expired(1, START, epoch));
}

pub async fn the_readers_are_told_of_all_that_happens(make: impl Make) {
    let world = phone(make).await;
    assert!(!world.told_of_events());
    world.open("token", "phone", "connection").await;
    assert!(world.told_of_events());
    world.accept("phone", "connection", "a", "1").await.unwrap();
    assert!(world.told_of_events());
    world.send("phone", "1").await.unwrap();
    assert!(!world.told_of_events());
    world.pass(MESSAGE).await;
    assert!(world.told_of_events());
    world.close("phone", "connection").await;
    assert!(world.told_of_events());
}

// Reading.

pub async fn a_stream_keeps_its_name(make: impl Make) {
    let world = phone(make).await;
    let name = world.engine.stream().await.unwrap();
    world.open("token", "phone", "connection").await;
    world.release_all().await;
    assert_eq!(world.engine.stream().await, Ok(name));
}

pub async fn two_streams_have_two_names(make: impl Make + Copy) {
    let (one, other) = (World::new(make).await, World::new(make).await);
    assert_ne!(one.engine.stream().await, other.engine.stream().await);
}

pub async fn the_first_event_to_come_is_number_one(make: impl Make) {
    let world = phone(make).await;
    assert_eq!(ends(&world).await, (1, 1));
    assert!(numbers(&world, 0, 10).await.is_empty());
}

pub async fn events_are_numbered_by_one_over_all_devices(make: impl Make) {
    let world = phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.open("token", "phone", "connection").await;
    world.open("other", "tablet", "another").await;
    world.accept("phone", "connection", "a", "1").await.unwrap();
    world.forget("tablet").await;
    assert_eq!(numbers(&world, 0, 10).await, [1, 2, 3, 4]);
    assert_eq!(ends(&world).await, (1, 5));
}

pub async fn events_are_read_from_a_number_on(make: impl Make) {
    let world = talkative_phone(make).await;
    assert_eq!(numbers(&world, 3, 10).await, [3, 4, 5]);
    assert_eq!(numbers(&world, 5, 10).await, [5]);
}

pub async fn events_are_read_up_to_a_limit(make: impl Make) {
    let world = talkative_phone(make).await;
    assert_eq!(numbers(&world, 2, 2).await, [2, 3]);
    assert!(numbers(&world, 2, 0).await.is_empty());
}

pub async fn events_that_are_still_to_come_are_not_read(make: impl Make) {
    let world = talkative_phone(make).await;
    assert!(numbers(&world, 6, 10).await.is_empty());
    assert!(numbers(&world, u64::MAX, 10).await.is_empty());
}

pub async fn reading_takes_nothing_away(make: impl Make) {
    let world = talkative_phone(make).await;
    assert_eq!(world.events(0, 10).await, world.events(0, 10).await);
}

// Letting go.

pub async fn released_events_are_gone(make: impl Make) {
    let world = talkative_phone(make).await;
    world.release(2).await;
    assert_eq!(ends(&world).await, (3, 6));
    assert_eq!(numbers(&world, 0, 10).await, [3, 4, 5]);
    assert_eq!(numbers(&world, 4, 10).await, [4, 5]);
}

pub async fn releasing_less_than_before_is_no_error(make: impl Make) {
    let world = talkative_phone(make).await;
    world.release(3).await;
    world.release(3).await;
    world.release(1).await;
    world.release(0).await;
    assert_eq!(ends(&world).await, (4, 6));
}

pub async fn releasing_all_keeps_the_next_number(make: impl Make) {
    let world = talkative_phone(make).await;
    world.release(5).await;
    assert_eq!(ends(&world).await, (6, 6));
    world.accept("phone", "connection", "e", "1").await.unwrap();
    assert_eq!(numbers(&world, 0, 10).await, [6]);
}

pub async fn what_is_still_to_come_is_not_released(make: impl Make) {
    let world = talkative_phone(make).await;
    world.release(100).await;
    assert_eq!(ends(&world).await, (6, 6));
    world.accept("phone", "connection", "e", "1").await.unwrap();
    assert_eq!(numbers(&world, 0, 10).await, [6]);
}

pub async fn an_event_is_kept_for_a_day(make: impl Make) {
    let world = phone(make).await;
    world.open("token", "phone", "connection").await;
    world.pass(DAY / 3).await;
    world.close("phone", "connection").await;
    world.pass(just_before(DAY / 3 * 2)).await;
    assert_eq!(numbers(&world, 0, 10).await, [1, 2]);
    world.pass(MOMENT).await;
    assert_eq!(numbers(&world, 0, 10).await, [2]);
    assert_eq!(ends(&world).await, (2, 3));
    world.pass(DAY / 3).await;
    assert_eq!(ends(&world).await, (3, 3));
}

// Room.

/// A stream that one event fills.
fn tiny() -> Limits {
    Limits { event_bytes: 1, event_ttl: MINUTE, ..Limits::default() }
}

/// A stream that one event fills for its device.
fn tiny_per_device() -> Limits {
    Limits { event_bytes_per_device: 1, ..Limits::default() }
}

pub async fn a_full_stream_accepts_no_message(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, FULL);
    world.happened(&[]).await;
}

pub async fn a_stream_is_full_at_its_last_byte(make: impl Make + Copy) {
    let world = open_phone(make).await;
    let bytes: usize = world.events(0, 10).await.events.iter().map(Event::size).sum();
    let full = |event_bytes| Limits { event_bytes, ..Limits::default() };
    let of_one = |event_bytes_per_device| Limits { event_bytes_per_device, ..Limits::default() };
    for limits in [full(bytes), of_one(bytes)] {
        let world = open_phone_with(make, limits).await;
        assert_eq!(world.accept("phone", "connection", "a", "1").await, FULL);
    }
    for limits in [full(bytes + 1), of_one(bytes + 1)] {
        let world = open_phone_with(make, limits).await;
        assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
    }
}

pub async fn a_message_that_found_the_stream_full_may_come_again(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    world.accept("phone", "connection", "a", "1").await.unwrap_err();
    world.release_all().await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
    world.happened(&["phone message connection a 1"]).await;
}

pub async fn a_message_that_was_accepted_is_so_in_a_full_stream(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    world.release_all().await;
    world.accept("phone", "connection", "a", "1").await.unwrap();
    assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
}

pub async fn a_full_stream_opens_no_socket(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    world.authorise("token", "phone", "half").await.unwrap();
    assert_eq!(world.redeem("half", "newer").await, Err(RedeemError::EventsFull));
    world.happened(&[]).await;
}

pub async fn a_half_ref_that_found_the_stream_full_is_not_spent(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.redeem("half", "newer").await.unwrap_err();
    world.release_all().await;
    assert!(world.redeem("half", "newer").await.is_ok());
}

pub async fn a_socket_that_does_not_open_leaves_the_older_one(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.redeem("half", "newer").await.unwrap_err();
    world.ended(&[]);
    assert!(world.outbox("phone", "connection", 0, 1).await.is_ok());
}

pub async fn a_dead_half_ref_is_told_so_in_a_full_stream(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    let refused = world.redeem("half ref of connection", "newer").await;
    assert_eq!(refused, Err(RedeemError::Spent));
}

pub async fn what_ends_is_written_to_a_full_stream(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    world.send("phone", "1").await.unwrap();
    world.forget("phone").await;
    world.happened(&["phone disconnected connection Revoked", "phone expired 1"]).await;
}

pub async fn an_event_that_is_too_old_makes_room(make: impl Make) {
    let world = open_phone_with(make, tiny()).await;
    world.pass(just_before(MINUTE)).await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, FULL);
    world.pass(MOMENT).await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
}

pub async fn a_stream_full_of_one_device_refuses_it(make: impl Make) {
    let world = open_phone_with(make, tiny_per_device()).await;
    world.authorise("token", "phone", "half").await.unwrap();
    assert_eq!(world.accept("phone", "connection", "a", "1").await, FULL);
    assert_eq!(world.redeem("half", "newer").await, Err(RedeemError::EventsFull));
}

pub async fn a_stream_full_of_one_device_serves_another(make: impl Make) {
    let world = open_phone_with(make, tiny_per_device()).await;
    world.claim("tablet", "other").await.unwrap();
    world.open("other", "tablet", "another").await;
    world.happened(&["tablet connected another"]).await;
}

pub async fn releasing_a_devices_events_makes_room_for_it(make: impl Make) {
    let world = open_phone_with(make, tiny_per_device()).await;
    world.release_all().await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, Ok(()));
}

pub async fn releasing_another_devices_events_makes_no_room(make: impl Make) {
    let world = World::with(make, tiny_per_device()).await;
    world.claim("tablet", "other").await.unwrap();
    world.open("other", "tablet", "another").await;
    world.claim("phone", "token").await.unwrap();
    world.open("token", "phone", "connection").await;
    world.release(1).await;
    assert_eq!(world.accept("phone", "connection", "a", "1").await, FULL);
    assert_eq!(world.accept("tablet", "another", "a", "1").await, Ok(()));
}

pub async fn a_new_record_has_the_room_of_the_device_alone(make: impl Make) {
    let world = open_phone_with(make, tiny_per_device()).await;
    world.forget("phone").await;
    world.claim("phone", "next").await.unwrap();
    world.authorise("next", "phone", "half").await.unwrap();
    assert_eq!(world.redeem("half", "newer").await, Err(RedeemError::EventsFull));
}
