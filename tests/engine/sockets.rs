//! A device's one socket: what takes it over and what ends it.

use std::time::Duration;

use engine::{EndReason, Limits};

use crate::harness::{Backend, DAY, MOMENT, TestEngine, conformance, just_before};

/// A claimed phone with an open socket, `connection`.
async fn open_phone(backend: Backend) -> TestEngine {
    open_phone_with(backend, Limits::default()).await
}

async fn open_phone_with(backend: Backend, limits: Limits) -> TestEngine {
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    engine.open("token", "phone", "connection").await;
    engine
}

conformance!(a_newer_socket_supersedes_the_older, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    engine.ended_are(&[("connection", EndReason::Superseded)]);
});

conformance!(a_superseded_socket_is_ended_once, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    engine.open("token", "phone", "newest").await;
    engine.ended_are(&[("connection", EndReason::Superseded), ("newer", EndReason::Superseded)]);
});

conformance!(sockets_of_two_devices_coexist, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.open("other", "tablet", "another").await;
    engine.ended_are(&[]);
});

conformance!(a_closed_socket_is_not_superseded, async |backend| {
    let engine = open_phone(backend).await;
    engine.close("phone", "connection").await;
    engine.open("token", "phone", "newer").await;
    engine.ended_are(&[]);
});

conformance!(a_stale_close_does_not_close_the_newer_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    engine.close("phone", "connection").await;
    engine.take_ended();
    engine.revoke("token").await;
    engine.ended_are(&[("newer", EndReason::Revoked)]);
});

conformance!(a_close_under_another_devices_name_closes_nothing, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    engine.close("tablet", "connection").await;
    engine.revoke("token").await;
    engine.ended_are(&[("connection", EndReason::Revoked)]);
});

conformance!(closing_twice_is_no_error, async |backend| {
    let engine = open_phone(backend).await;
    engine.close("phone", "connection").await;
    engine.close("phone", "connection").await;
    engine.close("nobody", "connection").await;
    engine.ended_are(&[]);
});

conformance!(a_socket_ends_with_its_token, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(just_before(DAY)).await;
    engine.ended_are(&[]);
    engine.advance(MOMENT).await;
    engine.ended_are(&[("connection", EndReason::TokenExpired)]);
});

conformance!(a_renewal_keeps_the_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY / 2).await;
    engine.renew("phone", "token", "next").await.unwrap();
    engine.advance(just_before(DAY)).await;
    engine.ended_are(&[]);
    engine.advance(MOMENT).await;
    engine.ended_are(&[("connection", EndReason::TokenExpired)]);
});

conformance!(issuing_a_token_keeps_the_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY / 2).await;
    engine.issue("phone", "issued").await.unwrap();
    engine.advance(just_before(DAY)).await;
    engine.ended_are(&[]);
    engine.advance(MOMENT).await;
    engine.ended_are(&[("connection", EndReason::TokenExpired)]);
});

conformance!(a_renewal_after_a_lost_reply_keeps_the_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY / 2).await;
    engine.renew("phone", "token", "lost").await.unwrap();
    engine.renew("phone", "token", "next").await.unwrap();
    engine.advance(just_before(DAY)).await;
    engine.ended_are(&[]);
    engine.advance(MOMENT).await;
    engine.ended_are(&[("connection", EndReason::TokenExpired)]);
});

conformance!(a_socket_opened_with_the_previous_token_ends_with_the_newest, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY / 2).await;
    engine.renew("phone", "token", "next").await.unwrap();
    engine.open("token", "phone", "newer").await;
    engine.take_ended();
    engine.advance(just_before(DAY)).await;
    engine.ended_are(&[]);
    engine.advance(MOMENT).await;
    engine.ended_are(&[("newer", EndReason::TokenExpired)]);
});

conformance!(a_revoked_claim_ends_its_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.revoke("token").await;
    engine.ended_are(&[("connection", EndReason::Revoked)]);
});

conformance!(a_socket_that_ended_is_not_ended_again, async |backend| {
    let limits = Limits { token_ttl: Duration::from_mins(1), ..Limits::default() };
    let engine = open_phone_with(backend, limits).await;
    engine.advance(Duration::from_mins(1)).await;
    engine.ended_are(&[("connection", EndReason::TokenExpired)]);
    engine.renew("phone", "token", "next").await.unwrap();
    engine.open("next", "phone", "newer").await;
    engine.ended_are(&[]);
});
