//! The documented operation as a whole, for the eyes of a reviewer. `document.rs` holds each fact of the
//! vendor's page by itself; what this gateway adds to them is seen here. `cargo contract update` leaves
//! the snapshot alone: a change of this operation is accepted by hand, with `INSTA_UPDATE=always`.

use std::fmt::Write;

use serde_json::Value;

use crate::served::Contract;

const METHOD: &str = "POST";
const PATH: &str = "/prospect/connectsocket";

#[test]
fn the_documented_operation() {
    let [newest, older, _] = Contract::all();
    let operation = newest.operation(METHOD, PATH);
    let mut text = format!("{METHOD} {PATH}\n{}\n", word(&operation["summary"]));
    writeln!(text, "security: {}", operation["security"]).expect("written");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = newest.resolved(parameter);
        let (name, place) = (word(&parameter["name"]), word(&parameter["in"]));
        writeln!(text, "{place} {name}: {}", parameter["schema"]).expect("written");
    }
    let statuses = operation["responses"].as_object().expect("responses");
    let statuses: Vec<_> = statuses.keys().map(String::as_str).collect();
    writeln!(text, "statuses: {}\n", statuses.join(", ")).expect("written");
    let tables = openapi::properties::tables(&newest.0, &older.0);
    let of_operation = tables.split("\n## ").filter(|table| table.contains(PATH));
    text.extend(of_operation);
    insta::assert_snapshot!(text);
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
