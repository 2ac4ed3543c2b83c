//! What the operator sees of devices, and how it ends one.

use engine::{
    DeviceState, EndReason, Limits, RedeemError, RequestTokenError, SocketState, TokenError,
};

use crate::phones::open_phone;
use crate::world::{DAY, MESSAGE, MOMENT, Make, World, connection};

/// Devices of these names, each with a socket of the same name.
async fn open_all(make: impl Make, devices: &[&str]) -> World {
    let world = World::new(make).await;
    for device in devices {
        open(&world, device).await;
    }
    world
}

async fn open(world: &World, device: &str) {
    let token = format!("token of {device}");
    world.claim(device, &token).await.unwrap();
    world.open(&token, device, device).await;
}

async fn unacknowledged(world: &World) -> usize {
    world.device("phone").await.expect("there is a record").unacknowledged
}

// One device.

pub async fn a_device_without_a_record_is_not_known(make: impl Make) {
    let world = World::new(make).await;
    assert_eq!(world.device("phone").await, None);
}

pub async fn a_device_without_a_socket_is_known(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "token").await.unwrap();
    let expected = DeviceState { device: "phone".into(), socket: None, unacknowledged: 0 };
    assert_eq!(world.device("phone").await, Some(expected));
}

pub async fn a_connected_device_is_known_with_its_socket(make: impl Make) {
    let world = World::new(make).await;
    world.claim("phone", "token").await.unwrap();
    world.authorise_linked("token", "phone", "half", Some("link")).await.unwrap();
    world.pass(MOMENT).await;
    let since = world.now();
    world.redeem("half", "connection").await.unwrap();
    world.pass(MOMENT).await;
    let linkinjected = Some("link".into());
    let socket = SocketState { connection: connection("connection"), since, linkinjected };
    assert_eq!(world.device("phone").await.unwrap().socket, Some(socket));
}

pub async fn a_device_is_known_with_its_newer_socket(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(MOMENT).await;
    world.open("token", "phone", "newer").await;
    let socket =
        SocketState { connection: connection("newer"), since: world.now(), linkinjected: None };
    assert_eq!(world.device("phone").await.unwrap().socket, Some(socket));
}

pub async fn a_device_whose_socket_closed_is_known_without_it(make: impl Make) {
    let world = open_phone(make).await;
    world.close("phone", "connection").await;
    assert_eq!(world.device("phone").await.unwrap().socket, None);
}

pub async fn a_device_whose_token_ended_is_known_without_a_socket(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY).await;
    assert_eq!(world.device("phone").await.unwrap().socket, None);
}

pub async fn a_device_whose_record_ended_is_not_known(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY).await;
    world.pass(DAY).await;
    assert_eq!(world.device("phone").await, None);
}

pub async fn what_was_sent_is_unacknowledged(make: impl Make) {
    let world = open_phone(make).await;
    for expected in 1..=3 {
        world.send("phone", "0").await.unwrap();
        assert_eq!(unacknowledged(&world).await, expected);
    }
}

pub async fn what_is_acknowledged_is_not_counted(make: impl Make) {
    let world = open_phone(make).await;
    for _ in 0..3 {
        world.send("phone", "0").await.unwrap();
    }
    world.acknowledge("phone", "connection", 2).await.unwrap();
    assert_eq!(unacknowledged(&world).await, 1);
}

pub async fn what_expired_is_not_counted(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "0").await.unwrap();
    world.pass(MESSAGE / 2).await;
    world.send("phone", "0").await.unwrap();
    world.pass(MESSAGE / 2).await;
    assert_eq!(unacknowledged(&world).await, 1);
}

// Those with a socket.

pub async fn nobody_is_connected_at_first(make: impl Make) {
    let world = World::new(make).await;
    assert!(world.connected("", 10).await.is_empty());
}

pub async fn connected_devices_come_in_the_order_of_their_names(make: impl Make) {
    let world = open_all(make, &["b", "a-1", "Z", "a", "~", "10", "9"]).await;
    assert_eq!(world.connected("", 10).await, ["10", "9", "Z", "a", "a-1", "b", "~"]);
}

pub async fn a_connected_device_is_listed_as_it_is_looked_at(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "0").await.unwrap();
    let expected: Vec<_> = world.device("phone").await.into_iter().collect();
    assert_eq!(world.engine.connected("", 10).await, Ok(expected));
}

pub async fn connected_devices_come_after_a_name(make: impl Make) {
    let world = open_all(make, &["a", "b", "c"]).await;
    assert_eq!(world.connected("a", 10).await, ["b", "c"]);
    assert!(world.connected("c", 10).await.is_empty());
}

pub async fn connected_devices_come_after_a_name_that_is_not_there(make: impl Make) {
    let world = open_all(make, &["a", "c"]).await;
    assert_eq!(world.connected("b", 10).await, ["c"]);
}

pub async fn connected_devices_come_up_to_a_limit(make: impl Make) {
    let world = open_all(make, &["a", "b", "c"]).await;
    assert_eq!(world.connected("", 2).await, ["a", "b"]);
    assert_eq!(world.connected("b", 2).await, ["c"]);
}

pub async fn the_list_stays_right_while_devices_come_and_go(make: impl Make) {
    let world = open_all(make, &["b", "d", "f"]).await;
    assert_eq!(world.connected("", 2).await, ["b", "d"]);
    open(&world, "a").await;
    open(&world, "e").await;
    world.forget("d").await;
    assert_eq!(world.connected("d", 2).await, ["e", "f"]);
}

pub async fn a_device_without_a_socket_is_not_connected(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    assert_eq!(world.connected("", 10).await, ["phone"]);
}

pub async fn a_device_that_connects_again_is_connected_once(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    assert_eq!(world.connected("", 10).await, ["phone"]);
}

pub async fn a_device_stays_connected_when_its_older_socket_closes(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    world.close("phone", "connection").await;
    assert_eq!(world.connected("", 10).await, ["phone"]);
}

pub async fn a_device_whose_socket_closed_is_not_connected(make: impl Make) {
    let world = open_phone(make).await;
    world.close("phone", "connection").await;
    assert!(world.connected("", 10).await.is_empty());
}

pub async fn a_revoked_device_is_not_connected(make: impl Make) {
    let world = open_phone(make).await;
    world.revoke("token").await;
    assert!(world.connected("", 10).await.is_empty());
}

pub async fn a_device_whose_token_ended_is_not_connected(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY).await;
    assert!(world.connected("", 10).await.is_empty());
}

// Forgetting.

pub async fn forgetting_ends_the_socket(make: impl Make) {
    let world = open_phone(make).await;
    world.forget("phone").await;
    world.ended(&[("connection", EndReason::Revoked)]);
    world.happened(&["phone disconnected connection Revoked"]).await;
    assert!(world.connected("", 10).await.is_empty());
}

pub async fn forgetting_ends_the_tokens(make: impl Make) {
    let world = open_phone(make).await;
    world.renew("phone", "token", "next").await.unwrap();
    world.forget("phone").await;
    assert_eq!(world.check("token").await, Err(TokenError::Unknown));
    assert_eq!(world.check("next").await, Err(TokenError::Unknown));
}

pub async fn forgetting_ends_what_waits_to_be_redeemed(make: impl Make) {
    let world = open_phone(make).await;
    world.authorise("token", "phone", "half").await.unwrap();
    world.forget("phone").await;
    assert_eq!(world.redeem("half", "newer").await, Err(RedeemError::Revoked));
}

pub async fn forgetting_ends_the_record(make: impl Make) {
    let world = open_phone(make).await;
    world.forget("phone").await;
    assert_eq!(world.device("phone").await, None);
}

pub async fn forgetting_expires_what_is_undelivered(make: impl Make) {
    let world = open_phone(make).await;
    world.close("phone", "connection").await;
    world.send("phone", "1").await.unwrap();
    world.send("phone", "2").await.unwrap();
    world.news().await;
    world.forget("phone").await;
    world.happened(&["phone expired 1", "phone expired 2"]).await;
}

pub async fn forgetting_frees_the_device(make: impl Make) {
    let world = open_phone(make).await;
    world.forget("phone").await;
    assert_eq!(world.claim("phone", "another").await, Ok(()));
}

pub async fn forgetting_a_test_device_ends_it_as_well(make: impl Make) {
    let world = World::new(make).await;
    world.test("phone", "one").await.unwrap();
    world.test("phone", "two").await.unwrap();
    world.forget("phone").await;
    assert_eq!(world.check("one").await, Err(TokenError::Unknown));
    assert_eq!(world.check("two").await, Err(TokenError::Unknown));
}

pub async fn forgetting_makes_room_for_another_device(make: impl Make) {
    let settings = Limits { devices: 1, ..Limits::default() };
    let world = World::with(make, settings).await;
    world.claim("phone", "token").await.unwrap();
    assert_eq!(world.claim("tablet", "other").await, Err(RequestTokenError::DevicesFull));
    world.forget("phone").await;
    assert_eq!(world.claim("tablet", "other").await, Ok(()));
}

pub async fn forgetting_twice_is_no_error(make: impl Make) {
    let world = open_phone(make).await;
    world.send("phone", "1").await.unwrap();
    world.forget("phone").await;
    world.news().await;
    world.endings();
    world.forget("phone").await;
    world.happened(&[]).await;
    world.ended(&[]);
}

pub async fn forgetting_an_unknown_device_is_no_error(make: impl Make) {
    let world = World::new(make).await;
    world.forget("nobody").await;
    world.happened(&[]).await;
}

pub async fn forgetting_leaves_other_devices_alone(make: impl Make) {
    let world = open_phone(make).await;
    open(&world, "tablet").await;
    world.send("tablet", "1").await.unwrap();
    world.forget("phone").await;
    assert_eq!(world.check("token of tablet").await, Ok(()));
    assert_eq!(world.waiting("tablet", "tablet").await, [1]);
}
