//! `GET /operator/prospects/{deviceTag}`.

use serde_json::json;
use tests::{DEVICE, Gateway, Operator, Prospect, half_ref};

#[test]
fn a_device_without_a_socket_is_not_connected() {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    let shown = Operator::of(&gateway).prospect(DEVICE).ok();
    let seen = &shown["lastSeen"];
    assert!(seen.is_string(), "{shown}");
    let expected =
        json!({"deviceTag": DEVICE, "connected": false, "lastSeen": seen, "unacknowledged": 0});
    assert_eq!(shown, expected);
}

#[test]
fn a_device_with_a_socket_is_connected() {
    let gateway = Gateway::trial();
    let prospect = Prospect::open(&gateway, DEVICE);
    let shown = Operator::of(&gateway).prospect(DEVICE).ok();
    let since = shown["since"].as_str().expect("a time");
    let connected = Operator::of(&gateway).events_after("0").event();
    assert_eq!(since, connected.json()["at"]);
    assert_eq!(
        shown,
        json!({
            "deviceTag": DEVICE,
            "connected": true,
            "since": since,
            "connectionId": prospect.hello["connectionId"],
            "lastSeen": shown["lastSeen"],
            "unacknowledged": 0
        })
    );
}

#[test]
fn linkinjected_is_shown() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    let body = json!({"halfRef": half_ref, "deviceTag": DEVICE, "linkinjected": "https://x/é"});
    let call = gateway.call("POST", "/prospect/connectsocket");
    call.header("token", &gateway.token(DEVICE)).json(&body).send().succeeds();
    let _prospect = Prospect::redeem(&gateway, &half_ref);
    let shown = Operator::of(&gateway).prospect(DEVICE).ok();
    assert_eq!(shown["linkinjected"], "https://x/é");
}

#[test]
fn device_data_is_shown_byte_for_byte() {
    let gateway = Gateway::trial();
    let data = r#"{ "b" : [1.0e2, -0], "a":"\u00e9/é", "c": {} }"#;
    let body =
        format!(r#"{{"channel": "browser", "deviceTag": "{DEVICE}", "deviceData":{data} }}"#);
    let token = gateway.call("PUT", "/token").json_text(body).send().token();
    let shown = Operator::of(&gateway).prospect(DEVICE).text();
    assert!(shown.contains(&format!(r#""deviceData":{data},"#)), "{shown}");

    let _prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let listed = Operator::of(&gateway).prospects("").text();
    assert!(listed.contains(&format!(r#""deviceData":{data},"#)), "{listed}");
}

#[test]
fn unacknowledged_messages_are_counted() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let operator = Operator::of(&gateway);
    for _ in 0..3 {
        operator.queue(DEVICE, "1");
    }
    assert_eq!(operator.unacknowledged(DEVICE), 3);
    prospect.receive_seqs(3);
    prospect.ack(2);
    assert!(prospect.has_received_all());
    assert_eq!(operator.unacknowledged(DEVICE), 1);
}

#[test]
fn the_newer_socket_is_shown() {
    let gateway = Gateway::trial();
    let _older = Prospect::open(&gateway, DEVICE);
    let newer = Prospect::open(&gateway, DEVICE);
    let shown = Operator::of(&gateway).prospect(DEVICE).ok();
    assert_eq!(shown["connectionId"], newer.hello["connectionId"]);
}

#[test]
fn a_device_whose_socket_closed_is_not_connected() {
    let gateway = Gateway::trial();
    drop(Prospect::open(&gateway, DEVICE));
    let operator = Operator::of(&gateway);
    let events = operator.events_after("0").until(|event| event.kind == "disconnected");
    let shown = operator.prospect(DEVICE).ok();
    assert_eq!(shown["lastSeen"], events.last().expect("it").json()["at"]);
    let seen = &shown["lastSeen"];
    assert!(seen.is_string(), "{shown}");
    let expected =
        json!({"deviceTag": DEVICE, "connected": false, "lastSeen": seen, "unacknowledged": 0});
    assert_eq!(shown, expected);
}

#[test]
fn an_unknown_device_is_not_found() {
    let gateway = Gateway::trial();
    for device in [DEVICE, "a%20b"] {
        let answer = Operator::of(&gateway).prospect(device);
        assert_eq!(answer.status, 404, "{device}");
        assert_eq!(answer.problem_name(), "unknown-device", "{device}");
    }
}
