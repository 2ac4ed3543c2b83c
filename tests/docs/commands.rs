//! The sessions that a reader can paste run as printed.

use std::{fs, net::TcpListener, process::Command, thread};

use tests::{
    DEVICE, Event, Gateway, Operator,
    gateway::{binary, eventually, root},
    tools::succeed,
};

use crate::{blocks_below, commands_below, page};

#[test]
#[ignore = "needs curl"]
fn the_first_session_ends_with_a_message_each_way() {
    let gateway = Gateway::trial();
    let filled = blocks_below(&page("README.md"), "### With curl", 2)
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
    let below = text.split("\n### In JavaScript\n").nth(1).expect("the heading");
    let script = script(below).replace("http://127.0.0.1:8080", &gateway.url);
    let script = script.replace("paste the operator key here", &gateway.operator_key);
    assert!(script.lines().count() <= 10, "it is longer than ten lines");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("session.mjs");
    fs::write(&file, script).expect("written");
    std::os::unix::fs::symlink(root().join("server"), folder.path().join("server"))
        .expect("a link");
    let mut node = Command::new("timeout");
    node.args(["60", "node", "--experimental-websocket", "--preserve-symlinks"]).arg(&file);
    // A reader runs it again: the first run must leave nothing.
    for _ in 0..2 {
        let printed = succeed(&mut node, "");
        let lines: Vec<_> = printed.lines().collect();
        assert!(lines.iter().any(|line| line.starts_with("accepted ")), "{printed}");
        assert!(lines.contains(&"the prospect received { text: 'Hello, prospect' }"), "{printed}");
        assert_eq!(lines.last(), Some(&"the prospect is closed"), "{printed}");
        let operator = Operator::of(&gateway);
        eventually("the outbox is empty", || operator.unacknowledged("my_phone") == 0);
    }
}

/// The first block of JavaScript of a page.
fn script(page: &str) -> String {
    let block = page.split("```js\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("a script").to_owned()
}

fn run_in_node(script: &str) -> String {
    let mut node = Command::new("timeout");
    node.args(["60", "node", "--experimental-websocket", "--input-type", "module", "--eval"]);
    succeed(node.arg(script), "")
}

#[test]
#[ignore = "needs Node"]
fn the_socket_of_the_guide_opens() {
    let gateway = Gateway::trial();
    let script = script(&page("docs/guide.md")).replace("127.0.0.1:8080", gateway.authority());
    let (half_ref, rest) = script.split_once('\n').expect("lines");
    let token = gateway.token(DEVICE);
    let printed = run_in_node(&format!(
        "{half_ref}
        await fetch('{}/prospect/connectsocket', {{
          method: 'POST', headers: {{ token: '{token}', 'content-type': 'application/json' }},
          body: JSON.stringify({{ halfRef, deviceTag: '{DEVICE}' }}),
        }});
        {rest}
        socket.onmessage = ({{ data }}) => {{ console.log(data); socket.close(); }};",
        gateway.url
    ));
    assert!(printed.starts_with(r#"{"type":"hello""#), "{printed}");
}

#[test]
#[ignore = "needs Node"]
fn the_example_of_the_client_sends_a_message() {
    let gateway = Gateway::trial();
    let operator = Operator::of(&gateway);
    let client = root().join("server/web/connect-socket.js");
    let script = script(&page("server/web/README.md"))
        .replace("https://gateway.example/connect-socket.js", &client.display().to_string())
        .replace("https://gateway.example", &gateway.url);
    let before = "const items = new Map();
        const localStorage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) };
        const show = (data) => { console.log('shown', data); connection.close(); };";
    let (import, rest) = script.split_once('\n').expect("lines");
    let printed = thread::scope(|scope| {
        let running = scope.spawn(|| run_in_node(&format!("{import}\n{before}\n{rest}")));
        let said = operator.events_after("0").until(|event| event.kind == "message");
        assert_eq!(said.last().map(Event::message_data).as_deref(), Some(r#"{"text":"Hello"}"#));
        operator.queue(DEVICE, "1");
        running.join().expect("it ends")
    });
    assert!(printed.contains("open undefined") && printed.contains("shown 1"), "{printed}");
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

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
