//! The limit of connections, which follows from the limit of file descriptors.

use tests::{Connection, DEVICE, Gateway, GatewayBuilder, Socket, gateway::eventually, half_ref};

/// What a gateway gets here.
const LIMIT: u32 = 300;

/// What it then holds: it keeps the rest for what is no connection.
const ROOM: usize = 172;

fn small() -> GatewayBuilder {
    full_from_one_address(Gateway::builder()).descriptors(LIMIT)
}

/// A gateway whose connections may all be from the address of this test.
pub fn full_from_one_address(builder: GatewayBuilder) -> GatewayBuilder {
    builder.flag("--connections-per-address", "1000")
}

/// Holds so many connections that are idle between two requests.
fn hold(gateway: &Gateway, connections: usize) -> Vec<Connection> {
    (0..connections)
        .map(|_| {
            let mut connection = Connection::open(gateway);
            connection.ask("GET /livez", &[], "").succeeds();
            connection
        })
        .collect()
}

/// Holds as many connections as the gateway has room for.
pub fn fill(gateway: &Gateway) -> Vec<Connection> {
    hold(gateway, ROOM)
}

#[test]
fn the_limit_is_logged_at_start() {
    let log = small().start().log();
    let line = log.lines().find(|line| line.contains("listening"));
    let line = line.expect("a line");
    assert!(line.contains("descriptors=300"), "{line}");
    assert!(line.contains("connections=172"), "{line}");
}

#[test]
fn a_limit_that_is_too_low_is_refused_at_start() {
    let output = Gateway::builder().descriptors(256).refused();
    assert_eq!(output.status.code(), Some(2));
    let sentence = String::from_utf8_lossy(&output.stderr);
    assert!(sentence.contains("256 descriptors"), "{sentence}");
}

#[test]
fn a_connection_over_the_limit_is_refused() {
    let gateway = small().start();
    let _held = fill(&gateway);
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem_name(), "out-of-descriptors");
}

#[test]
fn a_connection_over_the_limit_is_refused_with_one_worker() {
    let gateway = small().flag("--workers", "1").start();
    let _held = fill(&gateway);
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.problem_name(), "out-of-descriptors");
}

#[test]
fn a_connection_over_the_limit_is_refused_with_many_workers() {
    let gateway = small().flag("--workers", "8").start();
    let _held = fill(&gateway);
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.problem_name(), "out-of-descriptors");
}

#[test]
fn a_refused_connection_is_closed() {
    let gateway = small().start();
    let _held = fill(&gateway);
    let mut newcomer = Connection::open(&gateway);
    assert_eq!(newcomer.ask("DELETE /token", &[], "").status, 503);
    newcomer.closed();
}

#[test]
fn a_websocket_over_the_limit_is_refused() {
    let gateway = small().start();
    let half_ref = half_ref();
    gateway.connect_socket(&gateway.token(DEVICE), DEVICE, &half_ref).succeeds();
    let _held = fill(&gateway);
    let handshake = tests::socket::handshake(&gateway, &half_ref);
    let Err(answer) = Socket::try_open(&gateway, handshake) else { panic!("the socket is open") };
    assert_eq!(answer.problem_name(), "out-of-descriptors");
}

#[test]
fn open_sockets_count_towards_the_limit() {
    let gateway = small().flag("--sockets-per-address", "100").start();
    let open = |n| {
        let (device, half_ref) = (format!("device-{n}"), half_ref());
        let token = gateway.token(&device);
        gateway.connect_socket(&token, &device, &half_ref).succeeds();
        let mut socket = Socket::open(&gateway, &half_ref);
        socket.hello();
        socket
    };
    let sockets: Vec<_> = (0..100).map(open).collect();
    let _held = hold(&gateway, ROOM - sockets.len());
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.problem_name(), "out-of-descriptors");
}

#[test]
fn probes_are_answered_at_the_limit() {
    let gateway = small().flag("--metrics", "open").start();
    let _held = fill(&gateway);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
}

#[test]
fn the_gateway_serves_again_when_connections_are_closed() {
    let gateway = small().start();
    let mut held = fill(&gateway);
    assert_eq!(gateway.request_token("test", DEVICE, None).status, 503);
    held.truncate(ROOM / 2);
    eventually("there is room again", || gateway.request_token("test", DEVICE, None).status == 200);
}

#[test]
fn more_silent_connections_than_descriptors_do_not_exhaust_them() {
    let gateway = small().flag("--workers", "8").start();
    let _silent: Vec<_> = (0..2 * LIMIT).map(|_| Connection::open(&gateway)).collect();
    eventually("a probe is answered when the silent ones are sent away", || {
        let mut probe = Connection::open(&gateway);
        let request = "GET /livez HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n";
        probe.try_send(request).is_ok() && probe.rest().starts_with(b"HTTP/1.1 200")
    });
    assert!(!gateway.log().contains("Too many open files"), "{}", gateway.log());
}
