//! What the channels of the AsyncAPI document are made of.

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::contract::reference::referenced;

/// A channel with its operations and messages, each by its name.
pub struct Channel {
    pub name: &'static str,
    pub definition: Value,
    pub operations: Vec<(&'static str, Value)>,
    pub messages: Vec<(String, Value)>,
}

/// The schema names of the frames or events in a union.
pub fn members<T: ToSchema + PartialSchema>() -> Vec<String> {
    let union = serde_json::to_value(T::schema()).unwrap_or_default();
    let references = union["oneOf"].as_array().into_iter().flatten();
    references.filter_map(referenced).map(ToOwned::to_owned).collect()
}

pub fn reference(place: &str, name: &str) -> Value {
    json!({"$ref": format!("#/{place}/{name}")})
}

/// A message with the schema of that name as payload. `field` tells the messages of a channel apart.
pub fn message(openapi: &Value, name: &str, field: &str) -> Value {
    let schema = &openapi["components"]["schemas"][name];
    json!({
        "name": schema["properties"][field]["enum"][0],
        "title": name,
        "summary": schema["description"],
        "contentType": "application/json",
        "payload": reference("components/schemas", name),
        "examples": [{"name": name, "payload": schema["example"]}],
    })
}

/// The references to messages of a channel.
pub fn references(channel: &str, messages: &[String]) -> Vec<Value> {
    let place = format!("channels/{channel}/messages");
    messages.iter().map(|name| reference(&place, name)).collect()
}
