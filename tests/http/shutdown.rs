//! The shutdown: signals, draining, and how long it takes.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use tests::{
    Connection, DEVICE, Gateway, Operator, Prospect, Socket, connection::request, half_ref,
};

fn assert_ends_cleanly(signal: &str) {
    let mut gateway = Gateway::trial();
    gateway.signal(signal);
    assert_eq!(gateway.ended().code(), Some(0));
    assert!(TcpStream::connect(gateway.authority()).is_err());
}

#[test]
fn sigterm_shuts_the_gateway_down() {
    assert_ends_cleanly("TERM");
}

#[test]
fn sigint_shuts_the_gateway_down() {
    assert_ends_cleanly("INT");
}

/// The terminal closes.
#[test]
fn sighup_shuts_the_gateway_down() {
    assert_ends_cleanly("HUP");
}

#[test]
fn sighup_is_ignored_under_nohup() {
    let gateway = Gateway::builder().ignored_signal("HUP").start();
    let mut socket = Prospect::open(&gateway, DEVICE).socket;
    gateway.signal("HUP");
    assert!(socket.is_silent(Duration::from_millis(300)));
    assert_eq!(gateway.get("/readyz").status, 200);
}

#[test]
fn the_shutdown_is_logged() {
    let mut gateway = Gateway::trial();
    gateway.signal("TERM");
    let _ = gateway.ended();
    for word in ["draining", "ended"] {
        let _ = gateway.logged(word);
    }
}

#[test]
fn an_idle_connection_does_not_hold_up_the_shutdown() {
    let mut gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    connection.ask("GET /livez", &[], "").succeeds();
    gateway.signal("TERM");
    connection.closed();
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn a_silent_socket_does_not_hold_up_the_shutdown() {
    let mut gateway = Gateway::trial();
    let _socket = Prospect::open(&gateway, DEVICE).socket;
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn an_open_socket_gets_bye_4200_on_shutdown() {
    let gateway = Gateway::trial();
    let mut socket = Prospect::open(&gateway, DEVICE).socket;
    gateway.signal("TERM");
    let (code, bye) = socket.closed();
    let bye = bye.expect("a bye");
    assert_eq!((code, &bye["code"]), (4200, &4200.into()));
    assert!(bye["retryAfterMs"].is_u64(), "{bye}");
}

/// A socket that does not answer the close holds up the shutdown for a while.
fn draining(gateway: &Gateway) -> (Socket, Connection) {
    let mut socket = Prospect::open(gateway, DEVICE).socket;
    let mut connection = Connection::open(gateway);
    connection.ask("GET /readyz", &[], "").succeeds();
    gateway.signal("TERM");
    assert_eq!(socket.frame()["type"], "bye");
    (socket, connection)
}

#[test]
fn a_draining_gateway_is_not_ready() {
    let gateway = Gateway::trial();
    let (_socket, mut connection) = draining(&gateway);
    let answer = connection.ask("GET /readyz", &[], "");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem_name(), "draining");
}

#[test]
fn a_draining_gateway_is_alive() {
    let gateway = Gateway::trial();
    let (_socket, mut connection) = draining(&gateway);
    connection.ask("GET /livez", &[], "").succeeds();
}

#[test]
fn a_draining_gateway_opens_no_socket() {
    let gateway = Gateway::trial();
    let half_ref = half_ref();
    let token = gateway.token("another");
    gateway.connect_socket(&token, "another", &half_ref).succeeds();
    let _draining = draining(&gateway);
    let handshake = tests::socket::handshake(&gateway, &half_ref);
    let Err(answer) = Socket::try_open(&gateway, handshake) else { panic!("the socket is open") };
    assert_eq!(answer.problem_name(), "draining");
}

#[test]
fn a_second_signal_ends_a_draining_gateway_at_once() {
    let mut gateway =
        Gateway::builder().flag("--drain-timeout", "10m").flag("--body-timeout", "10m").start();
    let mut slow = Connection::open(&gateway);
    let headers = [("content-length", "9"), ("expect", "100-continue")];
    slow.send(request("PUT /token", &headers, ""));
    assert_eq!(slow.answer_without_body().status, 100);
    gateway.signal("TERM");
    let _ = gateway.logged("draining");
    gateway.signal("TERM");
    gateway.ended();
}

#[test]
fn a_gateway_without_work_ends_at_once() {
    let mut gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    connection.ask("GET /livez", &[], "").succeeds();
    let _stream = Operator::of(&gateway).events();
    let shutdown = Instant::now();
    gateway.signal("TERM");
    assert!(gateway.ended().success());
    assert!(shutdown.elapsed() < Duration::from_secs(4), "{:?}", shutdown.elapsed());
}

/// How long a shutdown takes whose only work is a request that gets its body when it begins.
fn shutdown_with_a_short_request() -> Duration {
    let mut gateway = Gateway::trial();
    let mut connection = Connection::open(&gateway);
    let headers =
        [("content-type", "application/json"), ("content-length", "2"), ("expect", "100-continue")];
    connection.send(request("PUT /token", &headers, ""));
    assert_eq!(connection.answer_without_body().status, 100);
    let shutdown = Instant::now();
    gateway.signal("TERM");
    let _ = gateway.logged("draining");
    connection.send("{}");
    assert_eq!(connection.answer().status, 422);
    assert!(gateway.ended().success());
    shutdown.elapsed()
}

#[test]
fn a_shutdown_is_as_short_as_its_longest_request() {
    // The fastest of some, because a busy machine can delay each of them.
    let fastest = (0..5).map(|_| shutdown_with_a_short_request()).min().expect("a time");
    assert!(fastest < Duration::from_millis(900), "{fastest:?}");
}
