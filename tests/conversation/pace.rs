//! Prospects that send too fast, and prospects and operators that do not read.

use std::fs;

use serde_json::json;
use tests::{DEVICE, Gateway, Operator, Prospect};
use tungstenite::Message;

use crate::message_ids;

mod too_fast {
    use super::*;

    #[test]
    fn a_short_flood_loses_no_message() {
        let gateway = Gateway::builder().flag("--frames-per-second", "100").start();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        let ids: Vec<_> = (0..300).map(|id| id.to_string()).collect();
        for id in &ids {
            prospect.send_message(id, "1");
        }
        for id in &ids {
            assert_eq!(prospect.socket.frame(), json!({"type": "accepted", "id": id}));
        }
        assert_eq!(message_ids(&Operator::of(&gateway).history_of(DEVICE)), ids);
    }

    #[test]
    fn messages_are_delivered_during_a_flood() {
        let gateway = Gateway::builder().flag("--frames-per-second", "10").start();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        for _ in 0..80 {
            prospect.send(r#"{"type":"ping"}"#);
        }
        // As many pongs as the burst allows; after that the gateway reads slower.
        for _ in 0..20 {
            assert_eq!(prospect.socket.frame(), json!({"type": "pong"}));
        }
        Operator::of(&gateway).queue(DEVICE, "1");
        let frames: Vec<_> = (0..61).map(|_| prospect.socket.frame()["type"].clone()).collect();
        let place = frames.iter().position(|kind| kind == "message");
        assert!(place.is_some_and(|place| place < 60), "{place:?}");
    }

    #[test]
    fn a_long_flood_closes_the_socket() {
        let gateway = Gateway::trial();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        for _ in 0..2000 {
            prospect.send(r#"{"type":"ping"}"#);
        }
        let mut pongs = 0;
        let bye = loop {
            let frame = prospect.socket.frame();
            if frame["type"] == "bye" {
                break frame;
            }
            assert_eq!(frame, json!({"type": "pong"}));
            pongs += 1;
        };
        assert_eq!(bye["code"], 4101);
        assert!(bye["retryAfterMs"].as_u64().expect("a number") > 0);
        assert!(
            matches!(prospect.socket.receive(), Message::Close(Some(close)) if u16::from(close.code) == 4101)
        );
        // Forty at once and twenty a second for ten seconds, by the gateway's own clock.
        assert!((240..2000).contains(&pongs), "{pongs}");
    }

    #[test]
    fn a_flood_of_websocket_pings_counts_as_one() {
        let gateway = Gateway::builder().flag("--frames-per-second", "1").start();
        let mut prospect = Prospect::open(&gateway, DEVICE);
        for _ in 0..100 {
            prospect.socket.send(Message::Ping("x".into()));
        }
        loop {
            match prospect.socket.receive() {
                Message::Pong(_) => {}
                Message::Text(bye) => {
                    assert!(bye.contains("4101"), "{bye}");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

mod too_slow {
    use super::*;

    /// The most memory that the device's messages and the gateway's work may add, in KiB.
    const GROWTH_AT_MOST: u64 = 24 * 1024;

    /// The anonymous memory of the gateway's process, in KiB.
    fn memory(gateway: &Gateway) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let line = line.expect("RssAnon").trim();
        line.strip_suffix(" kB").and_then(|size| size.parse().ok()).expect("a number")
    }

    #[test]
    fn a_prospect_that_does_not_read_costs_at_most_its_outbox() {
        let gateway = Gateway::builder()
            .flag("--outbox-bytes", "8000000")
            .flag("--authorisations-per-second", "1000")
            .start();
        let operator = Operator::of(&gateway);
        let token = gateway.token(DEVICE);
        let mut other = Prospect::open(&gateway, "another-device");
        let before = memory(&gateway);
        let data = format!("\"{}\"", "x".repeat(8 * 1024 - 2));
        for seq in 1..=900 {
            assert_eq!(operator.queue(DEVICE, &data), seq);
        }
        // Each takes over from the one before and is sent everything again.
        let silent: Vec<_> =
            (0..20).map(|_| Prospect::open_with(&gateway, &token, DEVICE)).collect();
        other.deliver("m1", "1");
        operator.queue("another-device", "1");
        assert_eq!(other.receive_seqs(1), [1]);
        let after = memory(&gateway);
        assert!(after.saturating_sub(before) < GROWTH_AT_MOST, "{before} KiB, {after} KiB");
        drop(silent);
    }

    #[test]
    fn a_prospect_that_does_not_read_does_not_hold_up_others() {
        let gateway = Gateway::trial();
        let operator = Operator::of(&gateway);
        let mut silent = Prospect::open(&gateway, DEVICE);
        let mut other = Prospect::open(&gateway, "another-device");
        let data = format!("\"{}\"", "x".repeat(1022));
        for seq in 1..=1000 {
            assert_eq!(operator.queue(DEVICE, &data), seq);
        }
        other.deliver("m1", "1");
        assert_eq!(operator.unacknowledged(DEVICE), 1000);
        assert_eq!(silent.receive_seqs(1000), (1..=1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_prospect_that_does_not_read_is_closed_and_loses_no_message() {
        let gateway = Gateway::builder()
            .flag("--outbox-bytes", "20000000")
            .flag("--pong-timeout", "500ms")
            .start();
        let operator = Operator::of(&gateway);
        let mut events = operator.events();
        let token = gateway.token(DEVICE);
        let silent = Prospect::open_with(&gateway, &token, DEVICE);
        assert_eq!(events.event().kind, "connected");
        let data = format!("\"{}\"", "x".repeat(60 * 1024 - 2));
        for _ in 0..300 {
            operator.queue(DEVICE, &data);
        }
        let event = events.event();
        assert_eq!((event.kind.as_str(), &event.json()["code"]), ("disconnected", &json!(4102)));
        drop(silent);
        let mut prospect = Prospect::open_with(&gateway, &token, DEVICE);
        assert_eq!(prospect.receive_seqs(300), (1..=300).collect::<Vec<_>>());
    }

    #[test]
    fn an_unread_event_stream_holds_up_no_prospect() {
        let gateway = Gateway::builder().flag("--frames-per-second", "1000").start();
        let operator = Operator::of(&gateway);
        let mut prospect = Prospect::open(&gateway, DEVICE);
        let mut stream = operator.events();
        let data = format!("\"{}\"", "x".repeat(3000));
        for id in 0..2000 {
            prospect.deliver(&id.to_string(), &data);
        }
        assert_eq!(message_ids(&stream.events(2000)).len(), 2000);
    }
}
