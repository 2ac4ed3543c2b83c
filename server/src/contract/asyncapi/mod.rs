//! The contract of the open socket and of the event stream in AsyncAPI 3.0.
//!
//! Written by hand, because no crate writes AsyncAPI 3 from Rust types. The schemas are copied from
//! the OpenAPI document, so a frame or an event is still described once, by its type in
//! `api-types`.

mod event_stream;
mod parts;
mod socket;

use serde_json::{Map, Value, json};

use self::parts::{Channel, reference};
use super::reference::referenced;

const DESCRIPTION: &str = "\
The frames on a prospect's websocket after `POST /prospect/connectsocket` has authorised it, and the \
events that the operator reads. The OpenAPI document of the same gateway describes everything else.

No acknowledged message is lost or duplicated. To the prospect: process each `seq` of an `epoch` once \
and acknowledge it; unacknowledged messages are sent again on the next socket, in order. To the \
operator: repeat a message, in order and before any new one, until it is accepted; its `id` prevents \
a second delivery.";

/// The AsyncAPI document, from the finished OpenAPI one.
#[must_use]
pub fn document(openapi: &Value) -> Value {
    let channels = [socket::channel(openapi), event_stream::channel(openapi)];
    let mut info = openapi["info"].clone();
    info["title"] = json!("Connect Socket gateway: the socket and the event stream");
    info["description"] = json!(DESCRIPTION);
    info["license"] = json!({"name": info["license"]["name"], "url": "https://spdx.org/licenses/"});
    info["tags"] = json!([
        {"name": "prospect", "description": "What a prospect's app or web page uses."},
        {"name": "operator", "description": "What the operator's backend uses."},
    ]);
    let mut document = json!({
        "asyncapi": "3.0.0",
        "id": "urn:connect-socket:socket",
        "info": info,
        "defaultContentType": "application/json",
        "servers": {
            "socket": server("ws"),
            "http": server("http"),
        },
        "channels": {},
        "operations": {},
        "components": {
            "messages": {},
            "schemas": schemas(openapi, channels.iter().flat_map(|channel| &channel.messages)),
            "securitySchemes": {
                "operatorKey": openapi["components"]["securitySchemes"]["operatorKey"],
            },
        },
    });
    for Channel { name, definition, operations, messages } in channels {
        document["channels"][name] = definition;
        document["channels"][name]["messages"] = messages
            .iter()
            .map(|(name, _)| (name.clone(), reference("components/messages", name)))
            .collect::<Map<_, _>>()
            .into();
        for (name, operation) in operations {
            document["operations"][name] = operation;
        }
        for (name, message) in messages {
            document["components"]["messages"][name] = message;
        }
    }
    document
}

fn server(protocol: &str) -> Value {
    json!({
        "host": "127.0.0.1:8080",
        "protocol": protocol,
        "description": "A gateway started with its defaults.",
    })
}

/// The schemas of the messages, and those that they refer to.
fn schemas<'a>(
    openapi: &Value,
    messages: impl Iterator<Item = &'a (String, Value)>,
) -> Map<String, Value> {
    let mut found = Map::new();
    let mut wanted: Vec<String> = messages.map(|(name, _)| name.clone()).collect();
    while let Some(name) = wanted.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let mut schema = openapi["components"]["schemas"][&name].clone();
        // JSON Schema has a list of examples where OpenAPI has one.
        if let Some(example) = schema.as_object_mut().and_then(|schema| schema.remove("example")) {
            schema["examples"] = json!([example]);
        }
        collect_references(&schema, &mut wanted);
        found.insert(name, schema);
    }
    found.sort_keys();
    found
}

fn collect_references(node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Object(members) => {
            found.extend(referenced(node).map(ToOwned::to_owned));
            members.values().for_each(|member| collect_references(member, found));
        }
        _ => {}
    }
}
