//! The disk is full for a while: what is refused has not happened, and what was answered stays.

use std::thread;

use serde_json::json;
use tests::{Answer, Bookkeeper, Gateway, Load, Operator, Prospect, gateway::eventually};

use super::{KEY, free_port, journaled, journaled_at};

/// Where the disk ends, in bytes.
const FULL: u64 = 1_500_000;

#[test]
fn a_full_disk_is_503_until_there_is_room_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled_at(free_port(), folder.path()).file_size(FULL).start();
    let bookkeeper = Bookkeeper::start(gateway.authority(), KEY, Load::RESTARTS);
    eventually("the disk is full", || gateway.get("/readyz").status == 503);
    gateway.lift_file_size();
    eventually("the gateway goes on", || gateway.get("/readyz").status == 200);
    let _ = bookkeeper.finish();
}

/// Claims one device after the other until the disk is full; gives the one that was refused.
fn fill(gateway: &Gateway) -> u32 {
    let refused = (1..10_000).find(|n| claim(gateway, *n).status != 200);
    refused.expect("the disk is full at last")
}

fn claim(gateway: &Gateway, n: u32) -> Answer {
    gateway.request_token("browser", &format!("device-{n}"), None)
}

#[test]
fn what_a_full_disk_refuses_has_not_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).file_size(FULL).start();
    let refused = fill(&gateway);
    let claim = |n| claim(&gateway, n);
    let answer = claim(refused);
    assert_eq!((answer.status, answer.problem_name().as_str()), (503, "engine-unavailable"));
    gateway.lift_file_size();
    eventually("the gateway goes on", || gateway.get("/readyz").status == 200);
    // Had the first attempt claimed it, it would be somebody else's now.
    assert_eq!(claim(refused).status, 200);
    assert_eq!(claim(refused - 1).status, 409);
}

#[test]
fn a_log_that_cannot_be_written_is_in_nobodys_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).file_size(FULL).log("/dev/full").start();
    let refused = fill(&gateway);
    gateway.lift_file_size();
    eventually("the gateway goes on", || gateway.get("/readyz").status == 200);
    assert_eq!(claim(&gateway, refused).status, 200);
}

#[test]
fn a_message_that_is_queued_is_not_refused_because_the_disk_is_full_later() {
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
fn a_socket_is_told_to_come_back_later_where_the_disk_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).file_size(FULL).start();
    let token = gateway.claim("phone");
    let mut prospect = Prospect::open_with(&gateway, &token, "phone");
    let data = json!("x".repeat(2000)).to_string();
    let mut accepted = 0;
    let code = loop {
        prospect.say(&format!("message-{accepted}"), &data);
        let frame = prospect.socket.frame();
        if frame["type"] == "bye" {
            break frame["code"].clone();
        }
        assert_eq!(frame["type"], "accepted");
        accepted += 1;
    };
    assert_eq!(code, 4103);
    gateway.lift_file_size();
    eventually("the gateway goes on", || gateway.get("/readyz").status == 200);
    let mut prospect = Prospect::open_with(&gateway, &token, "phone");
    prospect.tell(&format!("message-{accepted}"), &data);
    let said = Operator::of(&gateway).history_of("phone");
    let said = said.iter().filter(|event| event.kind == "message").count();
    assert_eq!(said, accepted + 1);
}
