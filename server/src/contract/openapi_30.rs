//! The contract in OpenAPI 3.0, for programs that cannot read 3.1.
//!
//! Written by hand, because utoipa writes 3.1 only and converters are programs outside of Rust. It
//! converts what this contract uses; a validator in the tests rejects anything it misses.

use serde_json::{Map, Value, json};

/// The 3.0.3 form of a 3.1 `document`.
#[must_use]
pub fn down_converted(document: &Value) -> Value {
    let mut document = document.clone();
    document["openapi"] = json!("3.0.3");
    // 3.0 has no SPDX identifier, only the URL of a licence.
    if let Some(license) = document["info"]["license"].as_object_mut()
        && license.remove("identifier").is_some()
    {
        license.insert("url".to_owned(), json!("https://spdx.org/licenses/"));
    }
    convert(&mut document);
    document
}

/// Converts a node and everything below it. Examples are data and stay unchanged.
fn convert(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(convert),
        Value::Object(members) => {
            convert_schema(members);
            for (name, member) in members.iter_mut() {
                let data = matches!(name.as_str(), "example" | "examples" | "enum" | "default")
                    || name.starts_with("x-");
                if !data {
                    convert(member);
                }
            }
        }
        _ => {}
    }
}

fn convert_schema(schema: &mut Map<String, Value>) {
    // `type: [string, null]` is `nullable` in 3.0.
    if let Some(Value::Array(types)) = schema.get("type") {
        let rest: Vec<Value> = types.iter().filter(|kind| *kind != "null").cloned().collect();
        if let [only] = &rest[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
            schema.insert("nullable".to_owned(), json!(true));
        }
    }
    // A schema has a list of examples in 3.1 and a single one in 3.0; elsewhere `examples` is a map.
    if let Some(Value::Array(examples)) = schema.get("examples") {
        let first = examples.first().cloned();
        schema.remove("examples");
        if let Some(first) = first {
            schema.insert("example".to_owned(), first);
        }
    }
    // 3.0 allows nothing beside a reference.
    if schema.contains_key("$ref") {
        schema.retain(|name, _| name == "$ref");
    }
}
