//! The sessions that a reader can paste run as printed.

use std::{fs, net::TcpListener, process::Command};

use tests::{
    Gateway,
    gateway::{binary, root},
    tools::succeed,
};

use crate::{commands_below, page};

#[test]
#[ignore = "needs curl"]
fn the_first_session_ends_with_a_message_each_way() {
    let gateway = Gateway::trial();
    let filled = commands_below(&page("README.md"), "## A first session")
        .replace("127.0.0.1:8080", gateway.authority())
        .replace("paste the operator key here", &gateway.operator_key);
    // The connection stays open until `timeout` ends it, which is how the last command ends.
    let printed =
        succeed(Command::new("bash").args(["-c", &format!("{filled}\ntest $? = 124")]), "");
    for expected in [
        r#"{"success":true}"#,
        r#""seq":1,"connected":true"#,
        r#""data":{"text":"Hello, operator"}"#,
        "101 Switching Protocols",
        r#"{"type":"hello","#,
        r#""seq":1,"data":{"text": "Hello, prospect"}"#,
        r#"{"type":"accepted","id":""#,
    ] {
        assert!(printed.contains(expected), "{expected} in {printed}");
    }
}

#[test]
#[ignore = "needs Node"]
fn the_session_in_javascript_ends_with_a_message_each_way() {
    let gateway = Gateway::trial();
    let text = page("README.md");
    let below = text.split("\n### The same in JavaScript\n").nth(1).expect("the heading");
    let block = below.split("```js\n").nth(1).and_then(|rest| rest.split("```").next());
    let script = block.expect("a script").replace("http://127.0.0.1:8080", &gateway.url);
    let script = script.replace("paste the operator key here", &gateway.operator_key);
    assert!(script.lines().count() <= 10, "it is longer than ten lines");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("session.mjs");
    fs::write(&file, script).expect("written");
    std::os::unix::fs::symlink(root().join("server"), folder.path().join("server"))
        .expect("a link");
    let mut node = Command::new("timeout");
    node.args(["60", "node", "--experimental-websocket", "--preserve-symlinks"]).arg(&file);
    let printed = succeed(&mut node, "");
    assert!(printed.contains("accepted "), "{printed}");
    assert!(printed.contains("{ text: 'Hello, prospect' }"), "{printed}");
}

#[test]
#[ignore = "needs openssl and curl"]
fn a_gateway_starts_with_the_settings_of_production() {
    let port = free_port().to_string();
    let start = commands_below(&page("docs/operations.md"), "## Starting")
        .replace("cargo run --release --", &binary().to_string_lossy())
        .replace("0.0.0.0:8080", &format!("127.0.0.1:{port}"));
    let session = format!(
        r#"set -e; cd "$(mktemp -d)"
{} &
until curl -sf http://127.0.0.1:{port}/readyz; do sleep 0.1; done
curl -sf http://127.0.0.1:{port}/metrics --header "Authorization: Bearer $(cat operator.key)"
kill $! && wait $!"#,
        start.trim_end()
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut shell = Command::new("timeout");
    shell.args(["60", "bash", "-c", &session]).env("TMPDIR", folder.path());
    let printed = succeed(&mut shell, "");
    assert!(printed.contains("connectsocket_connections_limit"), "{printed}");
}

#[test]
#[ignore = "needs openssl"]
fn a_check_finds_what_the_page_says() {
    let page = page("docs/deployment.md");
    let port = free_port().to_string();
    let check = commands_below(&page, "## Before a start")
        .replace("cargo run --", &binary().to_string_lossy())
        .replace("8080", &port);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut shell = Command::new("timeout");
    shell.args(["60", "bash", "-c", &check]).current_dir(folder.path());
    let printed = succeed(&mut shell, "");
    let block = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    // How many descriptors there are is up to the machine.
    let kept = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("ok       descriptors: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(kept(&printed), kept(&block.expect("findings").replace("8080", &port)));
}

#[test]
#[ignore = "needs redis-server and curl"]
fn two_gateways_on_one_machine_share_their_devices() {
    let mut session = commands_below(&page("docs/operations.md"), "## Many gateways");
    session = session.replace("cargo build --release\n", "");
    session = session.replace("target/release/connect-socket", &binary().to_string_lossy());
    for port in ["6379", "8081", "8082"] {
        session = session.replace(port, &free_port().to_string());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut shell = Command::new("timeout");
    shell.args(["60", "bash", "-c", &session]).env("TMPDIR", folder.path());
    let printed = succeed(&mut shell, "");
    assert!(printed.contains(r#""success":true,"token":""#), "{printed}");
    assert!(printed.contains(r#"{"deviceTag":"my_deviceTag","connected":false"#), "{printed}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
