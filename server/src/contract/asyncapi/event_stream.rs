//! The operator's event stream: its events, their cursor, and how to resume and to release.

use api_types::event::OperatorEvent;
use serde_json::{Value, json};

use super::parts::{Channel, members, message, reference, references};
use crate::contract::event_stream::cursor;

const NAME: &str = "events";

/// The version of AsyncAPI's HTTP binding.
const BINDING_VERSION: &str = "0.3.0";

const DESCRIPTION: &str = "\
Server-Sent Events (`text/event-stream`): one stream of all devices, in order for each device. The \
`id` of an event is its cursor. After a break, send the last cursor that was processed in the header \
`Last-Event-ID`; `0` begins at the oldest event that is kept, and without it the stream begins now. A \
cursor that is not kept, or belongs to another stream, gets `gap`, then everything from the oldest. \
Events are kept for [`Limits::event_ttl`], or until they are released.";

/// The channel of the event stream.
pub fn channel(openapi: &Value) -> Channel {
    let events = members::<OperatorEvent>();
    Channel {
        name: NAME,
        definition: json!({
            "address": "/operator/events",
            "title": "The operator's event stream",
            "description": DESCRIPTION,
            "servers": [reference("servers", "http")],
        }),
        operations: vec![
            ("toOperator", stream(openapi, &events)),
            ("releaseEvents", release(openapi)),
        ],
        messages: events
            .into_iter()
            .map(|name| {
                let message = event(openapi, &name);
                (name, message)
            })
            .collect(),
    }
}

/// The operation in which the gateway sends the events.
fn stream(openapi: &Value, events: &[String]) -> Value {
    let parameter = &openapi["paths"]["/operator/events"]["get"]["parameters"][0];
    let mut last_event_id = parameter["schema"].clone();
    last_event_id["description"] =
        json!("The same as the header `Last-Event-ID`, for a client that cannot set one.");
    let mut share = openapi["paths"]["/operator/events"]["get"]["parameters"][1].clone();
    share["schema"]["description"] = share["description"].take();
    json!({
        "action": "send",
        "channel": reference("channels", NAME),
        "summary": "What the operator reads",
        "description": parameter["description"],
        "security": [reference("components/securitySchemes", "operatorKey")],
        "bindings": {"http": {
            "method": "GET",
            "query": {"type": "object", "properties": {"lastEventId": last_event_id, "share": share["schema"]}},
            "bindingVersion": BINDING_VERSION,
        }},
        "messages": references(NAME, events),
    })
}

/// The operation in which the operator releases events.
fn release(openapi: &Value) -> Value {
    let operation = &openapi["paths"]["/operator/events"]["delete"];
    let parameter = &operation["parameters"][0];
    let mut through = parameter["schema"].clone();
    through["description"] = parameter["description"].clone();
    json!({
        "action": "receive",
        "channel": reference("channels", NAME),
        "summary": operation["summary"],
        "description": operation["description"],
        "security": [reference("components/securitySchemes", "operatorKey")],
        "bindings": {"http": {
            "method": "DELETE",
            "query": {"type": "object", "required": ["through"], "properties": {"through": through}},
            "bindingVersion": BINDING_VERSION,
        }},
        "messages": [],
    })
}

/// An event: its fields as a Server-Sent Event beside `data`, and its payload, which is `data`.
fn event(openapi: &Value, name: &str) -> Value {
    let mut message = message(openapi, name, "event");
    let kind = message["name"].clone();
    let mut fields = json!({
        "type": "object",
        "description": "The fields of the Server-Sent Event beside `data`.",
        "required": ["event"],
        "properties": {
            "event": {"type": "string", "description": "The kind of event.", "enum": [kind]},
        },
    });
    if kind != "gap" {
        fields["required"] = json!(["id", "event"]);
        fields["properties"]["id"] = cursor();
    }
    message["headers"] = fields;
    message
}
