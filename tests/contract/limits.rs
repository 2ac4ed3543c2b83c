//! The limits in the texts of the contract: each is the value of a constant, never a number of its own.

use api_types::{client_rules::ClientRules, close_code::CloseCode};
use regex::Regex;
use serde_json::{Value, json};
use server::{contract::documents, routes};

/// The texts of a document for people, each with its place.
fn texts(node: &Value, place: &str, found: &mut Vec<(String, String)>) {
    match node {
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                texts(item, &format!("{place}/{n}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{place}/{name}");
                match (name.as_str(), member) {
                    ("description" | "summary" | "detail", Value::String(text)) => {
                        found.push((place, text.clone()));
                    }
                    _ => texts(member, &place, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_limit_that_a_text_names_is_shown() {
    for (name, document) in documents(&routes::contract()) {
        assert!(!document.contains("[`"), "{name}");
    }
    let [(_, openapi), .., (_, asyncapi)] = documents(&routes::contract());
    for shown in ["at most 60 KiB", "at most 32 levels", "24 hours when absent", "100 when absent"]
    {
        assert!(openapi.contains(shown), "{shown}");
    }
    for shown in ["for 10 seconds", "At most 64 messages", "kept for 24 hours"] {
        assert!(asyncapi.contains(shown), "{shown}");
    }
}

/// A number with a unit in a text, before the names of limits are shown as their values.
#[test]
fn no_text_has_a_limit_as_a_number_of_its_own() {
    let unit =
        "KiB|MiB|bytes|characters|levels|members|messages|devices|items|seconds|minutes|hours";
    let own = Regex::new(&format!(r"\d\s+({unit})\b|\d when absent")).expect("a pattern");
    let codes: Vec<_> =
        CloseCode::ALL.iter().map(|code| json!({"description": code.description()})).collect();
    let written = json!([routes::contract(), codes, ClientRules::current()]);
    let mut found = Vec::new();
    texts(&written, "", &mut found);
    assert!(found.iter().any(|(_, text)| text.contains("[`MAX_DATA_BYTES`]")));
    for (place, text) in found {
        assert!(!own.is_match(&text), "{place}: name the constant instead of its value: {text}");
    }
}
