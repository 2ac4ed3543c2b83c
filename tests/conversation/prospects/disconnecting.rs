//! What `disconnectProspect` and `revokeToken` both do to a device.

use serde_json::json;
use tests::{Answer, DEVICE, Gateway, Operator, Prospect, half_ref};
use tungstenite::Message;

use super::open_claimed;
use crate::{kinds, unlimited};

/// How a device's record is ended: by the operator, or by the prospect with its token.
type Disconnect = fn(&Gateway, &str) -> Answer;

const DISCONNECTS: [(&str, Disconnect); 2] = [
    ("disconnectProspect", |gateway, _| Operator::of(gateway).disconnect(DEVICE)),
    ("revokeToken", |gateway, token| gateway.revoke_token(token)),
];

#[test]
fn the_socket_is_closed() {
    for (how, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let (mut prospect, token) = open_claimed(&gateway);
        let answer = end(&gateway, &token);
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{how}");
        let bye = Some(json!({"type": "bye", "code": 4003}));
        assert_eq!(prospect.socket.closed(), (4003, bye), "{how}");
    }
}

#[test]
fn the_token_is_revoked() {
    for (how, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let token = gateway.claim(DEVICE);
        let _ = end(&gateway, &token);
        let answer = gateway.connect_socket(&token, DEVICE, &half_ref());
        assert_eq!(answer.problem_name(), "token-unknown", "{how}");
    }
}

#[test]
fn the_device_is_unknown_afterwards() {
    for (how, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let token = gateway.claim(DEVICE);
        let _ = end(&gateway, &token);
        let operator = Operator::of(&gateway);
        assert_eq!(operator.prospect(DEVICE).status, 404, "{how}");
        assert_eq!(operator.send(DEVICE, "1").problem_name(), "unknown-device", "{how}");
        assert_eq!(operator.prospects("").ok(), json!({"items": []}), "{how}");
    }
}

#[test]
fn the_device_can_be_claimed_again() {
    for (_, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let token = gateway.claim(DEVICE);
        let _ = end(&gateway, &token);
        gateway.request_token("ios", DEVICE, None).succeeds();
    }
}

#[test]
fn unacknowledged_messages_become_expired_events() {
    for (how, end) in DISCONNECTS {
        let gateway = unlimited();
        let (mut prospect, token) = open_claimed(&gateway);
        let operator = Operator::of(&gateway);
        for _ in 0..3 {
            operator.queue(DEVICE, "1");
        }
        prospect.receive_seqs(3);
        prospect.ack(1);
        assert!(prospect.has_received_all());
        let _ = end(&gateway, &token);
        let events = operator.history_of(DEVICE);
        assert_eq!(kinds(&events), ["connected", "disconnected", "expired", "expired"], "{how}");
        assert_eq!(events[1].json()["code"], 4003, "{how}");
        for (event, seq) in events[2..].iter().zip(2..) {
            assert_eq!(event.json()["seq"], seq, "{how}");
            assert_eq!(event.json()["epoch"], prospect.hello["epoch"], "{how}");
        }
    }
}

#[test]
fn a_new_record_has_a_new_epoch_and_an_empty_outbox() {
    for (how, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let token = gateway.claim(DEVICE);
        let operator = Operator::of(&gateway);
        let before = operator.send(DEVICE, "1").json();
        let _ = end(&gateway, &token);
        let token = gateway.claim(DEVICE);
        let after = operator.send(DEVICE, r#""anew""#).json();
        assert_ne!(after["epoch"], before["epoch"], "{how}");
        assert_eq!(after["seq"], 1, "{how}");
        let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
        assert_eq!(prospect.hello["epoch"], after["epoch"], "{how}");
        assert_eq!(prospect.receive_message().data, r#""anew""#, "{how}");
    }
}

#[test]
fn message_ids_and_idempotency_keys_are_deleted() {
    for (how, end) in DISCONNECTS {
        let gateway = unlimited();
        let operator = Operator::of(&gateway);
        let send = |data: u32| {
            let call = operator.message(DEVICE).header("idempotency-key", "a-key");
            call.json(&json!({"data": data})).send().status
        };
        let (mut prospect, token) = open_claimed(&gateway);
        prospect.deliver("m1", "1");
        assert_eq!(send(1), 202);
        let _ = end(&gateway, &token);
        let (mut prospect, _) = open_claimed(&gateway);
        prospect.deliver("m1", "1");
        assert_eq!(send(2), 202, "{how}");
        let events = operator.history_of(DEVICE);
        assert_eq!(crate::message_ids(&events), ["m1", "m1"], "{how}");
    }
}

#[test]
fn an_open_authorisation_is_revoked() {
    for (how, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let token = gateway.claim(DEVICE);
        let half_ref = half_ref();
        gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
        let _ = end(&gateway, &token);
        let mut socket = tests::Socket::open(&gateway, &half_ref);
        assert_eq!(socket.closed().0, 4003, "{how}");
    }
}

#[test]
fn it_is_repeatable() {
    for (how, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let token = gateway.claim(DEVICE);
        assert_eq!([(); 3].map(|()| end(&gateway, &token).status), [204; 3], "{how}");
    }
}

#[test]
fn disconnecting_an_unknown_device_succeeds() {
    let gateway = Gateway::trial();
    assert_eq!(Operator::of(&gateway).disconnect(DEVICE).status, 204);
}

#[test]
fn an_invalid_device_tag_is_not_found() {
    let gateway = Gateway::trial();
    assert_eq!(Operator::of(&gateway).disconnect("a%20b").problem_name(), "not-found");
}

#[test]
fn other_devices_stay_connected() {
    for (how, end) in DISCONNECTS {
        let gateway = Gateway::trial();
        let (_prospect, token) = open_claimed(&gateway);
        let mut other = Prospect::open(&gateway, "another-device");
        let _ = end(&gateway, &token);
        Operator::of(&gateway).queue("another-device", "1");
        assert_eq!(other.receive_seqs(1), [1], "{how}");
    }
}

#[test]
fn a_message_sent_afterwards_is_dropped() {
    for (how, end) in DISCONNECTS {
        let gateway = unlimited();
        let (mut prospect, token) = open_claimed(&gateway);
        let _ = end(&gateway, &token);
        // The gateway may have closed the socket already.
        let message = r#"{"type":"message","id":"m1","data":1}"#;
        prospect.socket.send(Message::text(message));
        let events = Operator::of(&gateway).history_of(DEVICE);
        assert_eq!(kinds(&events), ["connected", "disconnected"], "{how}");
    }
}
