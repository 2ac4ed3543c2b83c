//! `Idempotency-Key`: a request that is repeated sends once.

use std::thread;

use serde_json::json;
use tests::{Answer, Connection, DEVICE, Gateway, Operator, Prospect};

/// Sends a message under a key.
fn send(gateway: &Gateway, device: &str, key: &str, body: &str) -> Answer {
    let call = Operator::of(gateway).message(device).header("idempotency-key", key);
    call.json_text(body).send()
}

/// A gateway that knows the device.
fn known() -> Gateway {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    gateway
}

#[test]
fn a_repeated_request_gets_the_first_answer_and_sends_once() {
    let gateway = known();
    let first = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    let again = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json(), again.json());
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 1);
}

#[test]
fn a_repeated_request_gets_the_first_answer_after_other_operations() {
    let gateway = known();
    let first = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let seq = prospect.receive_message().seq;
    prospect.ack(seq);
    assert!(prospect.has_received_all());
    let again = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    assert_eq!(first.json(), again.json());
}

#[test]
fn a_repeated_request_is_not_delivered_again() {
    let gateway = known();
    let _ = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let seq = prospect.receive_message().seq;
    prospect.ack(seq);
    assert!(prospect.has_received_all());
    let _ = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    assert!(prospect.has_received_all());
}

#[test]
fn another_key_is_another_message() {
    let gateway = known();
    let seqs = ["a-key", "A-key"].map(|key| send(&gateway, DEVICE, key, r#"{"data":1}"#).json());
    assert_eq!((&seqs[0]["seq"], &seqs[1]["seq"]), (&json!(1), &json!(2)));
}

#[test]
fn the_same_body_without_a_key_is_another_message() {
    let gateway = known();
    let operator = Operator::of(&gateway);
    assert_eq!([(); 2].map(|()| operator.queue(DEVICE, "1")), [1, 2]);
}

#[test]
fn a_key_with_another_body_is_refused_and_sends_nothing() {
    let gateway = known();
    let _ = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    for body in [r#"{"data":2}"#, r#"{"data":1.0}"#, r#"{"data":1,"ttlSeconds":60}"#] {
        let answer = send(&gateway, DEVICE, "a-key", body);
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(answer.problem_name(), "idempotency-key-reused", "{body}");
    }
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 1);
}

#[test]
fn keys_are_per_device() {
    let gateway = Gateway::trial();
    for device in ["phone", "tablet"] {
        let _ = gateway.token(device);
        let body = format!(r#"{{"data":"{device}"}}"#);
        assert_eq!(send(&gateway, device, "a-key", &body).status, 202);
    }
    assert_eq!(Operator::of(&gateway).unacknowledged("tablet"), 1);
}

#[test]
fn a_key_of_255_characters_is_accepted() {
    let gateway = known();
    let key = "~".repeat(255);
    let seqs = [(); 2].map(|()| send(&gateway, DEVICE, &key, r#"{"data":1}"#).json());
    assert_eq!((&seqs[0]["seq"], &seqs[1]["seq"]), (&json!(1), &json!(1)));
}

/// The answer to a request with these lines in its head.
fn with_keys(gateway: &Gateway, keys: &[&str]) -> Answer {
    let key = format!("Bearer {}", gateway.operator_key);
    let mut headers = vec![("authorization", key.as_str()), ("content-type", "application/json")];
    headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
    let what = format!("POST /operator/prospects/{DEVICE}/messages");
    Connection::open(gateway).ask(&what, &headers, r#"{"data":1}"#)
}

#[test]
fn an_invalid_key_is_refused_and_sends_nothing() {
    let gateway = known();
    for wrong in ["", "a b", "a\tb", "é", &"x".repeat(256)] {
        let answer = with_keys(&gateway, &[wrong]);
        assert_eq!(answer.status, 422, "{wrong:?}");
        assert_eq!(answer.problem_name(), "idempotency-key-malformed", "{wrong:?}");
    }
    let detail = with_keys(&gateway, &[&"x".repeat(256)]).problem()["detail"].clone();
    assert_eq!(detail, "The key must have a length of 1 to 255.");
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 0);
}

#[test]
fn two_keys_are_refused() {
    let gateway = known();
    for keys in [["one", "two"], ["one", "one"]] {
        let answer = with_keys(&gateway, &keys);
        assert_eq!(answer.problem_name(), "idempotency-key-malformed", "{keys:?}");
    }
}

#[test]
fn concurrent_requests_with_the_same_key_send_once() {
    let gateway = known();
    let seqs = thread::scope(|scope| {
        let ask = || send(&gateway, DEVICE, "a-key", r#"{"data":1}"#).json()["seq"].clone();
        let asking = [(); 8].map(|()| scope.spawn(ask));
        asking.map(|asked| asked.join().expect("an answer"))
    });
    assert_eq!(seqs, [(); 8].map(|()| json!(1)));
    assert_eq!(Operator::of(&gateway).unacknowledged(DEVICE), 1);
}

#[test]
fn a_key_can_be_used_again_after_a_refusal() {
    let gateway = Gateway::builder().flag("--outbox-messages", "1").start();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let seq = Operator::of(&gateway).queue(DEVICE, "1");
    let refused = send(&gateway, DEVICE, "a-key", r#"{"data":2}"#);
    assert_eq!(refused.problem_name(), "outbox-full");
    prospect.receive_message();
    prospect.ack(seq);
    assert!(prospect.has_received_all());
    assert_eq!(send(&gateway, DEVICE, "a-key", r#"{"data":3}"#).status, 202);
}

#[test]
fn a_repeated_request_is_answered_when_the_outbox_is_full() {
    let gateway = Gateway::builder().flag("--outbox-messages", "1").start();
    let _ = gateway.token(DEVICE);
    let first = send(&gateway, DEVICE, "a-key", r#"{"data":1}"#);
    assert_eq!(send(&gateway, DEVICE, "a-key", r#"{"data":1}"#).json(), first.json());
}

#[test]
fn a_key_over_the_limit_is_refused() {
    let gateway = Gateway::builder().flag("--idempotency-keys", "1").start();
    let _ = gateway.token(DEVICE);
    assert_eq!(send(&gateway, DEVICE, "a-key", r#"{"data":1}"#).status, 202);
    let refused = send(&gateway, DEVICE, "another-key", r#"{"data":1}"#);
    assert_eq!((refused.status, refused.problem_name().as_str()), (429, "idempotency-keys-full"));
    assert_eq!(send(&gateway, DEVICE, "a-key", r#"{"data":1}"#).status, 202);
}
