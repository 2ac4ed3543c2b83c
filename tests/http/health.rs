//! Probes and metrics.

use tests::{DEVICE, Gateway, Socket, half_ref};

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
fn a_gateway_is_alive() {
    let answer = Gateway::trial().get("/livez");
    assert_eq!(answer.ok(), serde_json::json!({"success": true}));
}

#[test]
fn a_gateway_is_ready() {
    let answer = Gateway::trial().get("/readyz");
    assert_eq!(answer.ok(), serde_json::json!({"success": true}));
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
