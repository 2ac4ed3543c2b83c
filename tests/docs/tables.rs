//! The generated tables. `DOCS=write` writes them.

use std::{fmt::Write, fs};

use serde_json::Value;
use server::config::Config;
use tests::{Gateway, gateway::root};

use crate::page;

/// Compares the table between the marks `name` of a page with what it should be.
fn assert_table(path: &str, name: &str, expected: &str) {
    let text = page(path);
    let (before, rest) = text.split_once(&format!("<!-- {name} -->\n")).expect("its first mark");
    let (found, after) = rest.split_once(&format!("<!-- /{name} -->")).expect("its last mark");
    if std::env::var_os("DOCS").is_some_and(|value| value == "write") {
        let text = format!("{before}<!-- {name} -->\n{expected}<!-- /{name} -->{after}");
        fs::write(root().join(path), text).expect("written");
        return;
    }
    assert_eq!(
        found, expected,
        "{path} is out of date: DOCS=write cargo test -p tests --test docs tables -- --test-threads 1"
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
    assert_table("docs/guide.md", "operations", &table);
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
    assert_table("docs/operations.md", "settings", &table);
}

/// The channel of the socket, as the gateway serves it.
fn socket_channel() -> Value {
    Gateway::trial().get("/asyncapi.json").ok()["channels"]["socket"].clone()
}

#[test]
fn the_table_of_close_codes_is_the_contracts() {
    let mut table = String::from(
        "| code | when | `bye` | should the client come back by itself? |\n|---|---|---|---|\n",
    );
    for code in socket_channel()["x-close-codes"].as_array().expect("codes") {
        let retry = &code["retryAfterMs"];
        let back = match code["policy"].as_str().expect("a policy") {
            "never" => "no".to_owned(),
            "back-off" => "after a back-off".to_owned(),
            "after-bye" if retry["maximum"] == 0 => "at once (`retryAfterMs` is 0)".to_owned(),
            "after-bye" => {
                format!("after `retryAfterMs`, {} to {}", retry["minimum"], retry["maximum"])
            }
            other => panic!("an unknown policy: {other}"),
        };
        let when = code["description"].as_str().expect("a sentence");
        let bye = if code["bye"] == true { "yes" } else { "no" };
        writeln!(table, "| {} | {when} | {bye} | {back} |", code["code"]).expect("written");
    }
    assert_table("docs/guide.md", "close codes", &table);
}

#[test]
fn the_tables_of_client_rules_are_the_contracts() {
    let rules = &socket_channel()["x-client-rules"];
    let mut table = String::from("| rule | numbers |\n|---|---|\n");
    for name in ["reconnecting", "ping", "resending"] {
        let rule = &rules[name];
        let mut numbers = Vec::new();
        for (name, value) in rule.as_object().expect("a rule") {
            match value {
                Value::Object(members) => {
                    numbers.extend(members.iter().map(|(name, value)| format!("`{name}` {value}")));
                }
                Value::Number(number) => numbers.push(format!("`{name}` {number}")),
                Value::String(text) if name != "description" => {
                    numbers.push(format!("`{name}` `{text}`"));
                }
                _ => {}
            }
        }
        let words = rule["description"].as_str().expect("words");
        writeln!(table, "| **{name}**: {words} | {} |", numbers.join(", ")).expect("written");
    }
    assert_table("docs/guide.md", "client rules", &table);

    let mut table = String::from("| what | why |\n|---|---|\n");
    for kept in rules["persist"].as_array().expect("a list") {
        let text = |name: &str| kept[name].as_str().expect("text").to_owned();
        writeln!(table, "| {} | {} |", text("what"), text("why")).expect("written");
    }
    assert_table("docs/guide.md", "persist", &table);
}
