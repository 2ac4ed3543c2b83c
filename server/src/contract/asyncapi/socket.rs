//! The prospect's socket: the frames of both directions, the handshake, the close codes and
//! the rules that a client follows.

use api_types::{
    client_rules::ClientRules,
    close_code::CloseCode,
    frame::{ClientFrame, ServerFrame},
};
use serde_json::{Value, json};

use super::parts::{Channel, members, message, reference, references};

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
            "x-client-rules": ClientRules::current(),
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
            let mut entry = json!({
                "code": code.number(),
                "reason": code.reason(),
                "description": code.description(),
                "bye": code.has_bye(),
                "comeBack": code.allows_reconnect(),
                "policy": code.policy().name(),
            });
            if let Some((minimum, maximum)) = code.policy().retry_after_ms() {
                entry["retryAfterMs"] = json!({"minimum": minimum, "maximum": maximum});
            }
            entry
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use api_types::client_rules::DEFAULT_HEARTBEAT_SECONDS;

    use crate::config::Config;

    #[test]
    fn the_rules_have_the_gateways_own_heartbeat() {
        let command = Config::command();
        let argument = command.get_arguments().find(|it| it.get_long() == Some("heartbeat"));
        let default = argument.expect("the setting").get_default_values()[0].clone();
        assert_eq!(default, *format!("{DEFAULT_HEARTBEAT_SECONDS}s"));
    }
}
