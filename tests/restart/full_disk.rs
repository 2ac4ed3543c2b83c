//! A disk that is full for a while: a refused operation has no effect, an answered one stays.

use std::thread;

use serde_json::json;
use tests::{Answer, Bookkeeper, Gateway, Load, Operator, Prospect, gateway::eventually};

use super::{KEY, free_port, journaled, journaled_at};

/// The size of a file at which the disk is full, in bytes.
const FULL: u64 = 1_500_000;

#[test]
fn a_full_disk_is_answered_with_503_and_loses_no_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled_at(free_port(), folder.path()).file_size(FULL).start();
    let bookkeeper = Bookkeeper::start(gateway.authority(), KEY, Load::RESTARTS);
    eventually("the disk is full", || gateway.get("/readyz").status == 503);
    gateway.lift_file_size();
    eventually("the gateway recovers", || gateway.get("/readyz").status == 200);
    let _ = bookkeeper.finish();
}

/// Claims one device after the other until the disk is full; gives the number of the refused one.
fn fill(gateway: &Gateway) -> u32 {
    let refused = (1..10_000).find(|n| claim(gateway, *n).status != 200);
    refused.expect("the disk is full at last")
}

fn claim(gateway: &Gateway, n: u32) -> Answer {
    gateway.request_token("browser", &format!("device-{n}"), None)
}

#[test]
fn an_operation_refused_by_a_full_disk_has_no_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).file_size(FULL).start();
    let refused = fill(&gateway);
    let claim = |n| claim(&gateway, n);
    let answer = claim(refused);
    assert_eq!((answer.status, answer.problem_name().as_str()), (503, "engine-unavailable"));
    let line = gateway.logged("nothing expires");
    assert!(line.contains("why=\"disk I/O error"), "{line}");
    gateway.lift_file_size();
    eventually("the gateway recovers", || gateway.get("/readyz").status == 200);
    // Had the first attempt claimed the device, this one would be refused.
    assert_eq!(claim(refused).status, 200);
    assert_eq!(claim(refused - 1).status, 409);
}

#[test]
fn a_full_disk_is_survived_when_the_log_cannot_be_written_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).file_size(FULL).log("/dev/full").start();
    let refused = fill(&gateway);
    gateway.lift_file_size();
    eventually("the gateway recovers", || gateway.get("/readyz").status == 200);
    assert_eq!(claim(&gateway, refused).status, 200);
}

#[test]
fn a_queued_message_is_not_refused_when_the_disk_fills_up_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).file_size(FULL).flag("--ack-wait", "15s").start();
    let _token = gateway.claim("phone");
    let operator = Operator::of(&gateway);
    let answer = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let path = "/operator/prospects/phone/messages?wait=ack";
            operator.call("POST", path).json(&json!({"data": 1})).send()
        });
        eventually("it is queued", || operator.unacknowledged("phone") == 1);
        let _ = fill(&gateway);
        sending.join().expect("an answer")
    });
    assert_eq!((answer.status, &answer.json()["acknowledged"]), (202, &json!(false)));
}

#[test]
fn a_full_disk_closes_a_sending_socket_with_4103() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).file_size(FULL).start();
    let token = gateway.claim("phone");
    let mut prospect = Prospect::open_with(&gateway, &token, "phone");
    let data = json!("x".repeat(2000)).to_string();
    let mut accepted = 0;
    let code = loop {
        prospect.send_message(&format!("message-{accepted}"), &data);
        let frame = prospect.socket.frame();
        if frame["type"] == "bye" {
            break frame["code"].clone();
        }
        assert_eq!(frame["type"], "accepted");
        accepted += 1;
    };
    assert_eq!(code, 4103);
    gateway.lift_file_size();
    eventually("the gateway recovers", || gateway.get("/readyz").status == 200);
    let mut prospect = Prospect::open_with(&gateway, &token, "phone");
    prospect.deliver(&format!("message-{accepted}"), &data);
    let said = Operator::of(&gateway).history_of("phone");
    let said = said.iter().filter(|event| event.kind == "message").count();
    assert_eq!(said, accepted + 1);
}
