//! A device's one socket: what takes it over and what ends it.

use std::time::Duration;

use engine::{EndReason, Limits};

use crate::world::{DAY, MOMENT, Make, World, just_before};

/// A claimed phone with an open socket, `connection`.
async fn open_phone(make: impl Make) -> World {
    open_phone_with(make, Limits::default()).await
}

async fn open_phone_with(make: impl Make, settings: Limits) -> World {
    let world = World::with(make, settings).await;
    world.claim("phone", "token").await.unwrap();
    world.open("token", "phone", "connection").await;
    world
}

pub async fn a_newer_socket_supersedes_the_older(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    world.ended(&[("connection", EndReason::Superseded)]);
}

pub async fn a_superseded_socket_is_ended_once(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    world.open("token", "phone", "newest").await;
    world.ended(&[("connection", EndReason::Superseded), ("newer", EndReason::Superseded)]);
}

pub async fn sockets_of_two_devices_live_side_by_side(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.open("other", "tablet", "another").await;
    world.ended(&[]);
}

pub async fn a_closed_socket_is_not_superseded(make: impl Make) {
    let world = open_phone(make).await;
    world.close("phone", "connection").await;
    world.open("token", "phone", "newer").await;
    world.ended(&[]);
}

pub async fn a_stale_close_does_not_close_the_newer(make: impl Make) {
    let world = open_phone(make).await;
    world.open("token", "phone", "newer").await;
    world.close("phone", "connection").await;
    world.endings();
    world.revoke("token").await;
    world.ended(&[("newer", EndReason::Revoked)]);
}

pub async fn a_close_under_another_devices_name_closes_nothing(make: impl Make) {
    let world = open_phone(make).await;
    world.claim("tablet", "other").await.unwrap();
    world.close("tablet", "connection").await;
    world.revoke("token").await;
    world.ended(&[("connection", EndReason::Revoked)]);
}

pub async fn closing_twice_is_no_error(make: impl Make) {
    let world = open_phone(make).await;
    world.close("phone", "connection").await;
    world.close("phone", "connection").await;
    world.close("nobody", "connection").await;
    world.ended(&[]);
}

pub async fn a_socket_ends_with_its_token(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(just_before(DAY)).await;
    world.ended(&[]);
    world.pass(MOMENT).await;
    world.ended(&[("connection", EndReason::TokenExpired)]);
}

pub async fn a_renewed_token_carries_the_socket(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY / 2).await;
    world.renew("phone", "token", "next").await.unwrap();
    world.pass(just_before(DAY)).await;
    world.ended(&[]);
    world.pass(MOMENT).await;
    world.ended(&[("connection", EndReason::TokenExpired)]);
}

pub async fn the_operators_token_carries_the_socket(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY / 2).await;
    world.issue("phone", "issued").await.unwrap();
    world.pass(just_before(DAY)).await;
    world.ended(&[]);
    world.pass(MOMENT).await;
    world.ended(&[("connection", EndReason::TokenExpired)]);
}

pub async fn the_socket_of_a_lost_reply_is_carried_as_well(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY / 2).await;
    world.renew("phone", "token", "lost").await.unwrap();
    world.renew("phone", "token", "next").await.unwrap();
    world.pass(just_before(DAY)).await;
    world.ended(&[]);
    world.pass(MOMENT).await;
    world.ended(&[("connection", EndReason::TokenExpired)]);
}

pub async fn what_the_token_before_authorised_ends_with_the_newest(make: impl Make) {
    let world = open_phone(make).await;
    world.pass(DAY / 2).await;
    world.renew("phone", "token", "next").await.unwrap();
    world.open("token", "phone", "newer").await;
    world.endings();
    world.pass(just_before(DAY)).await;
    world.ended(&[]);
    world.pass(MOMENT).await;
    world.ended(&[("newer", EndReason::TokenExpired)]);
}

pub async fn a_revoked_claim_ends_its_socket(make: impl Make) {
    let world = open_phone(make).await;
    world.revoke("token").await;
    world.ended(&[("connection", EndReason::Revoked)]);
}

pub async fn a_socket_that_ended_is_not_ended_again(make: impl Make) {
    let settings = Limits { token_ttl: Duration::from_mins(1), ..Limits::default() };
    let world = open_phone_with(make, settings).await;
    world.pass(Duration::from_mins(1)).await;
    world.ended(&[("connection", EndReason::TokenExpired)]);
    world.renew("phone", "token", "next").await.unwrap();
    world.open("next", "phone", "newer").await;
    world.ended(&[]);
}
