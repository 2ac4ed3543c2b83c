//! An open socket. What RFC 6455 demands of any server is in `autobahn`.

use std::fs;

use serde_json::{Value, json};
use tests::{DEVICE, Gateway, Socket, gateway::eventually, half_ref};
use tungstenite::Message;

use crate::{
    authorise, authorised,
    wire::{
        CLOSE, CONTINUATION, FINAL, Frame, Handshake, PING, PING_FRAME, PONG, Peer, TEXT,
        announced_continuation, announced_text, frame, text, unmasked,
    },
};

/// The largest message of a prospect by default, in bytes.
const LARGEST: usize = 4096;

/// An open socket, past its `hello`.
fn opened(gateway: &Gateway, device: &str) -> Socket {
    let mut socket = Socket::open(gateway, &authorised(gateway, device));
    socket.hello();
    socket
}

/// The open socket of a client that answers nothing by itself, past its `hello`.
fn raw(gateway: &Gateway, device: &str) -> Peer {
    let mut peer = Handshake::of(gateway, &authorised(gateway, device)).opened(gateway);
    peer.hello();
    peer
}

/// An open socket of a claimed device, past its `hello`, and the device's token.
fn claimed(gateway: &Gateway, device: &str) -> (Socket, String) {
    let token = gateway.claim(device);
    let half_ref = half_ref();
    authorise(gateway, &token, device, &half_ref);
    let mut socket = Socket::open(gateway, &half_ref);
    socket.hello();
    (socket, token)
}

/// Whether a socket still works in both directions.
fn lives(socket: &mut Socket) -> bool {
    socket.send(Message::text(r#"{"type":"ping"}"#));
    socket.frame() == json!({"type": "pong"})
}

/// A close after which the client must not reconnect by itself.
fn final_bye(code: u16) -> (u16, Option<Value>) {
    (code, Some(json!({"type": "bye", "code": code})))
}

/// Asserts that each of these closes the socket with `code`, without a `bye`.
fn all_close_without_bye(code: u16, cases: &[(&str, Vec<u8>)]) {
    let gateway = Gateway::trial();
    for (place, (what, sent)) in cases.iter().enumerate() {
        let mut peer = raw(&gateway, &format!("device-{place}"));
        peer.send(sent);
        assert_eq!(peer.closed(), (code, None), "{what}");
    }
}

/// The peak memory of a gateway, in KiB.
fn peak_memory(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.expect("the kernel has VmHWM").trim();
    line.strip_suffix(" kB").and_then(|size| size.parse().ok()).expect("a number")
}

fn pong() -> Frame {
    Frame { head: FINAL | TEXT, payload: br#"{"type":"pong"}"#.to_vec() }
}

mod hello {
    use super::*;

    #[test]
    fn hello_names_the_connection_the_epoch_and_the_heartbeat() {
        let gateway = Gateway::trial();
        let hello = Socket::open(&gateway, &authorised(&gateway, DEVICE)).hello();
        assert!(!hello["connectionId"].as_str().expect("text").is_empty());
        assert!(!hello["epoch"].as_str().expect("text").is_empty());
        assert_eq!(hello["heartbeat"], 25);
    }

    #[test]
    fn hello_has_the_configured_heartbeat() {
        let gateway = Gateway::builder().flag("--heartbeat", "7s").start();
        let hello = Socket::open(&gateway, &authorised(&gateway, DEVICE)).hello();
        assert_eq!(hello["heartbeat"], 7);
    }

    #[test]
    fn sockets_of_one_device_have_one_epoch_and_different_connections() {
        let gateway = Gateway::trial();
        let hello = || Socket::open(&gateway, &authorised(&gateway, DEVICE)).hello();
        let (one, other) = (hello(), hello());
        assert_eq!(one["epoch"], other["epoch"]);
        assert_ne!(one["connectionId"], other["connectionId"]);
    }

    #[test]
    fn two_devices_have_different_epochs() {
        let gateway = Gateway::trial();
        let hello = |device| Socket::open(&gateway, &authorised(&gateway, device)).hello();
        assert_ne!(hello("phone")["epoch"], hello("tablet")["epoch"]);
    }
}

mod pings {
    use super::*;

    #[test]
    fn a_ping_frame_is_answered_with_a_pong_frame() {
        let gateway = Gateway::trial();
        let mut socket = opened(&gateway, DEVICE);
        socket.send(Message::text(r#"{"type":"ping"}"#));
        assert_eq!(socket.frame(), json!({"type": "pong"}));
    }

    #[test]
    fn a_client_that_answers_pings_is_pinged_at_every_heartbeat() {
        let gateway = Gateway::builder().flag("--heartbeat", "50ms").start();
        let mut peer = raw(&gateway, DEVICE);
        for _ in 0..4 {
            let ping = peer.frame();
            assert_eq!(ping.head, FINAL | PING);
            peer.send(&frame(FINAL | PONG, &ping.payload));
        }
    }

    #[test]
    fn a_client_that_does_not_answer_a_ping_is_closed() {
        let gateway =
            Gateway::builder().flag("--heartbeat", "300ms").flag("--pong-timeout", "300ms").start();
        let mut peer = raw(&gateway, DEVICE);
        assert_eq!(peer.frame().head, FINAL | PING);
        let (code, bye) = peer.closed();
        assert_eq!(code, 4201);
        assert_eq!(bye, Some(json!({"type": "bye", "code": 4201, "retryAfterMs": 0})));
    }

    #[test]
    fn only_a_pong_answers_a_ping() {
        let gateway =
            Gateway::builder().flag("--heartbeat", "300ms").flag("--pong-timeout", "300ms").start();
        let mut peer = raw(&gateway, DEVICE);
        assert_eq!(peer.frame().head, FINAL | PING);
        peer.send(&text(PING_FRAME));
        assert_eq!(peer.frame(), pong());
        // If that answered the ping, another ping would come first.
        assert_eq!(peer.frame().json()["code"], 4201);
    }
}

mod closing {
    use super::*;

    #[test]
    fn a_newer_socket_supersedes_the_older() {
        let gateway = Gateway::trial();
        let mut older = opened(&gateway, DEVICE);
        let mut newer = opened(&gateway, DEVICE);
        assert_eq!(older.closed(), final_bye(4004));
        assert!(lives(&mut newer));
    }

    #[test]
    fn sockets_of_two_devices_are_independent() {
        let gateway = Gateway::trial();
        let mut phone = opened(&gateway, "phone");
        let mut tablet = opened(&gateway, "tablet");
        assert!(lives(&mut phone));
        assert!(lives(&mut tablet));
    }

    #[test]
    fn a_revoked_token_closes_its_socket() {
        let gateway = Gateway::trial();
        let (mut socket, token) = claimed(&gateway, DEVICE);
        assert_eq!(gateway.revoke_token(&token).status, 204);
        assert_eq!(socket.closed(), final_bye(4003));
    }

    #[test]
    fn a_claim_closes_the_socket_of_the_test_channel() {
        let gateway = Gateway::trial();
        let mut socket = opened(&gateway, DEVICE);
        let _claim = gateway.claim(DEVICE);
        assert_eq!(socket.closed(), final_bye(4003));
    }

    #[test]
    fn an_expired_token_closes_its_socket() {
        let gateway = Gateway::builder().flag("--token-ttl", "3s").start();
        let (code, bye) = opened(&gateway, DEVICE).closed();
        assert_eq!(code, 4202);
        assert_eq!(bye, Some(json!({"type": "bye", "code": 4202, "retryAfterMs": 0})));
    }

    #[test]
    fn a_renewed_token_keeps_its_socket() {
        let gateway = Gateway::builder()
            .flag("--token-ttl", "3s")
            .flag("--authorisations-per-second", "1000")
            .start();
        let (mut socket, mut newest) = claimed(&gateway, DEVICE);
        // A token that was issued after the first one and expires after it.
        let later = gateway.token("another-device");
        eventually("the later token expires", || {
            newest = gateway.request_token("browser", DEVICE, Some(&newest)).token();
            let answer = gateway.connect_socket(&later, "another-device", &half_ref());
            answer.status == 401 && answer.problem_name() == "token-expired"
        });
        assert!(lives(&mut socket));
    }

    #[test]
    fn a_gateway_that_shuts_down_says_when_to_reconnect() {
        let gateway = Gateway::trial();
        let mut socket = opened(&gateway, DEVICE);
        gateway.signal("TERM");
        let (code, bye) = socket.closed();
        assert_eq!(code, 4200);
        let bye = bye.expect("a bye");
        assert_eq!(bye["code"], 4200);
        assert!(bye["retryAfterMs"].as_u64().expect("a number") > 0);
    }

    #[test]
    fn sigterm_ends_a_gateway_with_open_sockets() {
        let mut gateway = Gateway::trial();
        let _sockets = ["phone", "tablet"].map(|device| opened(&gateway, device));
        gateway.signal("TERM");
        assert!(gateway.ended().success());
    }

    fn with_one_socket() -> Gateway {
        Gateway::builder().flag("--sockets-per-address", "1").start()
    }

    /// Asserts that the address may open another socket soon.
    fn another_socket_opens(gateway: &Gateway) {
        let half_ref = authorised(gateway, "another-device");
        eventually("another socket opens", || {
            let (answer, mut peer) = Handshake::of(gateway, &half_ref).send(gateway);
            if answer.status == 101 {
                peer.hello();
            }
            answer.status == 101
        });
    }

    #[test]
    fn a_socket_that_the_client_closes_does_not_count() {
        let gateway = with_one_socket();
        let mut peer = raw(&gateway, DEVICE);
        peer.send(&frame(FINAL | CLOSE, &1000_u16.to_be_bytes()));
        assert_eq!(peer.frame().close_code(), 1000);
        another_socket_opens(&gateway);
    }

    #[test]
    fn a_socket_whose_connection_is_lost_does_not_count() {
        let gateway = with_one_socket();
        drop(raw(&gateway, DEVICE));
        another_socket_opens(&gateway);
    }

    #[test]
    fn a_socket_that_the_gateway_closes_does_not_count() {
        let gateway = with_one_socket();
        let mut peer = raw(&gateway, DEVICE);
        peer.send(&text("no JSON"));
        assert_eq!(peer.closed().0, 4000);
        another_socket_opens(&gateway);
    }
}

mod frames {
    use super::*;

    #[test]
    fn a_text_that_is_no_frame_of_the_contract_closes_the_socket() {
        let gateway = Gateway::trial();
        let wrongs = [
            "",
            "ping",
            "{",
            r#"{"type":"ping"}{"type":"ping"}"#,
            "null",
            r#""ping""#,
            r#"["ping"]"#,
            r#"[{"type":"ping"}]"#,
            "{}",
            r#"{"type":null}"#,
            r#"{"type":7}"#,
            r#"{"type":"Ping"}"#,
            r#"{"type":"hello"}"#,
            r#"{"type":"pong"}"#,
            r#"{"type":"ping","type":"ping"}"#,
        ];
        for (place, wrong) in wrongs.into_iter().enumerate() {
            let mut peer = raw(&gateway, &format!("device-{place}"));
            peer.send(&text(wrong));
            assert_eq!(peer.closed(), final_bye(4000), "{wrong}");
        }
    }

    #[test]
    fn breaches_that_autobahn_does_not_test_close_the_socket() {
        all_close_without_bye(
            1002,
            &[
                ("not masked", unmasked(FINAL | TEXT, PING_FRAME)),
                ("a close in fragments", frame(CLOSE, b"")),
                (
                    "a message inside of another one",
                    [frame(TEXT, b"{"), frame(TEXT, b"{")].concat(),
                ),
            ],
        );
    }

    /// A ping frame of the contract of this length.
    fn padded_ping(length: usize) -> Vec<u8> {
        let mut ping = PING_FRAME.to_vec();
        ping.resize(length, b' ');
        ping
    }

    #[test]
    fn a_message_of_the_largest_size_is_accepted() {
        let gateway = Gateway::trial();
        let mut peer = raw(&gateway, DEVICE);
        peer.send(&text(padded_ping(LARGEST)));
        assert_eq!(peer.frame(), pong());
    }

    #[test]
    fn a_message_over_the_largest_size_closes_the_socket() {
        all_close_without_bye(
            1009,
            &[
                ("by one", text(padded_ping(LARGEST + 1))),
                ("by far", text(padded_ping(20 * LARGEST))),
            ],
        );
    }

    #[test]
    fn the_largest_size_is_configurable() {
        let gateway = Gateway::builder().flag("--inbound-frame-bytes", "100").start();
        let mut peer = raw(&gateway, DEVICE);
        peer.send(&text(padded_ping(100)));
        assert_eq!(peer.frame(), pong());
        peer.send(&text(padded_ping(101)));
        assert_eq!(peer.closed(), (1009, None));
    }

    #[test]
    fn fragments_of_the_largest_size_together_are_accepted() {
        let gateway = Gateway::trial();
        let mut peer = raw(&gateway, DEVICE);
        let ping = padded_ping(LARGEST);
        let (one, other) = ping.split_at(LARGEST / 2);
        peer.send(&[frame(TEXT, one), frame(FINAL | CONTINUATION, other)].concat());
        assert_eq!(peer.frame(), pong());
    }

    #[test]
    fn fragments_over_the_largest_size_together_close_the_socket() {
        let ping = padded_ping(LARGEST + 1);
        let (one, other) = ping.split_at(LARGEST / 2);
        let (more, rest) = other.split_at(LARGEST / 2);
        all_close_without_bye(
            1009,
            &[
                ("at the last", [frame(TEXT, one), frame(FINAL | CONTINUATION, other)].concat()),
                (
                    "before the last",
                    [frame(TEXT, one), frame(CONTINUATION, more), frame(CONTINUATION, rest)]
                        .concat(),
                ),
            ],
        );
    }

    #[test]
    fn a_length_over_the_largest_closes_the_socket_at_once() {
        let over = LARGEST as u64 + 1;
        all_close_without_bye(
            1009,
            &[
                ("by one", announced_text(over)),
                ("by far", announced_text(1 << 40)),
                ("together", [frame(TEXT, b"{"), announced_continuation(over - 1)].concat()),
            ],
        );
    }

    #[test]
    fn bytes_after_the_close_take_no_memory() {
        let gateway = Gateway::trial();
        let wrong = [("a-breach", unmasked(FINAL | TEXT, b"")), ("no-frame", text("{"))];
        // The pages of the program count too, from their first use on.
        for (_, wrong) in &wrong {
            let mut peer = raw(&gateway, "before");
            peer.send(wrong);
            peer.closed();
        }
        let before = peak_memory(&gateway);
        for (device, wrong) in wrong {
            let mut peer = raw(&gateway, device);
            peer.send(&wrong);
            peer.closed();
            let flood = text(PING_FRAME).repeat(1024);
            // The gateway drops the connection after a while.
            for _ in 0..2000 {
                if peer.try_send(&flood).is_err() {
                    break;
                }
            }
        }
        let after = peak_memory(&gateway);
        assert!(after - before < 8 * 1024, "{before} KiB, {after} KiB");
    }

    #[test]
    fn tiny_fragments_count_against_the_rate() {
        let gateway = Gateway::builder().flag("--frames-per-second", "1").start();
        let mut peer = raw(&gateway, DEVICE);
        peer.send(&frame(TEXT, b""));
        for _ in 0..100 {
            peer.send(&frame(CONTINUATION, b""));
        }
        assert_eq!(peer.closed().0, 4101);
    }

    #[test]
    fn large_fragments_count_once_with_their_message() {
        let gateway = Gateway::builder()
            .flag("--frames-per-second", "1")
            .flag("--inbound-frame-bytes", "1000000")
            .start();
        let mut peer = raw(&gateway, DEVICE);
        let ping = padded_ping(500 * 1024);
        let mut fragments = ping.chunks(1024);
        peer.send(&frame(TEXT, fragments.next().expect("a fragment")));
        for fragment in fragments {
            peer.send(&frame(CONTINUATION, fragment));
        }
        peer.send(&frame(FINAL | CONTINUATION, b""));
        assert_eq!(peer.frame(), pong());
    }

    #[test]
    fn frames_in_one_segment_are_answered_in_order() {
        let gateway = Gateway::trial();
        let mut peer = raw(&gateway, DEVICE);
        let sent = [
            text(PING_FRAME),
            frame(FINAL | PING, b"1"),
            text(PING_FRAME),
            frame(FINAL | PING, b"2"),
            text(PING_FRAME),
        ];
        peer.send(&sent.concat());
        let heads = [(); 5].map(|()| peer.frame().head & 0xF);
        assert_eq!(heads, [TEXT, PONG, TEXT, PONG, TEXT]);
    }

    #[test]
    fn a_frame_may_arrive_byte_by_byte() {
        let gateway = Gateway::trial();
        let mut peer = raw(&gateway, DEVICE);
        for sent in [text(PING_FRAME), text(padded_ping(200))] {
            for byte in sent {
                peer.send(&[byte]);
            }
            assert_eq!(peer.frame(), pong());
        }
    }

    #[test]
    fn a_frame_may_arrive_with_the_beginning_of_the_next() {
        let gateway = Gateway::trial();
        let mut peer = raw(&gateway, DEVICE);
        let sent = [text(PING_FRAME), text(PING_FRAME)].concat();
        let (one, other) = sent.split_at(sent.len() / 2 + 3);
        peer.send(one);
        assert_eq!(peer.frame(), pong());
        peer.send(other);
        assert_eq!(peer.frame(), pong());
    }

    #[test]
    fn the_first_frame_may_arrive_with_the_handshake() {
        let gateway = Gateway::trial();
        let handshake = Handshake::of(&gateway, &authorised(&gateway, DEVICE));
        let mut peer = Peer::connect(&gateway);
        peer.send(&[handshake.bytes(), text(PING_FRAME)].concat());
        assert_eq!(peer.answer().status, 101);
        peer.hello();
        assert_eq!(peer.frame(), pong());
    }
}
