//! The metrics: who may read them, their forms, and what they count.

use tests::{DEVICE, EventStream, Gateway, Metrics, Operator, Prospect, Socket, half_ref};

use crate::OPERATOR_KEY;

fn open_socket(gateway: &Gateway) -> Socket {
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
    let mut socket = Socket::open(gateway, &half_ref);
    socket.hello();
    socket
}

fn open_metrics() -> Gateway {
    Gateway::builder().flag("--metrics", "open").start()
}

#[test]
fn metrics_need_the_operators_key() {
    let answer = Gateway::trial().get("/metrics");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.problem_name(), "operator-key-unknown");
}

#[test]
fn metrics_are_served_with_the_operator_key() {
    let gateway = Gateway::trial();
    let bearer = format!("Bearer {}", gateway.operator_key);
    let call = gateway.call("GET", "/metrics");
    let answer = call.header("authorization", &bearer).send();
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text;"));
}

#[test]
fn metrics_can_be_public() {
    let gateway =
        Gateway::builder().flag("--metrics", "open").flag("--operator-key", OPERATOR_KEY).start();
    assert_eq!(gateway.get("/metrics").status, 200);
}

#[test]
fn metrics_end_with_eof() {
    let text = open_metrics().get("/metrics").text();
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn metrics_count_requests_by_route_and_status() {
    let gateway = open_metrics();
    let _ = gateway.token(DEVICE);
    let _ = gateway.token(DEVICE);
    let text = gateway.get("/metrics").text();
    let line = r#"connectsocket_http_requests_total{route="/token",status="200"} 2"#;
    assert!(text.contains(line), "{text}");
}

#[test]
fn metrics_count_problems_by_type() {
    let gateway = open_metrics();
    for _ in 0..3 {
        let _ = gateway.call("DELETE", "/token").send();
    }
    let text = gateway.get("/metrics").text();
    let line = r#"connectsocket_http_problems_total{type="token-missing"} 3"#;
    assert!(text.contains(line), "{text}");
}

#[test]
fn metrics_name_routes_and_not_paths() {
    let gateway = open_metrics();
    for path in ["/nowhere/4711", "/operator/prospects/4711/token", "/swagger-ui/4711"] {
        let _ = gateway.get(path);
    }
    let _ = gateway.issue_token(&gateway.operator_key, "device-4711");
    let text = gateway.get("/metrics").text();
    assert!(!text.contains("4711"), "{text}");
    assert!(text.contains(r#"route="/operator/prospects/{deviceTag}/token""#), "{text}");
}

#[test]
fn metrics_count_open_sockets() {
    let gateway = open_metrics();
    let _socket = open_socket(&gateway);
    let text = gateway.get("/metrics").text();
    assert!(text.contains("\nconnectsocket_sockets 1\n"), "{text}");
}

#[test]
fn metrics_count_closed_sockets_by_their_code() {
    let gateway = open_metrics();
    let (token, half_ref) = (gateway.token(DEVICE), half_ref());
    gateway.connect_socket(&token, DEVICE, &half_ref).succeeds();
    let mut socket = Socket::open(&gateway, &half_ref);
    assert_eq!(gateway.revoke_token(&token).status, 204);
    assert_eq!(socket.closed().0, 4003);
    let text = gateway.get("/metrics").text();
    assert!(text.contains(r#"connectsocket_sockets_closed_total{code="4003"} 1"#), "{text}");
    assert!(text.contains("\nconnectsocket_sockets 0\n"), "{text}");
}

#[test]
fn metrics_show_connections_and_their_limit() {
    let text = Gateway::builder()
        .flag("--metrics", "open")
        .descriptors(300)
        .start()
        .get("/metrics")
        .text();
    assert!(text.contains("\nconnectsocket_connections 1\n"), "{text}");
    assert!(text.contains("\nconnectsocket_connections_limit 172\n"), "{text}");
}

/// The content type and the text for an `Accept`.
fn scrape(gateway: &Gateway, accept: &str) -> (String, String) {
    let answer = gateway.call("GET", "/metrics").header("accept", accept).send();
    assert_eq!(answer.header("vary").split(", ").next(), Some("Accept"));
    (answer.header("content-type").to_owned(), answer.text())
}

#[test]
fn metrics_come_in_the_form_that_the_scraper_prefers() {
    let gateway = open_metrics();
    let (kind, text) = scrape(&gateway, "text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("\n# TYPE connectsocket_sockets_opened_total counter\n"), "{text}");
    assert!(!text.contains("# EOF"), "{text}");
    let (kind, text) =
        scrape(&gateway, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.contains("\n# TYPE connectsocket_sockets_opened counter\n"), "{text}");
}

#[test]
fn metrics_show_what_is_open() {
    let gateway = Gateway::trial();
    let prospect = Prospect::open(&gateway, DEVICE);
    let _stream = EventStream::try_open(&gateway, Some("0")).expect("a stream");
    Metrics::become_equal(
        &gateway,
        &[
            ("devices", 1),
            ("devices_connected", 1),
            ("sockets_opened_total", 1),
            ("event_streams", 1),
            ("event_streams_limit", 8),
            ("events", 1),
            ("acknowledgement_waits", 0),
            ("engine_up", 1),
        ],
    );
    let waits = std::thread::scope(|scope| {
        scope.spawn(|| {
            Operator::of(&gateway)
                .call("POST", &format!("/operator/prospects/{DEVICE}/messages?wait=ack"))
                .json_text(r#"{"data":1}"#)
                .send()
        });
        tests::gateway::eventually("a request waits", || {
            Metrics::of(&gateway).value("acknowledgement_waits") > 0.0
        });
        let waits = Metrics::of(&gateway).value("acknowledgement_waits");
        drop(prospect);
        assert_eq!(
            Operator::of(&gateway)
                .call("DELETE", &format!("/operator/prospects/{DEVICE}"))
                .send()
                .status,
            204
        );
        waits
    });
    assert!((waits - 1.0).abs() < f64::EPSILON, "{waits}");
    Metrics::become_equal(&gateway, &[("acknowledgement_waits", 0), ("messages_expired_total", 1)]);
}

#[test]
fn metrics_say_what_the_process_takes() {
    let gateway = Gateway::trial();
    let metrics = Metrics::of(&gateway);
    let families = metrics.families();
    for (name, kind) in [
        ("process_cpu_seconds_total", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_max_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
        ("connectsocket_build_info", "info"),
    ] {
        assert_eq!(families.get(name).map(String::as_str), Some(kind), "{name}");
    }
    let version = format!("version=\"{}", env!("CARGO_PKG_VERSION"));
    assert!(metrics.text().contains(&version), "{}", metrics.text());
}

#[test]
fn a_repeated_request_queues_no_second_message() {
    let gateway = Gateway::trial();
    let _ = gateway.token(DEVICE);
    for _ in 0..3 {
        let call = Operator::of(&gateway).message(DEVICE).header("idempotency-key", "key");
        assert_eq!(call.json_text(r#"{"data":"12"}"#).send().status, 202);
    }
    let metrics = Metrics::of(&gateway);
    assert!((metrics.value("messages_queued_total") - 1.0).abs() < f64::EPSILON);
    assert!((metrics.value("messages_queued_bytes_total") - 4.0).abs() < f64::EPSILON);
}

#[test]
fn outboxes_are_seen_to_fill_up() {
    let gateway = Gateway::builder().flag("--outbox-messages", "4").start();
    let _ = gateway.token(DEVICE);
    for _ in 0..4 {
        Operator::of(&gateway).queue(DEVICE, "1");
    }
    Metrics::become_equal(
        &gateway,
        &[
            ("outbox_messages", 4),
            (r#"outbox_fill_ratio_bucket{le="0.25"}"#, 1),
            (r#"outbox_fill_ratio_bucket{le="0.9"}"#, 3),
            (r#"outbox_fill_ratio_bucket{le="1.0"}"#, 4),
        ],
    );
}
