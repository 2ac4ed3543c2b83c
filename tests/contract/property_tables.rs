//! The contract as property tables in the document's form, for reviewers. The whole documents are
//! compared byte for byte with `openapi/*.json`, see `committed.rs`.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::served::Contract;

/// A table in the document's form: Property, Description, Required, Schema. The schema is shown as
/// OpenAPI 3.0 has it, as in the document; the description comes from 3.1, because 3.0 has none
/// beside a reference.
fn table([newest, older, _]: &[Contract; 3], title: &str, schema: &Value) -> String {
    let described = newest.resolved(schema);
    let schema = older.resolved(schema);
    let mut text = format!("{title}\n\nProperty | Description | Required | Schema\n");
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let description = described["properties"][name]["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        let need = if required.contains(&name.clone().into()) { "Yes" } else { "No" };
        let rules: Map<String, Value> = property
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(rule, _)| *rule != "description")
            .map(|(rule, value)| (rule.clone(), value.clone()))
            .collect();
        writeln!(text, "{name} | {description} | {need} | {}", Value::from(rules))
            .expect("written");
    }
    text
}

#[test]
fn the_property_tables() {
    let dialects = Contract::all();
    let contract = &dialects[1];
    let mut text = String::new();
    for (method, path, operation) in contract.operations() {
        let request = &operation["requestBody"]["content"]["application/json"]["schema"];
        if request.is_object() {
            let title = format!("{method} {path}: request");
            writeln!(text, "{}", table(&dialects, &title, request)).expect("written");
        }
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            let schema = &response["content"]["application/json"]["schema"];
            if schema["$ref"].is_string() {
                let title = format!("{method} {path}: response {status}");
                writeln!(text, "{}", table(&dialects, &title, schema)).expect("written");
            }
        }
    }
    for (name, schema) in contract.0["components"]["schemas"].as_object().into_iter().flatten() {
        let kind = ["Frame", "Event"].into_iter().find(|kind| name.ends_with(kind));
        if let Some(kind) = kind.filter(|_| schema["properties"].is_object()) {
            let title = format!("{kind} {name}");
            writeln!(text, "{}", table(&dialects, &title, schema)).expect("written");
        }
    }
    insta::assert_snapshot!(text);
}
