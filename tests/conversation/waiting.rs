//! `?wait=ack`: the answer waits for the acknowledgement.

use std::time::Duration;

use tests::{Answer, Connection, DEVICE, Gateway, Operator, Prospect, connection::request};

/// Longer than the default `--ack-wait` of 30 seconds.
const DEADLINE: Duration = Duration::from_secs(50);

/// Sends a message on a connection of its own and leaves the answer for later.
fn ask(gateway: &Gateway, key: &str, body: &str) -> Connection {
    let operator_key = format!("Bearer {}", gateway.operator_key);
    let mut headers =
        vec![("authorization", operator_key.as_str()), ("content-type", "application/json")];
    if !key.is_empty() {
        headers.push(("idempotency-key", key));
    }
    let mut connection = Connection::open(gateway);
    let what = format!("POST /operator/prospects/{DEVICE}/messages?wait=ack");
    connection.send(request(&what, &headers, body));
    connection
}

/// Whether an answer reports the message as acknowledged.
fn is_acknowledged(answer: &Answer) -> bool {
    let said = answer.json()["acknowledged"].as_bool().expect("a boolean");
    assert_eq!(answer.status, if said { 200 } else { 202 });
    said
}

#[test]
fn an_acknowledgement_answers_the_request() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut asked = ask(&gateway, "", r#"{"data":1}"#);
    let seq = prospect.receive_message().seq;
    prospect.ack(seq);
    let answer = asked.answer();
    assert!(is_acknowledged(&answer));
    assert_eq!(answer.json()["seq"], seq);
}

#[test]
fn a_prospect_that_connects_later_can_answer_the_request() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let mut asked = ask(&gateway, "", r#"{"data":1}"#);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let seq = prospect.receive_message().seq;
    prospect.ack(seq);
    assert!(is_acknowledged(&asked.answer()));
}

#[test]
fn an_acknowledgement_of_a_later_message_answers_all_waiting_requests() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut asked = [(); 3].map(|()| ask(&gateway, "", r#"{"data":1}"#));
    let newest = *prospect.receive_seqs(3).last().expect("a number");
    prospect.ack(newest);
    for asked in &mut asked {
        assert!(is_acknowledged(&asked.answer()));
    }
}

#[test]
fn a_repeated_request_for_an_acknowledged_message_is_answered_at_once() {
    let gateway = Gateway::trial();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut first = ask(&gateway, "a-key", r#"{"data":1}"#);
    let seq = prospect.receive_message().seq;
    prospect.ack(seq);
    let first = first.answer();
    let again = ask(&gateway, "a-key", r#"{"data":1}"#).answer();
    assert!(is_acknowledged(&again));
    assert_eq!(again.json(), first.json());
}

#[test]
fn an_unacknowledged_message_is_answered_at_the_deadline() {
    let gateway = Gateway::builder().flag("--ack-wait", "200ms").start();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut asked = ask(&gateway, "", r#"{"data":1}"#);
    prospect.receive_message();
    asked.wait_up_to(DEADLINE);
    assert!(!is_acknowledged(&asked.answer()));
}

#[test]
fn an_expired_message_is_not_acknowledged_by_a_later_acknowledgement() {
    let gateway = Gateway::builder().flag("--ack-wait", "200ms").start();
    let token = gateway.token(DEVICE);
    let operator = Operator::of(&gateway);
    let mut events = operator.events();
    let call = operator.message(DEVICE).header("idempotency-key", "a-key");
    let sent = call.json_text(r#"{"data":1,"ttlSeconds":1}"#).send();
    assert_eq!(sent.status, 202);
    assert_eq!(events.event().kind, "expired");
    operator.queue(DEVICE, "2");
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    assert_eq!(prospect.receive_seqs(1), [2]);
    prospect.ack(2);
    assert!(prospect.has_received_all());
    let mut asked = ask(&gateway, "a-key", r#"{"data":1,"ttlSeconds":1}"#);
    asked.wait_up_to(DEADLINE);
    assert!(!is_acknowledged(&asked.answer()));
}

// An acknowledgement that cannot come any more is not waited for. The deadline here is far off.

fn patient_gateway() -> Gateway {
    Gateway::builder().flag("--ack-wait", "1h").start()
}

#[test]
fn a_message_that_expires_answers_the_request() {
    let gateway = patient_gateway();
    let _ = gateway.token(DEVICE);
    let answer = ask(&gateway, "", r#"{"data":1,"ttlSeconds":1}"#).answer();
    assert!(!is_acknowledged(&answer));
}

#[test]
fn a_repeated_request_for_an_expired_message_is_answered_at_once() {
    let gateway = patient_gateway();
    let _ = gateway.token(DEVICE);
    let first = ask(&gateway, "a-key", r#"{"data":1,"ttlSeconds":1}"#).answer();
    let again = ask(&gateway, "a-key", r#"{"data":1,"ttlSeconds":1}"#).answer();
    assert!(!is_acknowledged(&again));
    assert_eq!(again.json(), first.json());
}

#[test]
fn a_device_that_the_operator_disconnects_answers_the_request() {
    let gateway = patient_gateway();
    let mut prospect = Prospect::open(&gateway, DEVICE);
    let mut asked = ask(&gateway, "", r#"{"data":1}"#);
    prospect.receive_message();
    assert_eq!(Operator::of(&gateway).disconnect(DEVICE).status, 204);
    assert!(!is_acknowledged(&asked.answer()));
}

#[test]
fn a_prospect_that_revokes_its_token_answers_the_request() {
    let gateway = patient_gateway();
    let token = gateway.token(DEVICE);
    let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
    let mut asked = ask(&gateway, "", r#"{"data":1}"#);
    prospect.receive_message();
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert!(!is_acknowledged(&asked.answer()));
}
