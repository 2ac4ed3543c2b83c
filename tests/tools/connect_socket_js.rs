//! The client for browsers and Node, `connect-socket.js`: in Node and in a real browser, while the
//! gateway is killed, drained and cut off.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tests::{
    Gateway, GatewayBuilder, Proxy,
    gateway::root,
    tools::{node, succeed},
};

const KEY: &str = "an-operator-key-of-at-least-32-characters";

/// The traffic of one run.
struct Traffic {
    /// Messages each way.
    messages: u32,
    /// What the client keeps to, which makes the traffic last through the disturbances.
    frames_per_second: u32,
}

impl Traffic {
    /// `BOOKS` names another number of messages, for a longer run by hand.
    fn usual() -> Self {
        let messages = std::env::var("BOOKS").ok().map(|it| it.parse().expect("a number"));
        Self { messages: messages.unwrap_or(600), frames_per_second: 100 }
    }
}

/// A gateway with a journal, whose pings and rates do not set the pace of the test, and with room for
/// the idempotency keys of a long run.
fn journaled(folder: &Path, port: u16) -> GatewayBuilder {
    Gateway::builder()
        .flag("--data-dir", &folder.to_string_lossy())
        .flag("--listen", &format!("127.0.0.1:{port}"))
        .flag("--frames-per-second", "off")
        .flag("--authorisations-per-second", "off")
        .flag("--idempotency-keys", "1000000")
        .operator_key(KEY)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn port_of(gateway: &Gateway) -> u16 {
    gateway.authority().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// Runs `books.mjs` at this port, and disturbs the gateway about once a second, ten times at most.
fn keep_books(place: &str, port: u16, traffic: &Traffic, mut disturb: impl FnMut(u32)) {
    let mut child = node("--experimental-websocket")
        .args(["books.mjs", place, &format!("http://127.0.0.1:{port}"), KEY])
        .arg(traffic.messages.to_string())
        .env("FRAMES_PER_SECOND", traffic.frames_per_second.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node runs");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let (mut count, mut disturbances, mut last) = (0, 0, String::new());
    for line in lines.map_while(Result::ok) {
        count += 1;
        if count % 4 == 0 && disturbances < 10 {
            disturb(disturbances);
            disturbances += 1;
        }
        last = line;
    }
    assert!(child.wait().expect("it ends").success(), "the books are wrong");
    assert!(last.starts_with("done: "), "{last}");
    assert!(disturbances > 3, "{disturbances} disturbances are too few to show anything");
}

fn nothing_is_lost_or_doubled_through_restarts(place: &str, signal: &str, traffic: &Traffic) {
    let (folder, port) = (TempDir::new().expect("a folder"), free_port());
    let mut gateway = journaled(folder.path(), port).start();
    keep_books(place, port, traffic, |_| {
        gateway.signal(signal);
        gateway.ended();
        gateway = journaled(folder.path(), port).start();
    });
}

fn nothing_is_lost_or_doubled_through_a_bad_network(place: &str) {
    let folder = TempDir::new().expect("a folder");
    let gateway = journaled(folder.path(), 0).flag("--heartbeat", "1s").start();
    let proxy = Proxy::to(&[port_of(&gateway)]);
    keep_books(place, proxy.port(), &Traffic::usual(), |disturbance| match disturbance % 3 {
        0 | 1 => proxy.cut(),
        _ => {
            proxy.fall_silent();
            thread::sleep(Duration::from_secs(1));
            proxy.speed_up();
        }
    });
}

#[test]
#[ignore = "needs Node"]
fn nothing_is_lost_or_doubled_in_node_when_the_gateway_is_killed() {
    nothing_is_lost_or_doubled_through_restarts("node", "KILL", &Traffic::usual());
}

#[test]
#[ignore = "needs Node"]
fn nothing_is_lost_or_doubled_of_ten_thousand_messages_each_way() {
    let traffic = Traffic { messages: 10_000, frames_per_second: 1000 };
    nothing_is_lost_or_doubled_through_restarts("node", "KILL", &traffic);
}

#[test]
#[ignore = "needs Node"]
fn nothing_is_lost_or_doubled_in_node_when_the_network_is_bad() {
    nothing_is_lost_or_doubled_through_a_bad_network("node");
}

#[test]
#[ignore = "needs Node and Chromium"]
fn nothing_is_lost_or_doubled_in_a_browser_when_the_gateway_is_drained() {
    nothing_is_lost_or_doubled_through_restarts("browser", "TERM", &Traffic::usual());
}

#[test]
#[ignore = "needs Node and Chromium"]
fn nothing_is_lost_or_doubled_by_two_tabs_when_the_gateway_is_killed() {
    nothing_is_lost_or_doubled_through_restarts("tabs", "KILL", &Traffic::usual());
}

#[test]
#[ignore = "needs Node and Chromium"]
fn nothing_is_lost_or_doubled_by_a_tab_that_sleeps_on_a_bad_network() {
    nothing_is_lost_or_doubled_through_a_bad_network("sleep");
}

#[test]
#[ignore = "needs Node"]
fn the_client_does_as_the_contract_says_when_something_fails() {
    let gateway = Gateway::builder().flag("--heartbeat", "1s").start();
    let mut tests = node("--experimental-websocket");
    tests.args(["--test", "connect-socket.test.mjs"]);
    succeed(tests.env("GATEWAY", &gateway.url).env("KEY", &gateway.operator_key), "");
}

/// It follows what the browser says of the network and of the page.
#[test]
#[ignore = "needs Node and Chromium"]
fn the_client_follows_the_network_and_the_page() {
    let gateway = Gateway::trial();
    succeed(node("page-events.mjs").arg(&gateway.url), "");
}

/// The types compile, and where they repeat the contract, they are those generated from it.
#[test]
#[ignore = "needs Node"]
fn the_types_of_the_client_are_the_contracts() {
    let folder = TempDir::new().expect("a folder");
    let packages = root().join("tests/clients/typescript/node_modules");
    for (from, to) in [
        ("server/web/connect-socket.d.ts", "connect-socket.d.ts"),
        ("server/web/package.json", "package.json"),
        ("tests/node/connect-socket.types.ts", "check.ts"),
    ] {
        fs::copy(root().join(from), folder.path().join(to)).expect("a copy");
    }
    std::os::unix::fs::symlink(&packages, folder.path().join("node_modules")).expect("a link");
    let mut generate = Command::new(packages.join(".bin/openapi-typescript"));
    generate.arg(root().join("openapi/openapi.json")).arg("--output").arg("contract.d.ts");
    succeed(generate.current_dir(&folder), "");
    let mut compile = Command::new(packages.join(".bin/tsc"));
    compile.args(["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"]);
    compile.args(["--module", "nodenext", "check.ts"]);
    succeed(compile.current_dir(&folder), "");
}

/// What `npm pack` makes can be installed and imported by its name.
#[test]
#[ignore = "needs Node"]
fn the_client_is_a_package() {
    let folder = TempDir::new().expect("a folder");
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", "--pack-destination"]).arg(folder.path());
    let file = succeed(pack.current_dir(root().join("server/web")), "");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(file.trim(), format!("connect-socket-{version}.tgz"));
    let mut unpack = Command::new("tar");
    unpack.args(["-xzf", file.trim()]);
    succeed(unpack.current_dir(&folder), "");
    fs::create_dir(folder.path().join("node_modules")).expect("a folder");
    fs::rename(folder.path().join("package"), folder.path().join("node_modules/connect-socket"))
        .expect("installed");
    let script = "import { connect } from 'connect-socket'; console.log(typeof connect)";
    let mut import = Command::new("node");
    import.args(["--input-type", "module", "--eval", script]);
    assert_eq!(succeed(import.current_dir(&folder), "").trim(), "function");
}
