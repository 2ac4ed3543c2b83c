//! Translates an AsyncAPI document into an OpenAPI document, so that oasdiff can compare frames: a
//! frame from the prospect becomes a request body, a frame from the gateway a response, and the
//! handshake an operation.

use serde_json::{Map, Value, json};

use crate::{finding::Place, pointer};

/// The start of the paths that stand for frames.
const FRAMES: &str = "/frames/";

/// How many references in a row are followed; more are a circle.
const LONGEST_REFERENCE_CHAIN: usize = 8;

/// The OpenAPI document of an AsyncAPI document. What it cannot express, [`crate::extra_rules`]
/// compares.
#[must_use]
pub fn as_openapi(asyncapi: &Value) -> Value {
    let mut paths = Map::new();
    for (name, channel) in members(&asyncapi["channels"]) {
        let address = channel["address"].as_str().unwrap_or(name);
        paths.insert(address.to_owned(), json!({"get": handshake(channel)}));
    }
    for (direction, operation) in members(&asyncapi["operations"]) {
        let from_gateway = operation["action"] == "send";
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
        "components": {"schemas": schemas},
    })
}

/// The frame, direction or handshake that a path of the translated document stands for.
#[must_use]
pub fn place(path: &str) -> Place {
    let at = match path.strip_prefix(FRAMES).map(|frame| frame.split_once('/')) {
        Some(Some((direction, frame))) => format!("{direction}: `{frame}`"),
        Some(None) => path.trim_start_matches(FRAMES).to_owned(),
        None => format!("the handshake of {path}"),
    };
    Place { at, id: None }
}

/// A pointer into the translated document, as a pointer into the AsyncAPI document. Schemas have the same
/// one in both; of what is built anew, the part that it is built from.
#[must_use]
pub fn original_pointer(asyncapi: &Value, translated: &str) -> String {
    let Some(path) =
        translated.strip_prefix("/paths").and_then(|rest| pointer::tokens(rest).next())
    else {
        return if translated.starts_with("/servers/") { "/servers" } else { translated }
            .to_owned();
    };
    if let Some(frame) = path.strip_prefix(FRAMES) {
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
    let headers = &channel["bindings"]["ws"]["headers"];
    let parameters: Vec<Value> = members(&headers["properties"])
        .map(|(name, schema)| {
            let required =
                headers["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            json!({"name": name, "in": "header", "required": required, "schema": schema})
        })
        .collect();
    json!({"parameters": parameters, "responses": {"101": {"description": ""}}})
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
