//! The README says what is so: its tables are made from the contract and the settings, and its
//! first session runs as it stands.

use std::{fmt::Write, fs, net::TcpListener, process::Command};

use clap::CommandFactory;
use serde_json::Value;
use server::config::Config;
use tests::{
    Gateway,
    gateway::{binary, root},
    tools::succeed,
};

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("a README")
}

/// Holds what stands between the marks of a name against what should; `README=write` writes it.
fn assert_section(name: &str, expected: &str) {
    let text = readme();
    let (before, rest) = text.split_once(&format!("<!-- {name} -->\n")).expect("its first mark");
    let (found, after) = rest.split_once(&format!("<!-- /{name} -->")).expect("its last mark");
    if std::env::var_os("README").is_some_and(|value| value == "write") {
        let text = format!("{before}<!-- {name} -->\n{expected}<!-- /{name} -->{after}");
        fs::write(root().join("README.md"), text).expect("written");
        return;
    }
    assert_eq!(
        found, expected,
        "README=write cargo test -p tests --test readme -- --test-threads 1"
    );
}

#[test]
fn the_table_of_operations_is_the_contracts() {
    let contract = Gateway::trial().get("/openapi.json").ok();
    let mut table = String::from("| operation | id | who | what |\n|---|---|---|---|\n");
    for (path, item) in contract["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            writeln!(
                table,
                "| `{} {path}` | `{}` | {} | {} |",
                method.to_uppercase(),
                text(&operation["operationId"]),
                text(&operation["tags"][0]),
                text(&operation["summary"]),
            )
            .expect("written");
        }
    }
    assert_section("operations", &table);
}

#[test]
fn the_table_of_settings_is_the_programs() {
    let command = Config::command();
    let mut table = String::from("| flag | variable | default | what |\n|---|---|---|---|\n");
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env() else {
            continue;
        };
        let default: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default =
            if default.is_empty() { String::new() } else { format!("`{}`", default.join(",")) };
        let help = argument.get_help().expect("each setting has its help").to_string();
        writeln!(
            table,
            "| `--{}` | `{}` | {default} | {help} |",
            argument.get_long().expect("each setting is a flag"),
            variable.to_string_lossy(),
        )
        .expect("written");
    }
    assert_section("settings", &table);
}

#[test]
fn the_table_of_close_codes_is_the_codes_own() {
    let document = Gateway::trial().get("/asyncapi.json").ok();
    let mut table =
        String::from("| code | why | should the client come back by itself? |\n|---|---|---|\n");
    for code in document["channels"]["socket"]["x-close-codes"].as_array().expect("codes") {
        let back = if code["comeBack"] == true { "yes" } else { "no" };
        let why = code["description"].as_str().expect("a sentence");
        writeln!(table, "| {} | {why} | {back} |", code["code"]).expect("written");
    }
    assert_section("close codes", &table);
}

#[test]
#[ignore = "needs curl"]
fn the_first_session_ends_with_a_message_each_way() {
    let gateway = Gateway::trial();
    let text = readme();
    let session = text.split("```bash\n").nth(1).and_then(|rest| rest.split("```").next());
    let session = session.expect("a session");
    let filled = session
        .replace("127.0.0.1:8080", gateway.authority())
        .replace("paste the operator key here", &gateway.operator_key);
    // The connection stays open until `timeout` ends it, which is how the last command ends.
    let printed =
        succeed(Command::new("bash").args(["-c", &format!("{filled}\ntest $? = 124")]), "");
    for said in [
        r#"{"success":true}"#,
        r#""seq":1,"connected":true"#,
        r#""data":{"text":"Hello, operator"}"#,
        "101 Switching Protocols",
        r#"{"type":"hello","#,
        r#""seq":1,"data":{"text": "Hello, prospect"}"#,
        r#"{"type":"accepted","id":""#,
    ] {
        assert!(printed.contains(said), "{said} in {printed}");
    }
}

#[test]
#[ignore = "needs redis-server and curl"]
fn two_gateways_on_one_machine_know_what_the_other_was_told() {
    let text = readme();
    let session = text.split("## Many gateways\n").nth(1).expect("a section");
    let session = session.split("```bash\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut filled = session.expect("a session").to_owned();
    filled = filled.replace("cargo build --release\n", "");
    filled = filled.replace("target/release/connect-socket", &binary().to_string_lossy());
    for port in ["6379", "8081", "8082"] {
        filled = filled.replace(port, &free_port().to_string());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut session = Command::new("timeout");
    session.args(["60", "bash", "-c", &filled]).env("TMPDIR", folder.path());
    let printed = succeed(&mut session, "");
    assert!(printed.contains(r#""success":true,"token":""#), "{printed}");
    assert!(printed.contains(r#"{"deviceTag":"my_deviceTag","connected":false"#), "{printed}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
