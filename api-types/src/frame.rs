//! What travels on an open socket: JSON text frames, told apart by `type`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationErrors};

use crate::body::RequestBody;

/// The first frame on every socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "hello", "connectionId": "kS2fXw9QbT6hYpLr0aVn3g", "epoch": "Zb41mN0qTs8", "heartbeat": 25}))]
pub struct HelloFrame {
    /// Names this connection.
    pub connection_id: String,
    /// Names the numbering of the messages to this device. When it changes, counting begins anew.
    pub epoch: String,
    /// How often the gateway pings, in seconds. A client that hears nothing for twice as long
    /// may take the connection for dead.
    pub heartbeat: u64,
}

/// The last frame before every close with a code from 4000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "bye", "code": 4200, "retryAfterMs": 1800}))]
pub struct ByeFrame {
    /// The close code that follows.
    pub code: u16,
    /// When to authorise anew, in milliseconds. Absent where the client should not come back by
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
}

/// Asks for a pong frame: a browser's script cannot see the websocket's own pings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "ping"}))]
pub struct PingFrame {}

/// The answer to a ping frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "pong"}))]
pub struct PongFrame {}

/// A frame from the gateway to the prospect. Clients ignore types and fields they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerFrame {
    /// The first frame.
    Hello(HelloFrame),
    /// The answer to a ping frame.
    Pong(PongFrame),
    /// The last frame.
    Bye(ByeFrame),
}

/// A frame from the prospect to the gateway. Unknown types and fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientFrame {
    /// Asks for a pong frame.
    Ping(PingFrame),
}

impl Validate for ClientFrame {
    fn validate(&self) -> Result<(), ValidationErrors> {
        match self {
            Self::Ping(PingFrame {}) => Ok(()),
        }
    }
}

impl RequestBody for ClientFrame {}
