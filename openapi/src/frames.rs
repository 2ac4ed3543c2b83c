//! Translates an AsyncAPI document into an OpenAPI document, so that oasdiff can compare frames and
//! events: a frame from the prospect becomes a request body, a frame or an event from the gateway a
//! response, and the handshake and the request for the event stream an operation each.

use serde_json::{Map, Value, json};

use crate::{finding::Place, pointer};

/// The start of the paths that stand for frames and events.
const FRAMES: &str = "/frames/";

/// The end of the paths that stand for the fields of an event beside its payload.
const FIELDS: &str = "/fields";

/// The start of the paths that stand for requests over HTTP.
const REQUESTS: &str = "/requests/";

/// How many references in a row are followed; more are a circle.
const LONGEST_REFERENCE_CHAIN: usize = 8;

/// The OpenAPI document of an AsyncAPI document. What it cannot express, [`crate::extra_rules`]
/// compares.
#[must_use]
pub fn as_openapi(asyncapi: &Value) -> Value {
    let mut paths = Map::new();
    for (name, channel) in members(&asyncapi["channels"]) {
        if channel["bindings"]["ws"].is_object() {
            paths.insert(address(name, channel), json!({"get": handshake(channel)}));
        }
    }
    for (direction, operation) in members(&asyncapi["operations"]) {
        let from_gateway = operation["action"] == "send";
        if let Some(method) = operation["bindings"]["http"]["method"].as_str() {
            let channel = resolve(asyncapi, &operation["channel"]).unwrap_or(&Value::Null);
            paths.insert(
                format!("{REQUESTS}{direction}{}", address("", channel)),
                json!({method.to_lowercase(): request(operation)}),
            );
        }
        let messages: Vec<&Value> = operation["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|message| resolve(asyncapi, message))
            .collect();
        let names: Vec<&Value> = messages.iter().map(|message| &message["name"]).collect();
        // One operation for the set of frame names, as an enum in the frames' direction, and one
        // operation for the payload of each frame.
        let kinds = json!({"type": "string", "enum": names});
        let content = json!({"application/json": {"schema": kinds}});
        paths.insert(
            format!("{FRAMES}{direction}"),
            json!({"post": frame_operation(from_gateway, &content)}),
        );
        for message in &messages {
            let name = message["name"].as_str().unwrap_or_default();
            let media_type = message["contentType"].as_str().unwrap_or("application/json");
            let content = json!({media_type: {"schema": message["payload"]}});
            paths.insert(
                format!("{FRAMES}{direction}/{name}"),
                json!({"post": frame_operation(from_gateway, &content)}),
            );
            if message["headers"].is_object() {
                let content = json!({"application/json": {"schema": message["headers"]}});
                paths.insert(
                    format!("{FRAMES}{direction}/{name}{FIELDS}"),
                    json!({"post": frame_operation(from_gateway, &content)}),
                );
            }
        }
    }
    let mut schemas = asyncapi["components"]["schemas"].clone();
    // JSON Schema has a list of `examples`, and oasdiff expects an object. No rule compares them.
    members_mut(&mut schemas).for_each(|(_, schema)| {
        schema.as_object_mut().map(|schema| schema.remove("examples"));
    });
    let servers: Vec<Value> = members(&asyncapi["servers"])
        .map(|(_, server)| {
            let part = |name: &str| server[name].as_str().unwrap_or_default();
            json!({"url": format!("{}://{}", part("protocol"), part("host"))})
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": asyncapi["info"]["title"], "version": asyncapi["info"]["version"]},
        "servers": servers,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": asyncapi["components"]["securitySchemes"],
        },
    })
}

/// The frame, event, direction, handshake or request that a path of the translated document stands for.
#[must_use]
pub fn place(path: &str) -> Place {
    let request = path.strip_prefix(REQUESTS).and_then(|request| request.split_once('/'));
    let at = match path.strip_prefix(FRAMES).map(|frame| frame.split_once('/')) {
        Some(Some((direction, frame))) => match frame.strip_suffix(FIELDS) {
            Some(event) => format!("{direction}: the fields of `{event}`"),
            None => format!("{direction}: `{frame}`"),
        },
        Some(None) => path.trim_start_matches(FRAMES).to_owned(),
        None => match request {
            Some((operation, address)) => format!("{operation}: the request to /{address}"),
            None => format!("the handshake of {path}"),
        },
    };
    Place { at, id: None }
}

/// A pointer into the translated document, as a pointer into the AsyncAPI document. Schemas have the same
/// one in both; of what the translation adds, the part that it comes from.
#[must_use]
pub fn original_pointer(asyncapi: &Value, translated: &str) -> String {
    let Some(path) =
        translated.strip_prefix("/paths").and_then(|rest| pointer::tokens(rest).next())
    else {
        return if translated.starts_with("/servers/") { "/servers" } else { translated }
            .to_owned();
    };
    if let Some(request) = path.strip_prefix(REQUESTS) {
        let operation = request.split('/').next().unwrap_or_default();
        return format!("{}/bindings/http/query", pointer::join("/operations", operation));
    }
    if let Some(frame) = path.strip_prefix(FRAMES) {
        let event = frame.strip_suffix(FIELDS).and_then(|event| event.split('/').nth(1));
        let event = members(&asyncapi["components"]["messages"]).find(|(_, message)| {
            message["headers"].is_object() && message["name"].as_str() == event
        });
        if let Some((name, _)) = event {
            return format!("{}/headers", pointer::join("/components/messages", name));
        }
        let direction = frame.split('/').next().unwrap_or_default();
        return pointer::join(&pointer::join("/operations", direction), "messages");
    }
    let mut channels = members(&asyncapi["channels"]);
    let channel = channels
        .find(|(name, channel)| channel["address"].as_str().unwrap_or(name.as_str()) == path);
    channel.map_or_else(
        || "/channels".to_owned(),
        |(name, _)| format!("{}/bindings/ws/headers", pointer::join("/channels", name)),
    )
}

/// The operation of a frame. The body is always required, because a frame always has its payload.
fn frame_operation(from_gateway: bool, content: &Value) -> Value {
    if from_gateway {
        json!({"responses": {"200": {"description": "", "content": content}}})
    } else {
        json!({
            "requestBody": {"required": true, "content": content},
            "responses": {"204": {"description": ""}},
        })
    }
}

fn handshake(channel: &Value) -> Value {
    let parameters = parameters("header", &channel["bindings"]["ws"]["headers"]);
    json!({"parameters": parameters, "responses": {"101": {"description": ""}}})
}

/// The request of an operation over HTTP. What is sent or received in it is a frame's operation.
fn request(operation: &Value) -> Value {
    let schemes = operation["security"].as_array().into_iter().flatten();
    let security: Vec<Value> = schemes
        .filter_map(|scheme| scheme["$ref"].as_str()?.rsplit('/').next())
        .map(|name| json!({name: []}))
        .collect();
    json!({
        "parameters": parameters("query", &operation["bindings"]["http"]["query"]),
        "security": security,
        "responses": {"204": {"description": ""}},
    })
}

/// The properties of a binding's schema as parameters.
fn parameters(place: &str, schema: &Value) -> Vec<Value> {
    members(&schema["properties"])
        .map(|(name, property)| {
            let required =
                schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            json!({"name": name, "in": place, "required": required, "schema": property})
        })
        .collect()
}

fn address(name: &str, channel: &Value) -> String {
    channel["address"].as_str().unwrap_or(name).to_owned()
}

/// Follows references to a node that is not a reference. `None` for a dangling or circular one.
fn resolve<'a>(document: &'a Value, mut node: &'a Value) -> Option<&'a Value> {
    for _ in 0..LONGEST_REFERENCE_CHAIN {
        match node["$ref"].as_str() {
            Some(reference) => node = document.pointer(reference.strip_prefix('#')?)?,
            None => return Some(node),
        }
    }
    None
}

fn members(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flatten()
}

fn members_mut(node: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    node.as_object_mut().into_iter().flatten()
}
