//! What `eraseProspect` removes beyond what `disconnectProspect` does.

use tests::{DEVICE, Gateway, Operator, Prospect, half_ref};

use super::open_claimed;
use crate::kinds;

const OTHER: &str = "1f9619ff-8b86-d011-b42d-00cf4fc964ff";

#[test]
fn it_ends_what_disconnecting_ends() {
    let gateway = Gateway::trial();
    let (mut prospect, token) = open_claimed(&gateway);
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");
    assert_eq!(operator.erase(DEVICE).status, 204);
    assert_eq!(prospect.receive_message().data, "1");
    assert_eq!(prospect.socket.closed().0, 4003);
    let refused = gateway.connect_socket(&token, DEVICE, &half_ref());
    assert_eq!(refused.problem_name(), "token-unknown");
    assert_eq!(operator.prospect(DEVICE).status, 404);
    let _ = open_claimed(&gateway);
    assert_eq!(operator.send(DEVICE, "1").json()["seq"], 1);
}

#[test]
fn its_events_are_gone_and_those_of_others_stay() {
    let gateway = Gateway::trial();
    let (mut prospect, _) = open_claimed(&gateway);
    let mut other = Prospect::open_with(&gateway, &gateway.claim(OTHER), OTHER);
    prospect.deliver("m1", "\"what it said\"");
    other.deliver("m2", "\"what the other said\"");
    let operator = Operator::of(&gateway);
    operator.queue(DEVICE, "1");

    let answer = operator.erase(DEVICE);
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    assert_eq!(operator.history_of(DEVICE).len(), 0);
    assert_eq!(kinds(&operator.history_of(OTHER)), ["connected", "message"]);
}

#[test]
fn a_reader_that_has_read_its_events_goes_on_without_a_gap() {
    let gateway = Gateway::trial();
    let (mut prospect, _) = open_claimed(&gateway);
    prospect.deliver("m1", "1");
    let operator = Operator::of(&gateway);
    let read = operator.history_of(DEVICE);
    let cursor = read.last().expect("an event").id.clone();
    assert_eq!(operator.erase(DEVICE).status, 204);
    let mut other = Prospect::open_with(&gateway, &gateway.claim(OTHER), OTHER);
    other.deliver("m2", "2");

    let after = operator.events_after(&cursor).until(|event| event.device() == OTHER);
    assert!(!kinds(&after).contains(&"gap"), "{after:?}");
    assert!(after.iter().all(|event| event.device() != DEVICE), "{after:?}");
}

#[test]
fn its_spent_half_refs_are_forgotten() {
    let gateway = Gateway::trial();
    let token = gateway.claim(DEVICE);
    let half_ref = half_ref();
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    drop(Prospect::redeem(&gateway, &half_ref));
    let operator = Operator::of(&gateway);
    assert_eq!(operator.erase(DEVICE).status, 204);
    let token = gateway.claim(OTHER);
    gateway.connect_socket(&token, OTHER, &half_ref).succeeds();
}

#[test]
fn it_can_be_repeated() {
    let gateway = Gateway::trial();
    let operator = Operator::of(&gateway);
    assert_eq!(operator.erase(DEVICE).status, 204);
    let _ = gateway.claim(DEVICE);
    assert_eq!(operator.erase(DEVICE).status, 204);
    assert_eq!(operator.erase(DEVICE).status, 204);
    assert_eq!(operator.prospect(DEVICE).status, 404);
}
