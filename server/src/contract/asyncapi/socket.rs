//! The prospect's socket: the frames of both directions, the handshake and the close codes.

use api_types::frame::{ClientFrame, ServerFrame};
use serde_json::{Value, json};

use super::parts::{Channel, members, message, reference, references};
use crate::websocket::close_code::CloseCode;

const NAME: &str = "socket";

/// The channel of the socket.
pub fn channel(openapi: &Value) -> Channel {
    let to_prospect = members::<ServerFrame>();
    let from_prospect = members::<ClientFrame>();
    Channel {
        name: NAME,
        definition: json!({
            "address": "/prospect/socket",
            "title": "A prospect's socket",
            "description": "One live socket per device: a newer one takes over.",
            "servers": [reference("servers", "socket")],
            "bindings": {"ws": handshake(openapi)},
            "x-close-codes": close_codes(),
        }),
        operations: vec![
            ("toProspect", operation("send", "What the gateway sends", &to_prospect)),
            ("fromProspect", operation("receive", "What the prospect sends", &from_prospect)),
        ],
        messages: to_prospect
            .into_iter()
            .chain(from_prospect)
            .map(|name| {
                let message = message(openapi, &name, "type");
                (name, message)
            })
            .collect(),
    }
}

fn operation(action: &str, summary: &str, frames: &[String]) -> Value {
    json!({
        "action": action,
        "channel": reference("channels", NAME),
        "summary": summary,
        "messages": references(NAME, frames),
    })
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
