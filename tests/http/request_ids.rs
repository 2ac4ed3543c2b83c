//! The request id in answers and in the log.

use std::collections::BTreeSet;

use tests::Gateway;

#[test]
fn a_request_id_is_in_the_answer_and_in_the_log() {
    let gateway = Gateway::trial();
    let answer = gateway.get("/nowhere");
    let id = answer.header("x-request-id");
    assert_eq!(answer.problem()["requestId"], id);
    let line = gateway.logged(id);
    assert!(line.contains("not-found"), "{line}");
}

#[test]
fn a_successful_answer_has_a_request_id() {
    let gateway = Gateway::trial();
    let answer = gateway.get("/livez");
    let id = answer.header("x-request-id");
    assert!(!id.is_empty());
    let _ = gateway.logged(id);
}

#[test]
fn request_ids_are_unique() {
    let (one, other) = (Gateway::trial(), Gateway::trial());
    let ids: BTreeSet<_> = (0..20)
        .flat_map(|_| [one.get("/livez"), other.get("/livez")])
        .map(|answer| answer.header("x-request-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 40);
}

#[test]
fn a_request_id_from_the_client_is_ignored() {
    let gateway = Gateway::trial();
    let call = gateway.call("GET", "/livez");
    let answer = call.header("x-request-id", "mine").send();
    assert_ne!(answer.header("x-request-id"), "mine");
}
