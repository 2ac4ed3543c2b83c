//! What the operator sees of prospects, and how it ends them.

use serde_json::{Value, json};
use tests::{Answer, DEVICE, Gateway, Operator, Prospect, half_ref};
use tungstenite::Message;

use crate::{kinds, patient};

/// Claims a device and opens its socket; gives the token as well.
fn claimed(gateway: &Gateway) -> (Prospect, String) {
    let token = gateway.claim(DEVICE);
    (Prospect::open_with(gateway, &token, DEVICE), token)
}

mod get {
    use super::*;

    #[test]
    fn a_device_without_a_socket_is_shown_as_such() {
        let gateway = Gateway::trial();
        let _ = gateway.token(DEVICE);
        let shown = Operator::of(&gateway).prospect(DEVICE).ok();
        assert_eq!(shown, json!({"deviceTag": DEVICE, "connected": false, "unacknowledged": 0}));
    }

    #[test]
    fn a_device_with_a_socket_is_shown_with_it() {
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
                "unacknowledged": 0
            })
        );
    }

    #[test]
    fn the_link_of_the_authorisation_is_shown() {
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
    fn messages_that_are_not_acknowledged_are_counted() {
        let gateway = Gateway::trial();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        let operator = Operator::of(&gateway);
        for _ in 0..3 {
            operator.queue(DEVICE, "1");
        }
        assert_eq!(operator.unacknowledged(DEVICE), 3);
        prospect.numbers(3);
        prospect.ack(2);
        assert!(prospect.has_read_all());
        assert_eq!(operator.unacknowledged(DEVICE), 1);
    }

    #[test]
    fn a_socket_that_took_over_is_the_one_that_is_shown() {
        let gateway = Gateway::trial();
        let _older = Prospect::open(&gateway, DEVICE);
        let newer = Prospect::open(&gateway, DEVICE);
        let shown = Operator::of(&gateway).prospect(DEVICE).ok();
        assert_eq!(shown["connectionId"], newer.hello["connectionId"]);
    }

    #[test]
    fn a_device_that_left_is_not_connected() {
        let gateway = Gateway::trial();
        drop(Prospect::open(&gateway, DEVICE));
        let operator = Operator::of(&gateway);
        operator.events_after("0").until(|event| event.kind == "disconnected");
        let shown = operator.prospect(DEVICE).ok();
        assert_eq!(shown, json!({"deviceTag": DEVICE, "connected": false, "unacknowledged": 0}));
    }

    #[test]
    fn a_device_that_is_not_known_is_not_found() {
        let gateway = Gateway::trial();
        for device in [DEVICE, "a%20b"] {
            let answer = Operator::of(&gateway).prospect(device);
            assert_eq!(answer.status, 404, "{device}");
            assert_eq!(answer.problem_name(), "unknown-device", "{device}");
        }
    }
}

mod list {
    use super::*;

    /// The devices on a page, and the query of the next.
    fn page(answer: &Answer) -> (Vec<String>, Option<String>) {
        let page = answer.ok();
        let tag = |item: &Value| item["deviceTag"].as_str().expect("a tag").to_owned();
        let items = page["items"].as_array().expect("items").iter().map(tag).collect();
        let next = page.get("nextCursor").map(|next| next.as_str().expect("text").to_owned());
        (items, next)
    }

    /// The devices on the page after this one.
    fn next(gateway: &Gateway, limit: u32, cursor: &str) -> (Vec<String>, Option<String>) {
        page(&Operator::of(gateway).prospects(&format!("?limit={limit}&cursor={cursor}")))
    }

    fn open(gateway: &Gateway, devices: &[&str]) -> Vec<Prospect> {
        devices.iter().map(|device| Prospect::open(gateway, device)).collect()
    }

    #[test]
    fn nobody_is_an_empty_page() {
        let gateway = Gateway::trial();
        let _ = gateway.token(DEVICE);
        assert_eq!(Operator::of(&gateway).prospects("").ok(), json!({"items": []}));
    }

    #[test]
    fn a_device_is_listed_as_it_is_shown() {
        let gateway = Gateway::trial();
        let _prospect = Prospect::open(&gateway, DEVICE);
        let operator = Operator::of(&gateway);
        operator.queue(DEVICE, "1");
        let listed = operator.prospects("").ok();
        assert_eq!(listed, json!({"items": [operator.prospect(DEVICE).ok()]}));
    }

    #[test]
    fn only_who_is_connected_is_listed() {
        let gateway = Gateway::trial();
        let _ = gateway.token("never-connected");
        drop(Prospect::open(&gateway, "left"));
        let operator = Operator::of(&gateway);
        operator.events_after("0").until(|event| event.kind == "disconnected");
        let _here = Prospect::open(&gateway, "here");
        assert_eq!(page(&operator.prospects("")), (vec!["here".to_owned()], None));
    }

    #[test]
    fn devices_are_in_the_order_of_their_tags() {
        let gateway = Gateway::trial();
        let _open = open(&gateway, &["b", "a.b", "~", "B", "a", "10", "9", "ab"]);
        let listed = page(&Operator::of(&gateway).prospects("")).0;
        assert_eq!(listed, ["10", "9", "B", "a", "a.b", "ab", "b", "~"]);
    }

    #[test]
    fn pages_follow_one_another() {
        let gateway = Gateway::trial();
        let _open = open(&gateway, &["a", "b", "c", "d", "e"]);
        let (one, cursor) = page(&Operator::of(&gateway).prospects("?limit=2"));
        let (two, cursor) = next(&gateway, 2, &cursor.expect("a cursor"));
        let (three, end) = next(&gateway, 2, &cursor.expect("a cursor"));
        assert_eq!([one, two, three].concat(), ["a", "b", "c", "d", "e"]);
        assert_eq!(end, None);
    }

    #[test]
    fn a_page_that_just_holds_everyone_is_the_last() {
        let gateway = Gateway::trial();
        let _open = open(&gateway, &["a", "b"]);
        let (_, end) = page(&Operator::of(&gateway).prospects("?limit=2"));
        assert_eq!(end, None);
    }

    #[test]
    fn who_stays_is_listed_once_while_others_come_and_go() {
        let gateway = patient();
        let operator = Operator::of(&gateway);
        let mut here = open(&gateway, &["b", "d", "f", "h"]);
        let mut events = operator.events();
        let (one, cursor) = page(&operator.prospects("?limit=2"));
        assert_eq!(one, ["b", "d"]);
        // The device that the cursor is of goes, and others come on both sides of it.
        drop(here.remove(1));
        assert_eq!(events.event().kind, "disconnected");
        let _came = open(&gateway, &["a", "c", "e", "g"]);
        let (two, cursor) = next(&gateway, 2, &cursor.expect("a cursor"));
        let (three, cursor) = next(&gateway, 2, &cursor.expect("a cursor"));
        assert_eq!([two, three].concat(), ["e", "f", "g", "h"]);
        assert_eq!(cursor, None);
    }

    #[test]
    fn a_cursor_after_which_nobody_is_left_gets_an_empty_page() {
        let gateway = patient();
        let operator = Operator::of(&gateway);
        let mut here = open(&gateway, &["a", "b"]);
        let mut events = operator.events();
        let (_, cursor) = page(&operator.prospects("?limit=1"));
        drop(here.remove(1));
        assert_eq!(events.event().kind, "disconnected");
        assert_eq!(next(&gateway, 1, &cursor.expect("a cursor")), (Vec::new(), None));
    }

    #[test]
    fn a_longest_tag_can_be_where_a_page_ends() {
        let gateway = Gateway::trial();
        let longest = "x".repeat(128);
        let _open = open(&gateway, &[&longest, "y"]);
        let (_, cursor) = page(&Operator::of(&gateway).prospects("?limit=1"));
        assert_eq!(next(&gateway, 1, &cursor.expect("a cursor")).0, ["y"]);
    }

    #[test]
    fn the_smallest_and_the_largest_limit_are_taken() {
        let gateway = Gateway::trial();
        for limit in [1, 1000] {
            Operator::of(&gateway).prospects(&format!("?limit={limit}")).succeeds();
        }
    }

    #[test]
    fn a_parameter_that_breaks_a_rule_is_refused() {
        let gateway = Gateway::trial();
        for query in [
            "?limit=0",
            "?limit=1001",
            "?limit=-1",
            "?limit=1.5",
            "?limit=",
            "?limit=x",
            "?limit=1&limit=1",
            "?cursor=!",
            "?cursor=",
            "?cursor=..",
            "?cursor=a%20b",
            "?colour=red",
        ] {
            let answer = Operator::of(&gateway).prospects(query);
            assert_eq!(answer.status, 422, "{query}");
            assert_eq!(answer.problem_name(), "invalid-parameter", "{query}");
        }
    }
}

/// How a device's record is ended: by the operator, or by the prospect with its token.
type End = fn(&Gateway, &str) -> Answer;

const ENDS: [(&str, End); 2] = [
    ("disconnectProspect", |gateway, _| Operator::of(gateway).disconnect(DEVICE)),
    ("revokeToken", |gateway, token| gateway.revoke_token(token)),
];

mod end {
    use super::*;

    #[test]
    fn the_socket_is_closed() {
        for (how, end) in ENDS {
            let gateway = Gateway::trial();
            let (mut prospect, token) = claimed(&gateway);
            let answer = end(&gateway, &token);
            assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{how}");
            let bye = Some(json!({"type": "bye", "code": 4003}));
            assert_eq!(prospect.socket.closed(), (4003, bye), "{how}");
        }
    }

    #[test]
    fn the_token_ends() {
        for (how, end) in ENDS {
            let gateway = Gateway::trial();
            let token = gateway.claim(DEVICE);
            let _ = end(&gateway, &token);
            let answer = gateway.connect_socket(&token, DEVICE, &half_ref());
            assert_eq!(answer.problem_name(), "token-unknown", "{how}");
        }
    }

    #[test]
    fn the_device_is_not_known_any_more() {
        for (how, end) in ENDS {
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
    fn the_device_can_be_claimed_by_anyone() {
        for (_, end) in ENDS {
            let gateway = Gateway::trial();
            let token = gateway.claim(DEVICE);
            let _ = end(&gateway, &token);
            gateway.request_token("ios", DEVICE, None).succeeds();
        }
    }

    #[test]
    fn what_was_not_acknowledged_becomes_expired_events() {
        for (how, end) in ENDS {
            let gateway = patient();
            let (mut prospect, token) = claimed(&gateway);
            let operator = Operator::of(&gateway);
            for _ in 0..3 {
                operator.queue(DEVICE, "1");
            }
            prospect.numbers(3);
            prospect.ack(1);
            assert!(prospect.has_read_all());
            let _ = end(&gateway, &token);
            let events = operator.history_of(DEVICE);
            assert_eq!(
                kinds(&events),
                ["connected", "disconnected", "expired", "expired"],
                "{how}"
            );
            assert_eq!(events[1].json()["code"], 4003, "{how}");
            for (event, seq) in events[2..].iter().zip(2..) {
                assert_eq!(event.json()["seq"], seq, "{how}");
                assert_eq!(event.json()["epoch"], prospect.hello["epoch"], "{how}");
            }
        }
    }

    #[test]
    fn a_new_record_begins_anew() {
        for (how, end) in ENDS {
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
            assert_eq!(prospect.message().data, r#""anew""#, "{how}");
        }
    }

    #[test]
    fn ids_and_keys_are_forgotten() {
        for (how, end) in ENDS {
            let gateway = patient();
            let operator = Operator::of(&gateway);
            let send = |data: u32| {
                let call = operator.message(DEVICE).header("idempotency-key", "a-key");
                call.json(&json!({"data": data})).send().status
            };
            let (mut prospect, token) = claimed(&gateway);
            prospect.tell("m1", "1");
            assert_eq!(send(1), 202);
            let _ = end(&gateway, &token);
            let (mut prospect, _) = claimed(&gateway);
            prospect.tell("m1", "1");
            assert_eq!(send(2), 202, "{how}");
            let events = operator.history_of(DEVICE);
            assert_eq!(crate::message_ids(&events), ["m1", "m1"], "{how}");
        }
    }

    #[test]
    fn an_authorisation_that_waits_ends() {
        for (how, end) in ENDS {
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
    fn it_can_be_repeated() {
        for (how, end) in ENDS {
            let gateway = Gateway::trial();
            let token = gateway.claim(DEVICE);
            assert_eq!([(); 3].map(|()| end(&gateway, &token).status), [204; 3], "{how}");
        }
    }

    #[test]
    fn a_device_that_was_never_known_can_be_disconnected() {
        let gateway = Gateway::trial();
        assert_eq!(Operator::of(&gateway).disconnect(DEVICE).status, 204);
    }

    #[test]
    fn what_cannot_be_a_device_tag_is_not_found() {
        let gateway = Gateway::trial();
        assert_eq!(Operator::of(&gateway).disconnect("a%20b").problem_name(), "not-found");
    }

    #[test]
    fn another_device_is_left_alone() {
        for (how, end) in ENDS {
            let gateway = Gateway::trial();
            let (_prospect, token) = claimed(&gateway);
            let mut other = Prospect::open(&gateway, "another-device");
            let _ = end(&gateway, &token);
            Operator::of(&gateway).queue("another-device", "1");
            assert_eq!(other.numbers(1), [1], "{how}");
        }
    }

    #[test]
    fn what_is_said_after_the_end_does_not_happen() {
        for (how, end) in ENDS {
            let gateway = patient();
            let (mut prospect, token) = claimed(&gateway);
            let _ = end(&gateway, &token);
            // The gateway may have closed already; then there is nobody to send to.
            let message = r#"{"type":"message","id":"m1","data":1}"#;
            prospect.socket.send(Message::text(message));
            let events = Operator::of(&gateway).history_of(DEVICE);
            assert_eq!(kinds(&events), ["connected", "disconnected"], "{how}");
        }
    }
}
