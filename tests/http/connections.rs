//! HTTP connections: upgrades that are not made, and clients that hold a connection without using it.

use std::{thread, time::Duration};

use serde_json::json;
use tests::{
    Connection, DEVICE, Gateway, GatewayBuilder, Socket,
    connection::request,
    gateway::{PATIENCE, eventually},
    half_ref,
};
use tungstenite::Message;

const JSON: (&str, &str) = ("content-type", "application/json");

fn token_request() -> String {
    json!({"channel": "test", "deviceTag": DEVICE}).to_string()
}

/// A gateway whose open connections can be counted.
fn counted() -> GatewayBuilder {
    Gateway::builder().flag("--metrics", "open")
}

/// Waits until no connection is open but the one that counts them.
fn all_are_closed(gateway: &Gateway) {
    eventually("the connections are closed", || {
        gateway.get("/metrics").text().contains("\nconnectsocket_connections 1\n")
    });
}

mod upgrades {
    use super::*;

    #[test]
    fn a_response_to_an_upgrade_that_is_not_made_announces_that_the_connection_closes() {
        let gateway = Gateway::trial();
        let h2c: &[(&str, &str)] = &[
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
        ];
        for offer in [h2c, &[("connection", "upgrade")], &[("connection", "keep-alive, Upgrade")]] {
            let mut connection = Connection::open(&gateway);
            let answer = connection.ask("PUT /token", &[offer, &[JSON]].concat(), token_request());
            answer.succeeds();
            assert_eq!(answer.header("connection"), "close", "{offer:?}");
            connection.closed();
        }
    }

    #[test]
    fn a_websocket_is_ignored_on_other_paths_and_the_connection_stays_open() {
        let gateway = Gateway::trial();
        let offers: [&[(&str, &str)]; 2] =
            [&[("connection", "upgrade"), ("upgrade", "websocket")], &[("upgrade", "websocket")]];
        for offer in offers {
            let mut connection = Connection::open(&gateway);
            for _ in 0..3 {
                let headers = [offer, &[JSON]].concat();
                connection.ask("PUT /token", &headers, token_request()).succeeds();
                connection.ask("GET /livez", offer, "").succeeds();
                assert_eq!(connection.ask("GET /nowhere", offer, "").status, 404);
                assert_eq!(connection.ask("POST /prospect/socket", offer, "{}").status, 405);
            }
            connection.ask("GET /livez", &[], "").succeeds();
        }
    }

    #[test]
    fn a_websocket_is_ignored_where_the_connection_is_to_close() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let offer = [("connection", "close, upgrade"), ("upgrade", "websocket")];
        connection.ask("GET /livez", &offer, "").succeeds();
        connection.closed();
    }

    #[test]
    fn a_body_may_arrive_after_the_head_that_offers_a_websocket() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let body = token_request();
        let length = body.len().to_string();
        let headers = [JSON, ("upgrade", "websocket"), ("content-length", &length)];
        connection.send(request("PUT /token", &headers, ""));
        let (one, other) = body.split_at(body.len() / 2);
        connection.send(one);
        connection.send(other);
        connection.answer().succeeds();
    }

    #[test]
    fn a_request_before_one_that_offers_a_websocket_is_answered_first() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let mut both = request("GET /nowhere", &[], "");
        both.extend(request("GET /livez", &[("upgrade", "websocket")], ""));
        connection.send(both);
        assert_eq!(connection.answer().status, 404);
        assert_eq!(connection.answer().status, 200);
    }

    #[test]
    fn a_websocket_is_ignored_on_the_event_stream() {
        let gateway = Gateway::trial();
        let key = format!("Bearer {}", gateway.operator_key);
        let mut connection = Connection::open(&gateway);
        let headers =
            [("authorization", key.as_str()), ("connection", "upgrade"), ("upgrade", "websocket")];
        connection.send(request("GET /operator/events", &headers, ""));
        let answer = connection.answer_without_body();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert!(connection.chunk().is_some());
    }

    #[test]
    fn connect_is_refused() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let answer = connection.ask("CONNECT example.com:443", &[], "");
        assert!((400..500).contains(&answer.status), "{answer:?}");
        connection.closed();
    }
}

mod deadlines {
    use super::*;

    #[test]
    fn a_second_head_that_never_ends_closes_the_connection_as_soon_as_the_first() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        connection.ask("GET /livez", &[], "").succeeds();
        connection.send("GET /livez HTTP/1.1\r\nx-slow: ");
        // Each byte alone would be soon enough, and a response is due after 50 seconds only.
        for _ in 0..PATIENCE.as_secs() {
            if connection.try_send("x").is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        panic!("the connection is still open");
    }

    #[test]
    fn a_second_request_may_take_longer_than_its_head() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let body = token_request();
        let length = body.len().to_string();
        for _ in 0..2 {
            connection.send(request("PUT /token", &[JSON, ("content-length", &length)], ""));
            thread::sleep(Duration::from_secs(6));
            connection.send(&body);
            connection.answer().succeeds();
        }
    }

    #[test]
    fn a_body_that_goes_on_after_its_refusal_closes_the_connection() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let headers = [JSON, ("transfer-encoding", "chunked")];
        connection.send(request("POST /prospect/connectsocket", &headers, ""));
        let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x1_0000], b"\r\n".to_vec()].concat();
        let sent = (0..1000).take_while(|_| connection.try_send(&chunk).is_ok()).count();
        assert!(sent < 300, "{sent} chunks of 64 KiB were taken");
    }

    #[test]
    fn responses_that_are_not_read_close_the_connection() {
        let gateway = counted().flag("--write-timeout", "500ms").start();
        let mut connection = Connection::open(&gateway);
        connection.send(request("GET /openapi.json", &[], "").repeat(100));
        all_are_closed(&gateway);
    }

    #[test]
    fn event_streams_that_are_not_read_leave_room_for_others() {
        let gateway = Gateway::builder()
            .flag("--write-timeout", "500ms")
            .flag("--frames-per-second", "1000")
            .flag("--event-streams", "2")
            .start();
        let half_ref = half_ref();
        gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
        let mut socket = Socket::open(&gateway, &half_ref);
        socket.hello();
        for id in 0..2000 {
            let data = "x".repeat(3900);
            let message = json!({"type": "message", "id": id.to_string(), "data": data});
            socket.send(Message::text(message.to_string()));
            assert_eq!(socket.frame()["type"], "accepted");
        }
        let key = format!("Bearer {}", gateway.operator_key);
        let stream = || {
            let mut connection = Connection::open(&gateway);
            let headers = [("authorization", key.as_str()), ("last-event-id", "0")];
            connection.send(request("GET /operator/events", &headers, ""));
            (connection.answer_without_body().status, connection)
        };
        let unread = [stream(), stream()];
        assert_eq!(unread.each_ref().map(|(status, _)| *status), [200, 200]);
        eventually("there is room for a stream", || stream().0 == 200);
    }

    #[test]
    fn how_long_an_idle_connection_is_kept_is_a_setting() {
        let gateway = Gateway::builder().flag("--keep-alive", "1s").start();
        let mut connection = Connection::open(&gateway);
        connection.ask("GET /livez", &[], "").succeeds();
        connection.ask("GET /livez", &[], "").succeeds();
        connection.closed();
    }
}

mod line_ends {
    use super::*;

    /// A head whose lines end as given, its last one included.
    fn head(line_ends: [&str; 3]) -> String {
        let [one, two, three] = line_ends;
        format!("GET /livez HTTP/1.1{one}host: gateway{two}{three}")
    }

    const BARE: [[&str; 3]; 4] = [
        ["\n", "\r\n", "\r\n"],
        ["\r\n", "\n", "\r\n"],
        ["\r\n", "\r\n", "\n"],
        ["\n", "\n", "\n"],
    ];

    #[test]
    fn a_head_with_a_bare_line_feed_is_refused() {
        let gateway = Gateway::trial();
        for line_ends in BARE {
            let mut connection = Connection::open(&gateway);
            connection.send(head(line_ends));
            assert_eq!(connection.answer().status, 400, "{line_ends:?}");
            connection.closed();
        }
    }

    #[test]
    fn a_head_with_a_bare_line_feed_behind_others_is_refused_after_their_responses() {
        let gateway = Gateway::trial();
        let body = token_request().replace(',', ",\n");
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let chunked = request("PUT /token", &[JSON, ("transfer-encoding", "chunked")], chunks);
        for line_ends in BARE {
            let mut connection = Connection::open(&gateway);
            let others = [request("PUT /token", &[JSON], &body), chunked.clone()].concat();
            connection.send([&others, head(line_ends).as_bytes()].concat());
            assert_eq!([(); 3].map(|()| connection.answer().status), [200, 200, 400]);
            connection.closed();
        }
    }

    #[test]
    fn a_head_with_a_bare_line_feed_behind_one_that_offers_a_websocket_is_refused() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let offer = request("GET /livez", &[("upgrade", "websocket")], "");
        connection.send([&offer, head(BARE[1]).as_bytes()].concat());
        assert_eq!([connection.answer().status, connection.answer().status], [200, 400]);
        connection.closed();
    }

    #[test]
    fn a_trailer_with_a_bare_line_feed_is_refused() {
        let gateway = Gateway::trial();
        let mut connection = Connection::open(&gateway);
        let headers = [JSON, ("transfer-encoding", "chunked")];
        let answer = connection.ask("PUT /token", &headers, "0\r\nx: y\n\r\n");
        assert_eq!(answer.problem_name(), "bad-request");
        connection.closed();
    }
}

mod per_address {
    use super::*;

    fn limited() -> GatewayBuilder {
        Gateway::builder().flag("--connections-per-address", "3")
    }

    /// Opens a connection that is served.
    fn served(gateway: &Gateway) -> Connection {
        let mut connection = Connection::open(gateway);
        connection.ask("GET /livez", &[], "").succeeds();
        connection
    }

    fn is_refused(gateway: &Gateway) -> bool {
        Connection::open(gateway).rest().starts_with(b"HTTP/1.1 503")
    }

    #[test]
    fn an_address_at_its_limit_gets_no_more_connections() {
        let gateway = limited().start();
        let mut held: Vec<_> = [(); 3].iter().map(|()| served(&gateway)).collect();
        eventually("it is refused", || is_refused(&gateway));
        held.truncate(1);
        eventually("there is room again", || {
            let mut connection = Connection::open(&gateway);
            connection.try_send(request("GET /livez", &[("connection", "close")], "")).is_ok()
                && connection.rest().starts_with(b"HTTP/1.1 200")
        });
    }

    #[test]
    fn an_address_at_its_limit_is_told_so_and_the_log_names_the_setting() {
        let gateway = limited().start();
        let _held: Vec<_> = [(); 3].iter().map(|()| served(&gateway)).collect();
        eventually("it is refused", || is_refused(&gateway));
        let answer = String::from_utf8(Connection::open(&gateway).rest()).expect("text");
        assert!(answer.contains("This client address"), "{answer}");
        let line = gateway.logged("client address over its limit");
        assert!(line.contains("--connections-per-address"), "{line}");
    }

    #[test]
    fn open_sockets_count_for_their_address() {
        let gateway = limited().start();
        let half_ref = half_ref();
        gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
        let mut socket = Socket::open(&gateway, &half_ref);
        socket.hello();
        let _held = [served(&gateway), served(&gateway)];
        eventually("it is refused", || is_refused(&gateway));
    }

    #[test]
    fn by_default_one_address_leaves_a_quarter_to_the_others() {
        let gateway = Gateway::builder().descriptors(300).start();
        let _held: Vec<_> = (0..129).map(|_| served(&gateway)).collect();
        assert!(is_refused(&gateway));
    }

    #[test]
    fn the_connections_of_a_trusted_proxy_have_no_limit() {
        let gateway = limited().flag("--trusted-proxy", "127.0.0.0/8").start();
        let _held: Vec<_> = (0..10).map(|_| served(&gateway)).collect();
    }
}
