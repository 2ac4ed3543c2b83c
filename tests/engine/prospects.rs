//! What the operator sees of devices, and how it ends one.

use engine::{
    DeviceState, EndReason, Limits, Millis, RedeemError, RequestTokenError, SocketState, TokenError,
};

use crate::harness::{
    Backend, DAY, MESSAGE, MOMENT, TestEngine, conformance, connection, open_phone,
};

/// Devices of these names, each with a socket of the same name.
async fn open_all(backend: Backend, devices: &[&str]) -> TestEngine {
    let engine = TestEngine::new(backend).await;
    for device in devices {
        open(&engine, device).await;
    }
    engine
}

async fn open(engine: &TestEngine, device: &str) {
    let token = format!("token of {device}");
    engine.claim(device, &token).await.unwrap();
    engine.open(&token, device, device).await;
}

async fn unacknowledged(engine: &TestEngine) -> usize {
    engine.device("phone").await.expect("there is a record").unacknowledged
}

// One device.

conformance!(a_device_without_a_record_is_unknown, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert_eq!(engine.device("phone").await, None);
});

conformance!(a_device_without_a_socket_is_known, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "token").await.unwrap();
    let expected = DeviceState {
        device: "phone".into(),
        socket: None,
        unacknowledged: 0,
        device_data: None,
        last_seen: Some(engine.now()),
    };
    assert_eq!(engine.device("phone").await, Some(expected));
});

conformance!(a_connected_device_has_its_socket, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.claim("phone", "token").await.unwrap();
    engine.authorise_with_link("token", "phone", "half", Some("link")).await.unwrap();
    engine.advance(MOMENT).await;
    let since = engine.now();
    engine.redeem("half", "connection").await.unwrap();
    engine.advance(MOMENT).await;
    let linkinjected = Some("link".into());
    let socket = SocketState { connection: connection("connection"), since, linkinjected };
    assert_eq!(engine.device("phone").await.unwrap().socket, Some(socket));
});

conformance!(a_reconnected_device_has_its_newer_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(MOMENT).await;
    engine.open("token", "phone", "newer").await;
    let socket =
        SocketState { connection: connection("newer"), since: engine.now(), linkinjected: None };
    assert_eq!(engine.device("phone").await.unwrap().socket, Some(socket));
});

conformance!(a_device_whose_socket_closed_has_none, async |backend| {
    let engine = open_phone(backend).await;
    engine.close("phone", "connection").await;
    assert_eq!(engine.device("phone").await.unwrap().socket, None);
});

conformance!(a_device_whose_token_expired_has_no_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY).await;
    assert_eq!(engine.device("phone").await.unwrap().socket, None);
});

conformance!(a_device_whose_record_ended_is_unknown, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY).await;
    engine.advance(DAY).await;
    assert_eq!(engine.device("phone").await, None);
});

conformance!(queued_messages_are_counted, async |backend| {
    let engine = open_phone(backend).await;
    for expected in 1..=3 {
        engine.send("phone", "0").await.unwrap();
        assert_eq!(unacknowledged(&engine).await, expected);
    }
});

conformance!(acknowledged_messages_are_not_counted, async |backend| {
    let engine = open_phone(backend).await;
    for _ in 0..3 {
        engine.send("phone", "0").await.unwrap();
    }
    engine.acknowledge("phone", "connection", 2).await.unwrap();
    assert_eq!(unacknowledged(&engine).await, 1);
});

conformance!(expired_messages_are_not_counted, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "0").await.unwrap();
    engine.advance(MESSAGE / 2).await;
    engine.send("phone", "0").await.unwrap();
    engine.advance(MESSAGE / 2).await;
    assert_eq!(unacknowledged(&engine).await, 1);
});

// When a device was last seen.

/// When the phone was last seen.
async fn last_seen(engine: &TestEngine) -> Option<Millis> {
    engine.device("phone").await.expect("there is a record").last_seen
}

conformance!(a_connected_device_is_seen_now, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(MOMENT).await;
    assert_eq!(last_seen(&engine).await, Some(engine.now()));
});

conformance!(a_device_was_seen_when_its_socket_ended, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(MOMENT).await;
    let ended = engine.now();
    engine.close("phone", "connection").await;
    engine.advance(MOMENT).await;
    assert_eq!(last_seen(&engine).await, Some(ended));
});

conformance!(a_device_was_seen_when_it_asked_for_a_token, async |backend| {
    let engine = open_phone(backend).await;
    engine.close("phone", "connection").await;
    engine.advance(MOMENT).await;
    let asked = engine.now();
    engine.renew("phone", "token", "newer").await.unwrap();
    engine.advance(MOMENT).await;
    engine.issue("phone", "issued").await.unwrap();
    engine.claim("phone", "refused").await.unwrap_err();
    assert_eq!(last_seen(&engine).await, Some(asked));
});

conformance!(a_device_with_a_token_of_the_operator_was_never_seen, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.issue("phone", "issued").await.unwrap();
    assert_eq!(last_seen(&engine).await, None);
});

#[tokio::test]
async fn when_a_device_was_seen_outlives_a_restart() {
    let mut engine = open_phone(Backend::Journal).await;
    engine.advance(MOMENT).await;
    let ended = engine.now();
    engine.close("phone", "connection").await;
    engine.advance(MOMENT).await;
    engine.restart(false).await;
    assert_eq!(last_seen(&engine).await, Some(ended));
}

// Those whose socket came with a link.

/// Opens the socket of a device with a link.
async fn open_with(engine: &TestEngine, device: &str, link: Option<&str>) {
    let token = format!("token of {device}");
    engine.claim(device, &token).await.unwrap();
    engine.authorise_with_link(&token, device, device, link).await.unwrap();
    engine.redeem(device, device).await.unwrap();
}

conformance!(connected_devices_of_one_link_are_listed, async |backend| {
    let engine = TestEngine::new(backend).await;
    let links = [Some("a"), Some("b"), Some("a"), None, Some(""), Some("ab"), Some("a")];
    for (device, link) in ["6", "5", "4", "3", "2", "1", "0"].into_iter().zip(links) {
        open_with(&engine, device, link).await;
    }
    assert_eq!(engine.connected_with("a", "", 10).await, ["0", "4", "6"]);
    assert_eq!(engine.connected_with("a", "", 2).await, ["0", "4"]);
    assert_eq!(engine.connected_with("a", "4", 2).await, ["6"]);
    assert_eq!(engine.connected_with("", "", 10).await, ["2"]);
    assert!(engine.connected_with("c", "", 10).await.is_empty());
});

conformance!(a_device_leaves_the_list_of_its_link_with_its_socket, async |backend| {
    let engine = TestEngine::new(backend).await;
    for device in ["closed", "superseded", "disconnected", "open"] {
        open_with(&engine, device, Some("a")).await;
    }
    engine.close("closed", "closed").await;
    engine.authorise("token of superseded", "superseded", "half").await.unwrap();
    engine.redeem("half", "newer").await.unwrap();
    engine.disconnect("disconnected").await;
    assert_eq!(engine.connected_with("a", "", 10).await, ["open"]);
});

// Those with a socket.

conformance!(no_device_is_connected_at_first, async |backend| {
    let engine = TestEngine::new(backend).await;
    assert!(engine.connected("", 10).await.is_empty());
});

conformance!(connected_devices_are_ordered_by_name, async |backend| {
    let engine = open_all(backend, &["b", "a-1", "Z", "a", "~", "10", "9"]).await;
    assert_eq!(engine.connected("", 10).await, ["10", "9", "Z", "a", "a-1", "b", "~"]);
});

conformance!(a_device_is_listed_with_the_same_state, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "0").await.unwrap();
    let expected: Vec<_> = engine.device("phone").await.into_iter().collect();
    assert_eq!(engine.inner.connected(None, "", 10).await, Ok(expected));
});

conformance!(the_list_begins_after_a_name, async |backend| {
    let engine = open_all(backend, &["a", "b", "c"]).await;
    assert_eq!(engine.connected("a", 10).await, ["b", "c"]);
    assert!(engine.connected("c", 10).await.is_empty());
});

conformance!(the_list_begins_after_a_name_that_is_not_connected, async |backend| {
    let engine = open_all(backend, &["a", "c"]).await;
    assert_eq!(engine.connected("b", 10).await, ["c"]);
});

conformance!(the_list_ends_at_the_limit, async |backend| {
    let engine = open_all(backend, &["a", "b", "c"]).await;
    assert_eq!(engine.connected("", 2).await, ["a", "b"]);
    assert_eq!(engine.connected("b", 2).await, ["c"]);
});

conformance!(the_list_is_consistent_while_devices_connect_and_disconnect, async |backend| {
    let engine = open_all(backend, &["b", "d", "f"]).await;
    assert_eq!(engine.connected("", 2).await, ["b", "d"]);
    open(&engine, "a").await;
    open(&engine, "e").await;
    engine.disconnect("d").await;
    assert_eq!(engine.connected("d", 2).await, ["e", "f"]);
});

conformance!(a_device_without_a_socket_is_not_listed, async |backend| {
    let engine = open_phone(backend).await;
    engine.claim("tablet", "other").await.unwrap();
    assert_eq!(engine.connected("", 10).await, ["phone"]);
});

conformance!(a_reconnected_device_is_listed_once, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    assert_eq!(engine.connected("", 10).await, ["phone"]);
});

conformance!(a_device_is_listed_after_its_older_socket_closes, async |backend| {
    let engine = open_phone(backend).await;
    engine.open("token", "phone", "newer").await;
    engine.close("phone", "connection").await;
    assert_eq!(engine.connected("", 10).await, ["phone"]);
});

conformance!(a_device_whose_socket_closed_is_not_listed, async |backend| {
    let engine = open_phone(backend).await;
    engine.close("phone", "connection").await;
    assert!(engine.connected("", 10).await.is_empty());
});

conformance!(a_revoked_device_is_not_listed, async |backend| {
    let engine = open_phone(backend).await;
    engine.revoke("token").await;
    assert!(engine.connected("", 10).await.is_empty());
});

conformance!(a_device_whose_token_expired_is_not_listed, async |backend| {
    let engine = open_phone(backend).await;
    engine.advance(DAY).await;
    assert!(engine.connected("", 10).await.is_empty());
});

// Forgetting.

conformance!(disconnecting_ends_the_socket, async |backend| {
    let engine = open_phone(backend).await;
    engine.disconnect("phone").await;
    engine.ended_are(&[("connection", EndReason::Revoked)]);
    engine.events_are(&["phone disconnected connection Revoked"]).await;
    assert!(engine.connected("", 10).await.is_empty());
});

conformance!(disconnecting_revokes_the_tokens, async |backend| {
    let engine = open_phone(backend).await;
    engine.renew("phone", "token", "next").await.unwrap();
    engine.disconnect("phone").await;
    assert_eq!(engine.check_token("token").await, Err(TokenError::Unknown));
    assert_eq!(engine.check_token("next").await, Err(TokenError::Unknown));
});

conformance!(disconnecting_revokes_open_authorisations, async |backend| {
    let engine = open_phone(backend).await;
    engine.authorise("token", "phone", "half").await.unwrap();
    engine.disconnect("phone").await;
    assert_eq!(engine.redeem("half", "newer").await, Err(RedeemError::Revoked));
});

conformance!(disconnecting_ends_the_record, async |backend| {
    let engine = open_phone(backend).await;
    engine.disconnect("phone").await;
    assert_eq!(engine.device("phone").await, None);
});

conformance!(disconnecting_expires_undelivered_messages, async |backend| {
    let engine = open_phone(backend).await;
    engine.close("phone", "connection").await;
    engine.send("phone", "1").await.unwrap();
    engine.send("phone", "2").await.unwrap();
    engine.new_events().await;
    engine.disconnect("phone").await;
    engine.events_are(&["phone expired 1", "phone expired 2"]).await;
});

conformance!(disconnecting_frees_the_device, async |backend| {
    let engine = open_phone(backend).await;
    engine.disconnect("phone").await;
    assert_eq!(engine.claim("phone", "another").await, Ok(()));
});

conformance!(disconnecting_a_test_device_ends_it, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.request_test_token("phone", "one").await.unwrap();
    engine.request_test_token("phone", "two").await.unwrap();
    engine.disconnect("phone").await;
    assert_eq!(engine.check_token("one").await, Err(TokenError::Unknown));
    assert_eq!(engine.check_token("two").await, Err(TokenError::Unknown));
});

conformance!(disconnecting_makes_room_for_another_device, in_one_partition, async |backend| {
    let limits = Limits { devices: 1, ..Limits::default() };
    let engine = TestEngine::with_limits(backend, limits).await;
    engine.claim("phone", "token").await.unwrap();
    assert_eq!(engine.claim("tablet", "other").await, Err(RequestTokenError::DevicesFull));
    engine.disconnect("phone").await;
    assert_eq!(engine.claim("tablet", "other").await, Ok(()));
});

conformance!(disconnecting_twice_is_no_error, async |backend| {
    let engine = open_phone(backend).await;
    engine.send("phone", "1").await.unwrap();
    engine.disconnect("phone").await;
    engine.new_events().await;
    engine.take_ended();
    engine.disconnect("phone").await;
    engine.events_are(&[]).await;
    engine.ended_are(&[]);
});

conformance!(disconnecting_an_unknown_device_is_no_error, async |backend| {
    let engine = TestEngine::new(backend).await;
    engine.disconnect("nobody").await;
    engine.events_are(&[]).await;
});

conformance!(disconnecting_does_not_affect_other_devices, async |backend| {
    let engine = open_phone(backend).await;
    open(&engine, "tablet").await;
    engine.send("tablet", "1").await.unwrap();
    engine.disconnect("phone").await;
    assert_eq!(engine.check_token("token of tablet").await, Ok(()));
    assert_eq!(engine.outbox_numbers("tablet", "tablet").await, [1]);
});
