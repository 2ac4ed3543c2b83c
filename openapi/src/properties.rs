//! The contract as property tables in the form of the vendor's document, for reviewers.

use serde_json::{Map, Value};

/// The tables of every body, frame and event, from the contract in OpenAPI 3.1 and in 3.0.
///
/// A table has what the document has: Property, Description, Required, Schema. The schema is shown as
/// OpenAPI 3.0 has it, as in the document; the description comes from 3.1, because 3.0 has none beside
/// a reference.
#[must_use]
pub fn tables(newest: &Value, older: &Value) -> String {
    let mut text = String::from("# The properties of the contract\n");
    let mut add = |title: &str, schema: &Value| {
        text.extend(["\n## ", title, "\n\n", &table(newest, older, schema)]);
    };
    for (path, item) in members(&older["paths"]) {
        for (method, operation) in members(item) {
            let title = format!("{} {path}", method.to_uppercase());
            let request = &operation["requestBody"]["content"]["application/json"]["schema"];
            if request.is_object() {
                add(&format!("{title}: request"), request);
            }
            for (status, response) in members(&operation["responses"]) {
                let schema = &response["content"]["application/json"]["schema"];
                if schema["$ref"].is_string() {
                    add(&format!("{title}: response {status}"), schema);
                }
            }
        }
    }
    for (name, schema) in members(&older["components"]["schemas"]) {
        let kind = ["Frame", "Event"].into_iter().find(|kind| name.ends_with(kind));
        if let Some(kind) = kind.filter(|_| schema["properties"].is_object()) {
            add(&format!("{kind} {name}"), schema);
        }
    }
    text
}

fn table(newest: &Value, older: &Value, schema: &Value) -> String {
    let described = resolved(newest, schema);
    let schema = resolved(older, schema);
    let mut text =
        String::from("| Property | Description | Required | Schema |\n|---|---|---|---|\n");
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (name, property) in members(&schema["properties"]) {
        let description = described["properties"][name]["description"].as_str();
        let need = if required.contains(&Value::from(name.as_str())) { "Yes" } else { "No" };
        let rules = members(property).filter(|(rule, _)| *rule != "description");
        let rules: Map<String, Value> =
            rules.map(|(rule, value)| (rule.clone(), value.clone())).collect();
        let cells = [description.unwrap_or_default(), need, &format!("`{}`", Value::from(rules))]
            .map(|cell| cell.replace('\n', " ").replace('|', "\\|"));
        text.extend(["| ", name, " | ", &cells.join(" | "), " |\n"]);
    }
    text
}

/// What a reference stands for, or the schema itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn members(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flatten()
}
