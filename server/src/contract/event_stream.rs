//! The event stream in OpenAPI: what one item of it is.
//!
//! OpenAPI 3.2 has `itemSchema` for that, which utoipa writes without `contentSchema`. 3.1 and 3.0 have
//! nothing, so they carry the same schema as `x-item-schema`.

use api_types::event::Cursor;
use serde_json::{Value, json};

use super::reference::referenced;

/// The media type of the stream.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The extension of a media type that has the schema of an item.
pub const EXTENSION: &str = "x-item-schema";

/// The cursors of the example.
const CURSOR: &str = "Zb41mN0qTs8kX2yPvLw3rA";

/// The schema of the cursor of an event.
pub fn cursor() -> Value {
    json!(Cursor::property())
}

/// The schema of a Server-Sent Event.
fn item() -> Value {
    json!({
        "type": "object",
        "description": "One Server-Sent Event.",
        "required": ["event", "data"],
        "properties": {
            "id": cursor(),
            "event": {
                "type": "string",
                "description": "The kind of event, as in `data`. Ignore unknown kinds.",
            },
            "data": {
                "type": "string",
                "description": "The event as JSON.",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": "#/components/schemas/OperatorEvent"},
            },
        },
    })
}

/// Adds the schema of an item to the event stream of a 3.1 document, and an example of every event.
pub fn complete(openapi: &mut Value) {
    let example = example(openapi);
    let responses = &mut openapi["paths"]["/operator/events"]["get"]["responses"];
    let media_type = &mut responses["200"]["content"][MEDIA_TYPE];
    media_type["example"] = json!(example);
    media_type[EXTENSION] = item();
}

/// A stream with every event, from the examples of their schemas.
fn example(openapi: &Value) -> String {
    let schemas = &openapi["components"]["schemas"];
    let members = schemas["OperatorEvent"]["oneOf"].as_array().into_iter().flatten().enumerate();
    let events = members.map(|(n, member)| {
        let event = &schemas[referenced(member).unwrap_or_default()]["example"];
        let kind = event["event"].as_str().unwrap_or_default();
        let cursor = if kind == "gap" { String::new() } else { format!("id: {CURSOR}-{n}\n") };
        format!("{cursor}event: {kind}\ndata: {event}\n\n")
    });
    events.collect()
}
