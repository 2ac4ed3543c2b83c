//! The handshake: what is refused, in which order, and that a refusal changes nothing.

use std::{sync::Barrier, thread, time::Duration};

use serde_json::json;
use tests::{
    Answer, DEVICE, Gateway, Socket,
    gateway::eventually,
    half_ref,
    socket::{handshake, set},
};

use crate::{
    authorise, authorised,
    wire::{Handshake, PING_FRAME, Peer, offer, text},
};

const PROTOCOL: &str = "sec-websocket-protocol";

/// A gateway, and a `halfRef` that is authorised there.
fn ready() -> (Gateway, String) {
    let gateway = Gateway::trial();
    let half_ref = authorised(&gateway, DEVICE);
    (gateway, half_ref)
}

/// Asserts that the handshake is refused in this way, and that its `halfRef` still opens a socket.
fn is_refused(gateway: &Gateway, handshake: &Handshake, half_ref: &str, status: u16, name: &str) {
    let answer = handshake.refused(gateway);
    assert_eq!(
        (answer.status, &*answer.problem_name()),
        (status, name),
        "{}",
        String::from_utf8_lossy(&handshake.bytes())
    );
    Handshake::of(gateway, half_ref).opened(gateway).hello();
}

fn answered(answer: &Answer) -> (u16, String) {
    (answer.status, answer.problem_name())
}

mod opening {
    use super::*;

    #[test]
    fn the_response_selects_only_our_subprotocol() {
        let (gateway, half_ref) = ready();
        let (answer, _peer) = Handshake::of(&gateway, &half_ref).send(&gateway);
        assert_eq!(answer.status, 101);
        let named: Vec<_> = answer.headers.get_all(PROTOCOL).iter().collect();
        assert_eq!(named, ["prospect.v1"]);
        assert!(!format!("{answer:?}").contains(&offer(&half_ref)));
    }

    #[test]
    fn the_response_is_that_of_rfc_6455() {
        let (gateway, half_ref) = ready();
        let (answer, _peer) = Handshake::of(&gateway, &half_ref).send(&gateway);
        // The key and its accept value are the example of the RFC.
        assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.header("upgrade").to_lowercase(), "websocket");
        assert_eq!(answer.header("connection").to_lowercase(), "upgrade");
    }

    #[test]
    fn the_response_has_a_request_id() {
        let (gateway, half_ref) = ready();
        let (answer, _peer) = Handshake::of(&gateway, &half_ref).send(&gateway);
        assert!(!answer.header("x-request-id").is_empty());
    }

    #[test]
    fn the_subprotocols_may_be_in_any_order_and_in_many_headers() {
        let gateway = Gateway::trial();
        for write in [
            |offer: &str| vec![format!("{offer}, prospect.v1")],
            |offer: &str| vec![format!("prospect.v1,{offer}")],
            |offer: &str| vec!["prospect.v1".to_owned(), offer.to_owned()],
            |offer: &str| vec![format!("prospect.v9, prospect.v1, {offer}, mqtt")],
        ] {
            let half_ref = authorised(&gateway, DEVICE);
            let handshake = Handshake::of(&gateway, &half_ref).without(PROTOCOL);
            let lines = write(&offer(&half_ref));
            let handshake =
                lines.iter().fold(handshake, |handshake, line| handshake.and(PROTOCOL, line));
            handshake.opened(&gateway).hello();
        }
    }

    #[test]
    fn upgrade_and_connection_are_case_insensitive() {
        let (gateway, half_ref) = ready();
        Handshake::of(&gateway, &half_ref)
            .with("upgrade", "WebSocket")
            .with("connection", "keep-alive, UPGRADE")
            .opened(&gateway)
            .hello();
    }

    #[test]
    fn the_longest_half_ref_opens() {
        let gateway = Gateway::trial();
        let half_ref = "h".repeat(512);
        authorise(&gateway, &gateway.token(DEVICE), DEVICE, &half_ref);
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn a_half_ref_of_every_visible_character_opens() {
        let gateway = Gateway::trial();
        let half_ref: String = ('!'..='~').collect();
        authorise(&gateway, &gateway.token(DEVICE), DEVICE, &half_ref);
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn of_concurrent_handshakes_with_one_half_ref_only_one_opens() {
        const TRIES: usize = 8;
        let (gateway, half_ref) = ready();
        let start = Barrier::new(TRIES);
        let attempt = || {
            let mut peer = Peer::connect(&gateway);
            start.wait();
            peer.send(&Handshake::of(&gateway, &half_ref).bytes());
            assert_eq!(peer.answer().status, 101);
            peer.frame().json()
        };
        let frames = thread::scope(|scope| {
            let threads = [(); TRIES].map(|()| scope.spawn(attempt));
            threads.map(|thread| thread.join().expect("a frame"))
        });
        let hellos = frames.iter().filter(|frame| frame["type"] == "hello");
        let spent = frames.iter().filter(|frame| frame["code"] == 4001);
        assert_eq!((hellos.count(), spent.count()), (1, TRIES - 1));
    }
}

mod upgrade {
    use super::*;

    #[test]
    fn a_request_without_a_valid_upgrade_is_426() {
        let (gateway, half_ref) = ready();
        let good = Handshake::of(&gateway, &half_ref);
        for (what, wrong) in [
            ("no Upgrade", good.clone().without("upgrade")),
            ("no Connection", good.clone().without("connection")),
            ("another protocol", good.clone().with("upgrade", "h2c")),
            ("a longer name", good.clone().with("upgrade", "websocket-of-mine")),
            ("another connection option", good.clone().with("connection", "keep-alive")),
            ("no version", good.clone().without("sec-websocket-version")),
            ("another version", good.clone().with("sec-websocket-version", "8")),
            ("HTTP/1.0", good.starting("GET /prospect/socket HTTP/1.0")),
        ] {
            let answer = wrong.refused(&gateway);
            assert_eq!(answered(&answer), (426, "upgrade-required".to_owned()), "{what}");
            assert_eq!(answer.header("upgrade"), "websocket", "{what}");
        }
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn the_refusal_of_another_version_names_the_supported_one() {
        let (gateway, half_ref) = ready();
        let answer =
            Handshake::of(&gateway, &half_ref).with("sec-websocket-version", "8").refused(&gateway);
        assert_eq!(answer.header("sec-websocket-version"), "13");
    }

    #[test]
    fn a_key_that_is_not_sixteen_bytes_is_refused() {
        let (gateway, half_ref) = ready();
        let good = Handshake::of(&gateway, &half_ref);
        for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "!!!!!!!!!!!!!!!!!!!!!!=="] {
            let answer = good.clone().with("sec-websocket-key", key).refused(&gateway);
            assert_eq!(answered(&answer), (400, "bad-handshake".to_owned()), "{key}");
        }
        let missing = good.without("sec-websocket-key");
        is_refused(&gateway, &missing, &half_ref, 400, "bad-handshake");
    }

    #[test]
    fn a_handshake_with_two_keys_or_versions_is_refused() {
        let (gateway, half_ref) = ready();
        let handshake = Handshake::of(&gateway, &half_ref);
        let keys = handshake.clone().and("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        is_refused(&gateway, &keys, &half_ref, 400, "bad-handshake");
        let half_ref = authorised(&gateway, DEVICE);
        let versions = Handshake::of(&gateway, &half_ref).and("sec-websocket-version", "13");
        is_refused(&gateway, &versions, &half_ref, 400, "bad-handshake");
    }

    #[test]
    fn a_handshake_with_a_body_is_refused() {
        let (gateway, half_ref) = ready();
        let handshake = Handshake::of(&gateway, &half_ref).body(&text(PING_FRAME));
        is_refused(&gateway, &handshake, &half_ref, 400, "bad-request");
    }

    #[test]
    fn a_handshake_with_a_chunked_body_is_refused() {
        let (gateway, half_ref) = ready();
        let handshake = Handshake::of(&gateway, &half_ref)
            .body(b"2\r\n{}\r\n0\r\n\r\n")
            .without("content-length")
            .with("transfer-encoding", "chunked");
        is_refused(&gateway, &handshake, &half_ref, 426, "upgrade-required");
    }

    #[test]
    fn only_get_opens_a_socket() {
        let (gateway, half_ref) = ready();
        let handshake =
            Handshake::of(&gateway, &half_ref).starting("POST /prospect/socket HTTP/1.1");
        let answer = handshake.refused(&gateway);
        assert_eq!(answered(&answer), (405, "method-not-allowed".to_owned()));
        assert_eq!(answer.header("allow"), "GET, HEAD");
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn head_opens_no_socket() {
        let (gateway, half_ref) = ready();
        let head = Handshake::of(&gateway, &half_ref).starting("HEAD /prospect/socket HTTP/1.1");
        let mut peer = Peer::connect(&gateway);
        peer.send(&head.bytes());
        assert_eq!(peer.answer_without_body().status, 426);
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn an_upgrade_on_another_path_is_ignored() {
        let gateway = Gateway::trial();
        let (answer, _) = Handshake::to(&gateway, "GET /livez HTTP/1.1").send(&gateway);
        assert_eq!(answer.ok(), gateway.get("/livez").ok());
    }

    #[test]
    fn an_upgrade_on_a_large_page_is_ignored() {
        let gateway = Gateway::trial();
        let (answer, _) = Handshake::to(&gateway, "GET /openapi.json HTTP/1.1").send(&gateway);
        assert_eq!(answer.ok(), gateway.get("/openapi.json").ok());
    }

    #[test]
    fn an_upgrade_on_an_unknown_path_is_ignored() {
        let gateway = Gateway::trial();
        let answer = Handshake::to(&gateway, "GET /nowhere HTTP/1.1").refused(&gateway);
        assert_eq!(answered(&answer), (404, "not-found".to_owned()));
    }

    #[test]
    fn an_upgrade_on_another_path_does_not_change_how_a_body_is_read() {
        let gateway = Gateway::trial();
        let body = json!({"channel": "test", "deviceTag": DEVICE}).to_string();
        let answer = Handshake::to(&gateway, "PUT /token HTTP/1.1")
            .with("content-type", "application/json")
            .body(body.as_bytes())
            .refused(&gateway);
        assert!(!answer.token().is_empty());
    }
}

mod origin {
    use super::*;

    /// The status that a page of this origin gets.
    fn status_for(gateway: &Gateway, origin: &str) -> u16 {
        let half_ref = authorised_by_claim(gateway);
        let handshake = Handshake::of(gateway, &half_ref).with("origin", origin);
        let (answer, _) = handshake.send(gateway);
        if answer.status != 101 {
            assert_eq!(answered(&answer), (403, "origin-refused".to_owned()));
        }
        answer.status
    }

    /// An authorised `halfRef` of a claimed device: a gateway outside a trial has no test channel.
    fn authorised_by_claim(gateway: &Gateway) -> String {
        let (device, half_ref) = (format!("device-{}", half_ref()), half_ref());
        let token = gateway.claim(&device);
        authorise(gateway, &token, &device, &half_ref);
        half_ref
    }

    fn in_production() -> tests::GatewayBuilder {
        Gateway::builder().variable("CONNECTSOCKET_OPERATOR_KEY", &"k".repeat(32))
    }

    #[test]
    fn a_client_without_an_origin_is_allowed() {
        let gateway = in_production().start();
        Handshake::of(&gateway, &authorised_by_claim(&gateway)).opened(&gateway).hello();
    }

    #[test]
    fn an_allowed_origin_is_allowed() {
        let gateway = in_production()
            .flag("--allowed-origin", "https://app.example.com")
            .flag("--allowed-origin", "https://www.example.com:8443")
            .start();
        assert_eq!(status_for(&gateway, "https://app.example.com"), 101);
        assert_eq!(status_for(&gateway, "https://www.example.com:8443"), 101);
    }

    #[test]
    fn an_origin_that_resembles_an_allowed_one_is_refused() {
        let gateway = in_production().flag("--allowed-origin", "https://app.example.com").start();
        for origin in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://evil.example/https://app.example.com",
            "https://xapp.example.com",
            "https://example.com",
            "https://app.example.com, https://evil.example",
            "null",
            "*",
            "",
        ] {
            assert_eq!(status_for(&gateway, origin), 403, "{origin}");
        }
    }

    #[test]
    fn the_origin_of_the_public_url_is_allowed() {
        let gateway = in_production().flag("--public-url", "https://gateway.example.com/").start();
        assert_eq!(status_for(&gateway, "https://gateway.example.com"), 101);
        assert_eq!(status_for(&gateway, "http://gateway.example.com"), 403);
    }

    #[test]
    fn a_trial_allows_the_loopback_names_with_its_port() {
        let gateway = Gateway::trial();
        let (_, port) = gateway.authority().rsplit_once(':').expect("a port");
        for name in ["127.0.0.1", "localhost", "[::1]"] {
            assert_eq!(status_for(&gateway, &format!("http://{name}:{port}")), 101);
        }
    }

    #[test]
    fn a_trial_refuses_what_resembles_a_loopback_name_with_its_port() {
        let gateway = Gateway::trial();
        let (_, port) = gateway.authority().rsplit_once(':').expect("a port");
        for origin in [
            "http://localhost".to_owned(),
            "http://localhost:1".to_owned(),
            format!("https://localhost:{port}"),
            format!("http://localhost.evil.example:{port}"),
            format!("http://127.0.0.2:{port}"),
            "null".to_owned(),
        ] {
            assert_eq!(status_for(&gateway, &origin), 403, "{origin}");
        }
    }

    #[test]
    fn the_loopback_names_are_refused_outside_a_trial() {
        let gateway = in_production().start();
        let (_, port) = gateway.authority().rsplit_once(':').expect("a port");
        assert_eq!(status_for(&gateway, &format!("http://localhost:{port}")), 403);
    }

    #[test]
    fn an_origin_with_the_host_and_port_of_host_is_allowed() {
        let gateway = in_production().start();
        for (origin, host) in [
            ("http://gateway.example.com", "gateway.example.com"),
            ("wss://gateway.example.com", "gateway.example.com:443"),
            ("https://gateway.example.com:8443", "gateway.example.com:8443"),
        ] {
            let handshake = Handshake::of(&gateway, &authorised_by_claim(&gateway));
            handshake.with("host", host).with("origin", origin).opened(&gateway).hello();
        }
    }

    #[test]
    fn an_origin_with_another_host_or_port_than_host_is_refused() {
        let gateway = Gateway::trial();
        for (origin, host) in [
            ("http://evil.example", "gateway.example.com"),
            ("http://gateway.example.com:8080", "gateway.example.com"),
            ("http://gateway.example.com", "gateway.example.com:8080"),
            ("capacitor://gateway.example.com", "gateway.example.com"),
        ] {
            let half_ref = authorised(&gateway, DEVICE);
            let handshake =
                Handshake::of(&gateway, &half_ref).with("host", host).with("origin", origin);
            is_refused(&gateway, &handshake, &half_ref, 403, "origin-refused");
        }
    }

    #[test]
    fn an_app_may_have_a_scheme_of_its_own_or_the_websockets() {
        let gateway = in_production()
            .flag("--allowed-origin", "capacitor://localhost")
            .flag("--public-url", "https://gateway.example.com")
            .start();
        assert_eq!(status_for(&gateway, "capacitor://localhost"), 101);
        assert_eq!(status_for(&gateway, "wss://gateway.example.com"), 101);
        assert_eq!(status_for(&gateway, "ionic://localhost"), 403);
    }

    #[test]
    fn proxy_headers_are_not_trusted() {
        let (gateway, half_ref) = ready();
        let handshake = Handshake::of(&gateway, &half_ref)
            .with("x-forwarded-host", "evil.example")
            .with("forwarded", "host=evil.example;proto=http")
            .with("origin", "http://evil.example");
        is_refused(&gateway, &handshake, &half_ref, 403, "origin-refused");
    }

    #[test]
    fn a_handshake_with_two_origins_is_refused() {
        let (gateway, half_ref) = ready();
        let handshake = Handshake::of(&gateway, &half_ref)
            .and("origin", &gateway.url)
            .and("origin", &gateway.url);
        is_refused(&gateway, &handshake, &half_ref, 403, "origin-refused");
    }
}

mod subprotocol {
    use super::*;

    /// Asserts that these subprotocols are refused.
    fn is_bad(gateway: &Gateway, half_ref: &str, offered: &str) {
        let answer = Handshake::of(gateway, half_ref).with(PROTOCOL, offered).refused(gateway);
        let bad = (400, "bad-handshake".to_owned());
        assert_eq!(answered(&answer), bad, "{offered}");
    }

    #[test]
    fn a_handshake_without_both_subprotocols_is_refused() {
        let (gateway, half_ref) = ready();
        for offered in [
            "prospect.v1",
            &offer(&half_ref),
            &format!("prospect.v2, {}", offer(&half_ref)),
            &format!("Prospect.V1, {}", offer(&half_ref)),
            &format!("prospect.v1; {}", offer(&half_ref)),
            "",
        ] {
            is_bad(&gateway, &half_ref, offered);
        }
        let nothing = Handshake::of(&gateway, &half_ref).without(PROTOCOL);
        is_refused(&gateway, &nothing, &half_ref, 400, "bad-handshake");
    }

    #[test]
    fn a_handshake_with_two_half_refs_is_refused() {
        let (gateway, half_ref) = ready();
        let one = offer(&half_ref);
        is_bad(&gateway, &half_ref, &format!("prospect.v1, {one}, {one}"));
        let lines = Handshake::of(&gateway, &half_ref).and(PROTOCOL, &one);
        is_refused(&gateway, &lines, &half_ref, 400, "bad-handshake");
    }

    #[test]
    fn a_half_ref_that_is_not_in_unpadded_base64url_is_refused() {
        let gateway = Gateway::trial();
        // 34 characters: two of padding in standard base64, and characters that differ between the
        // two alphabets.
        let half_ref = "~~~???>>>~~~???>>>~~~???>>>~~~???>".to_owned();
        let token = gateway.token(DEVICE);
        authorise(&gateway, &token, DEVICE, &half_ref);
        let good = offer(&half_ref);
        assert!(good.contains('-') || good.contains('_'), "{good}");
        let standard = good.replace('-', "+").replace('_', "/");
        for wrong in [
            format!("{good}=="),
            format!("{good}="),
            standard,
            "halfref.!!!!".to_owned(),
            format!("{good}\u{e9}"),
            format!("halfref.{half_ref}"),
        ] {
            is_bad(&gateway, &half_ref, &format!("prospect.v1, {wrong}"));
        }
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn a_half_ref_over_512_characters_is_refused() {
        let (gateway, half_ref) = ready();
        for length in [513, 4000] {
            let long = offer(&"h".repeat(length));
            is_bad(&gateway, &half_ref, &format!("prospect.v1, {long}"));
        }
    }
}

mod order {
    use super::*;

    /// The status of one fault, and how a handshake gets it.
    type Fault = (u16, fn(Handshake) -> Handshake);

    /// The faults in the order of their checks.
    const FAULTS: [Fault; 4] = [
        (426, |handshake| handshake.without("upgrade")),
        (403, |handshake| handshake.with("origin", "https://evil.example")),
        (400, |handshake| handshake.with(PROTOCOL, "prospect.v1")),
        (401, |handshake| {
            handshake.with(PROTOCOL, &format!("prospect.v1, {}", offer(&half_ref())))
        }),
    ];

    #[test]
    fn of_two_faults_the_first_check_decides() {
        let (gateway, half_ref) = ready();
        for (place, (status, spoil)) in FAULTS.into_iter().enumerate() {
            for (_, spoil_more) in &FAULTS[place..] {
                // The later fault first, because both may be in one header.
                let handshake = spoil(spoil_more(Handshake::of(&gateway, &half_ref)));
                assert_eq!(handshake.refused(&gateway).status, status);
            }
        }
    }

    #[test]
    fn no_refusal_spends_the_half_ref() {
        let (gateway, half_ref) = ready();
        for (status, spoil) in FAULTS {
            let handshake = spoil(Handshake::of(&gateway, &half_ref));
            assert_eq!(handshake.refused(&gateway).status, status);
        }
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn the_limit_per_address_is_the_last_check_before_the_half_ref() {
        let gateway = Gateway::builder().flag("--sockets-per-address", "1").start();
        let _held = Handshake::of(&gateway, &authorised(&gateway, "holder")).opened(&gateway);
        let half_ref = authorised(&gateway, DEVICE);
        for ((_, spoil), status) in FAULTS.into_iter().zip([426, 403, 400, 429]) {
            let handshake = spoil(Handshake::of(&gateway, &half_ref));
            assert_eq!(handshake.refused(&gateway).status, status);
        }
    }

    #[test]
    fn draining_is_checked_between_the_subprotocol_and_the_limit_per_address() {
        let gateway = Gateway::builder().flag("--sockets-per-address", "1").start();
        // It does not answer the close frame, so the gateway waits for it.
        let mut held = Handshake::of(&gateway, &authorised(&gateway, "holder")).opened(&gateway);
        let half_ref = authorised(&gateway, DEVICE);
        let mut peers = FAULTS.map(|_| Peer::connect(&gateway));
        gateway.signal("TERM");
        assert_eq!(held.closed().0, 4200);
        for (((_, spoil), status), peer) in
            FAULTS.into_iter().zip([426, 403, 400, 503]).zip(&mut peers)
        {
            peer.send(&spoil(Handshake::of(&gateway, &half_ref)).bytes());
            assert_eq!(peer.answer().status, status);
        }
    }

    #[test]
    fn a_draining_gateway_refuses_new_sockets() {
        let gateway = Gateway::trial();
        let mut held = Handshake::of(&gateway, &authorised(&gateway, "holder")).opened(&gateway);
        let half_ref = authorised(&gateway, DEVICE);
        gateway.signal("TERM");
        assert_eq!(held.closed().0, 4200);
        let answer = Handshake::of(&gateway, &half_ref).refused(&gateway);
        assert_eq!(answered(&answer), (503, "draining".to_owned()));
    }
}

mod half_refs {
    use super::*;

    #[test]
    fn an_unknown_half_ref_is_refused() {
        let gateway = Gateway::trial();
        let answer = Handshake::of(&gateway, &half_ref()).refused(&gateway);
        assert_eq!(answered(&answer), (401, "half-ref-unknown".to_owned()));
    }

    #[test]
    fn a_spent_half_ref_is_closed_with_4001() {
        let (gateway, half_ref) = ready();
        let mut first = Socket::open(&gateway, &half_ref);
        first.hello();
        let mut replay = Handshake::of(&gateway, &half_ref).opened(&gateway);
        let bye = json!({"type": "bye", "code": 4001, "retryAfterMs": 0});
        assert_eq!(replay.frame().json(), bye);
        assert_eq!(replay.frame().close_code(), 4001);
    }

    #[test]
    fn a_replay_does_not_affect_the_open_socket() {
        let (gateway, half_ref) = ready();
        let mut first = Handshake::of(&gateway, &half_ref).opened(&gateway);
        first.hello();
        assert_eq!(Handshake::of(&gateway, &half_ref).opened(&gateway).closed().0, 4001);
        first.send(&text(PING_FRAME));
        assert_eq!(first.frame().json(), json!({"type": "pong"}));
    }

    #[test]
    fn an_expired_half_ref_is_closed_with_4002() {
        let gateway = Gateway::builder().flag("--authorisation-ttl", "1s").start();
        let (token, expired) = (gateway.token(DEVICE), half_ref());
        authorise(&gateway, &token, DEVICE, &expired);
        thread::sleep(Duration::from_millis(1100));
        let mut peer = Handshake::of(&gateway, &expired).opened(&gateway);
        let bye = json!({"type": "bye", "code": 4002, "retryAfterMs": 0});
        assert_eq!(peer.frame().json(), bye);
        assert_eq!(peer.frame().close_code(), 4002);
    }

    #[test]
    fn a_revoked_half_ref_is_closed_with_4003() {
        let gateway = Gateway::trial();
        let (token, revoked) = (gateway.token(DEVICE), half_ref());
        authorise(&gateway, &token, DEVICE, &revoked);
        assert_eq!(gateway.revoke_token(&token).status, 204);
        let mut peer = Handshake::of(&gateway, &revoked).opened(&gateway);
        assert_eq!(peer.frame().json(), json!({"type": "bye", "code": 4003}));
        assert_eq!(peer.frame().close_code(), 4003);
    }

    #[test]
    fn a_spent_half_ref_cannot_be_authorised_again() {
        let gateway = Gateway::trial();
        let (token, spent) = (gateway.token(DEVICE), half_ref());
        authorise(&gateway, &token, DEVICE, &spent);
        Handshake::of(&gateway, &spent).opened(&gateway).hello();
        let answer = gateway.connect_socket(&token, DEVICE, &spent);
        assert_eq!(answered(&answer), (409, "half-ref-spent".to_owned()));
    }
}

mod sockets_per_address {
    use super::*;

    fn with_two_sockets() -> Gateway {
        Gateway::builder().flag("--sockets-per-address", "2").start()
    }

    #[test]
    fn an_address_at_its_limit_gets_no_more_sockets() {
        let gateway = with_two_sockets();
        let _held = ["phone", "tablet"]
            .map(|device| Handshake::of(&gateway, &authorised(&gateway, device)).opened(&gateway));
        let answer = Handshake::of(&gateway, &authorised(&gateway, "watch")).refused(&gateway);
        assert_eq!(answered(&answer), (429, "too-many-sockets".to_owned()));
        let wait: u32 = answer.header("retry-after").parse().expect("seconds");
        assert!((10..=60).contains(&wait), "{wait}");
        let line = gateway.logged("client address over its limit");
        assert!(line.contains("--sockets-per-address"), "{line}");
    }

    #[test]
    fn a_refused_half_ref_opens_once_another_socket_closes() {
        let gateway = with_two_sockets();
        let [_kept, closed] = ["phone", "tablet"]
            .map(|device| Handshake::of(&gateway, &authorised(&gateway, device)).opened(&gateway));
        let third = Handshake::of(&gateway, &authorised(&gateway, "watch"));
        assert_eq!(third.refused(&gateway).status, 429);
        drop(closed);
        eventually("another socket may open", || third.send(&gateway).0.status == 101);
    }

    #[test]
    fn a_refused_handshake_does_not_count() {
        let gateway = with_two_sockets();
        for _ in 0..5 {
            let answer = Handshake::of(&gateway, &half_ref()).refused(&gateway);
            assert_eq!(answer.status, 401);
        }
        let half_ref = authorised(&gateway, DEVICE);
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
    }

    #[test]
    fn the_address_in_a_header_of_an_untrusted_peer_is_ignored() {
        let gateway = Gateway::builder().flag("--sockets-per-address", "1").start();
        let _held = Handshake::of(&gateway, &authorised(&gateway, "phone")).opened(&gateway);
        let answer = Handshake::of(&gateway, &authorised(&gateway, "tablet"))
            .with("x-forwarded-for", "192.0.2.7")
            .refused(&gateway);
        assert_eq!(answer.status, 429);
    }

    #[test]
    fn each_address_behind_a_trusted_proxy_has_its_own_limit() {
        let gateway = Gateway::builder()
            .flag("--sockets-per-address", "1")
            .flag("--trusted-proxy", "127.0.0.0/8")
            .start();
        let from = |device, address| {
            Handshake::of(&gateway, &authorised(&gateway, device)).with("x-forwarded-for", address)
        };
        let _one = from("phone", "192.0.2.7").opened(&gateway);
        let _other = from("tablet", "192.0.2.8").opened(&gateway);
        assert_eq!(from("watch", "192.0.2.7").refused(&gateway).status, 429);
    }
}

mod observability {
    use super::*;

    #[test]
    fn a_refused_handshake_is_logged_under_its_id() {
        let gateway = Gateway::trial();
        let answer = Handshake::of(&gateway, &half_ref()).refused(&gateway);
        let id = answer.header("x-request-id").to_owned();
        let line = gateway.logged(&id);
        for part in ["/prospect/socket", "401", "half-ref-unknown"] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn an_opened_socket_is_logged_under_its_id() {
        let (gateway, half_ref) = ready();
        let (answer, _peer) = Handshake::of(&gateway, &half_ref).send(&gateway);
        let id = answer.header("x-request-id").to_owned();
        let line = gateway.logged(&id);
        assert!(line.contains("101"), "{line}");
    }

    #[test]
    fn a_refused_handshake_is_counted() {
        let gateway = Gateway::builder().flag("--metrics", "open").start();
        for _ in 0..3 {
            let _ = Handshake::of(&gateway, &half_ref()).refused(&gateway);
        }
        let metrics = gateway.get("/metrics").text();
        for line in [
            r#"connectsocket_http_problems_total{type="half-ref-unknown"} 3"#,
            r#"connectsocket_http_requests_total{route="/prospect/socket",status="401"} 3"#,
        ] {
            assert!(metrics.contains(line), "{metrics}");
        }
    }

    #[test]
    fn open_sockets_are_counted_while_they_are_open() {
        let gateway = Gateway::builder().flag("--metrics", "open").start();
        let count = |number| {
            let metrics = gateway.get("/metrics").text();
            metrics.contains(&format!("\nconnectsocket_sockets {number}\n"))
        };
        let mut peer = Handshake::of(&gateway, &authorised(&gateway, DEVICE)).opened(&gateway);
        peer.hello();
        assert!(count(1));
        drop(peer);
        eventually("the socket is closed", || count(0));
    }

    #[test]
    fn a_half_ref_is_not_logged_at_any_level() {
        let gateway = Gateway::builder().flag("--log", "trace").start();
        let half_ref = authorised(&gateway, DEVICE);
        Handshake::of(&gateway, &half_ref).opened(&gateway).hello();
        let _ = Handshake::of(&gateway, &half_ref)
            .with("origin", "https://evil.example")
            .refused(&gateway);
        let log = gateway.log();
        assert!(log.contains("TRACE"), "the level is on");
        for secret in [half_ref.clone(), offer(&half_ref)["halfref.".len()..].to_owned()] {
            assert!(!log.contains(&secret), "{secret} is in the log");
        }
    }

    #[test]
    fn an_independent_client_agrees_with_the_handshake() {
        let (gateway, half_ref) = ready();
        let mut request = handshake(&gateway, &half_ref);
        set(&mut request, "origin", &gateway.url);
        let mut socket = Socket::try_open(&gateway, request).unwrap_or_else(|answer| {
            panic!("refused: {answer:?}");
        });
        socket.hello();
    }
}
