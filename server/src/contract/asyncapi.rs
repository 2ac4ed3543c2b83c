//! The contract of the open socket in AsyncAPI 3.0: the frames of both directions, the handshake
//! and the close codes.
//!
//! Written by hand, because no crate writes AsyncAPI 3 from Rust types. The schemas are copied from
//! the OpenAPI document, so a frame is still described once, by its type in `api-types`.

use api_types::frame::{ClientFrame, ServerFrame};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::websocket::close_code::CloseCode;

const DESCRIPTION: &str = "\
The frames on a prospect's websocket after `POST /prospect/connectsocket` has authorised it. The \
OpenAPI document of the same gateway describes everything before.

No acknowledged message is lost or duplicated. To the prospect: process each `seq` of an `epoch` once \
and acknowledge it; unacknowledged messages are sent again on the next socket, in order. To the \
operator: repeat a message, in order and before any new one, until it is accepted; its `id` prevents \
a second delivery.";

/// The AsyncAPI document, from the finished OpenAPI one.
#[must_use]
pub fn document(openapi: &Value) -> Value {
    let to_prospect = members::<ServerFrame>();
    let from_prospect = members::<ClientFrame>();
    let all: Vec<&String> = to_prospect.iter().chain(&from_prospect).collect();
    let channel_messages: Map<String, Value> =
        all.iter().map(|name| ((*name).clone(), reference("components/messages", name))).collect();
    let mut info = openapi["info"].clone();
    info["title"] = json!("Connect Socket gateway: the socket");
    info["description"] = json!(DESCRIPTION);
    info["license"] = json!({"name": info["license"]["name"], "url": "https://spdx.org/licenses/"});
    info["tags"] =
        json!([{"name": "prospect", "description": "What a prospect's app or web page uses."}]);
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:connect-socket:socket",
        "info": info,
        "defaultContentType": "application/json",
        "servers": {
            "default": {
                "host": "127.0.0.1:8080",
                "protocol": "ws",
                "description": "A gateway started with its defaults.",
            },
        },
        "channels": {
            "socket": {
                "address": "/prospect/socket",
                "title": "A prospect's socket",
                "description": "One live socket per device: a newer one takes over.",
                "messages": channel_messages,
                "bindings": {"ws": handshake(openapi)},
                "x-close-codes": close_codes(),
            },
        },
        "operations": {
            "toProspect": operation("send", "What the gateway sends", &to_prospect),
            "fromProspect": operation("receive", "What the prospect sends", &from_prospect),
        },
        "components": {
            "messages": all.iter().map(|name| ((*name).clone(), message(openapi, name))).collect::<Map<_, _>>(),
            "schemas": schemas(openapi, &all),
        },
    })
}

/// The schema names of the frames in a union.
fn members<T: ToSchema + PartialSchema>() -> Vec<String> {
    let union = serde_json::to_value(T::schema()).unwrap_or_default();
    let references = union["oneOf"].as_array().into_iter().flatten();
    references
        .filter_map(|member| member["$ref"].as_str()?.rsplit('/').next().map(ToOwned::to_owned))
        .collect()
}

fn reference(place: &str, name: &str) -> Value {
    json!({"$ref": format!("#/{place}/{name}")})
}

fn operation(action: &str, summary: &str, frames: &[String]) -> Value {
    let messages: Vec<_> =
        frames.iter().map(|name| reference("channels/socket/messages", name)).collect();
    json!({
        "action": action,
        "channel": reference("channels", "socket"),
        "summary": summary,
        "messages": messages,
    })
}

fn message(openapi: &Value, name: &str) -> Value {
    let schema = &openapi["components"]["schemas"][name];
    json!({
        "name": schema["properties"]["type"]["enum"][0],
        "title": name,
        "summary": schema["description"],
        "contentType": "application/json",
        "payload": reference("components/schemas", name),
        "examples": [{"name": name, "payload": schema["example"]}],
    })
}

/// The frames' schemas, and those that they refer to.
fn schemas(openapi: &Value, frames: &[&String]) -> Map<String, Value> {
    let mut found = Map::new();
    let mut wanted: Vec<String> = frames.iter().map(|name| (*name).clone()).collect();
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
            let name = members.get("$ref").and_then(Value::as_str);
            found.extend(name.and_then(|name| name.rsplit('/').next()).map(ToOwned::to_owned));
            members.values().for_each(|member| collect_references(member, found));
        }
        _ => {}
    }
}

/// The handshake: the header that carries the `halfRef`.
fn handshake(openapi: &Value) -> Value {
    let parameter = &openapi["paths"]["/prospect/socket"]["get"]["parameters"][0];
    json!({
        "method": "GET",
        "headers": {
            "type": "object",
            "required": [parameter["name"]],
            "properties": {
                parameter["name"].as_str().unwrap_or_default(): {
                    "type": "string",
                    "description": parameter["description"],
                    "examples": [parameter["example"]],
                },
            },
        },
        "bindingVersion": "0.1.0",
    })
}

fn close_codes() -> Vec<Value> {
    CloseCode::ALL
        .iter()
        .map(|code| {
            json!({
                "code": code.number(),
                "reason": code.reason(),
                "description": code.description(),
                "bye": code.has_bye(),
                "comeBack": code.allows_reconnect(),
            })
        })
        .collect()
}
