//! What travels on an open socket: JSON text frames, told apart by `type`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    body::{self, BodyError, RequestBody},
    pattern,
    problem::{FieldCode, FieldError, Problem},
};

/// Gives a frame its `type`: a name that has one value.
macro_rules! frame_type {
    ($name:ident $value:ident $text:literal) => {
        /// The kind of frame.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            #[doc = concat!("`", $text, "`")]
            #[default]
            $value,
        }
    };
}

frame_type!(HelloType Hello "hello");
frame_type!(MessageType Message "message");
frame_type!(AcceptedType Accepted "accepted");
frame_type!(AckType Ack "ack");
frame_type!(PingType Ping "ping");
frame_type!(PongType Pong "pong");
frame_type!(ErrorType Error "error");
frame_type!(ByeType Bye "bye");

/// The first frame on every socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "hello", "connectionId": "kS2fXw9QbT6hYpLr0aVn3g", "epoch": "i-bGa_LkeDY6SVqcjXTRLQ", "heartbeat": 25}))]
pub struct HelloFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: HelloType,
    /// Names this connection.
    pub connection_id: String,
    /// Names the numbering of the messages to this device. When it changes, counting begins anew.
    pub epoch: String,
    /// How often the gateway pings, in seconds. A client that hears nothing for twice as long may
    /// take the connection for dead.
    pub heartbeat: u64,
}

/// A message from the operator to the prospect. It comes again on every new socket until it is
/// acknowledged: process each `seq` of an `epoch` once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "message", "epoch": "i-bGa_LkeDY6SVqcjXTRLQ", "seq": 43, "data": {"text": "Hello"}}))]
pub struct OperatorMessageFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: MessageType,
    /// Names the numbering that `seq` is of.
    pub epoch: String,
    /// The number of the message, from 1 and rising.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// The operator's JSON, byte for byte.
    #[schema(value_type = Value)]
    pub data: Box<RawValue>,
}

/// The prospect's message is in the event stream and need not be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "accepted", "id": "9f0c2f4e-7d0b-4c36-9a53-2f1f3e1d7a10"}))]
pub struct AcceptedFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: AcceptedType,
    /// The message's own id.
    pub id: String,
}

/// The answer to a ping frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "pong"}))]
pub struct PongFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: PongType,
}

/// A frame was refused; the socket stays open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "error", "problem": {
    "type": "urn:connect-socket:problem:ack-not-sent",
    "title": "This seq was not sent",
    "status": 409,
    "detail": "Acknowledge what was received on this socket.",
    "success": false,
    "requestId": "5f0c3a9be2d1-0000002a"
}}))]
pub struct ErrorFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: ErrorType,
    /// The id of the message that was refused, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// What was wrong.
    pub problem: Problem,
}

/// The last frame before every close with a code from 4000, but for 4102, whose peer reads nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "bye", "code": 4200, "retryAfterMs": 1800}))]
pub struct ByeFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: ByeType,
    /// The close code that follows.
    pub code: u16,
    /// When to authorise anew, in milliseconds. Absent where the client should not come back by
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
}

/// A frame from the gateway to the prospect. Clients ignore types and fields they do not know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ServerFrame {
    /// The first frame.
    Hello(HelloFrame),
    /// A message from the operator.
    Message(OperatorMessageFrame),
    /// A message of the prospect's was accepted.
    Accepted(AcceptedFrame),
    /// The answer to a ping frame.
    Pong(PongFrame),
    /// A frame was refused.
    Error(ErrorFrame),
    /// The last frame.
    Bye(ByeFrame),
}

/// A message from the prospect to the operator. Send it again on the next socket, in order and
/// before anything new, until it is accepted; at most 64 may be unaccepted at a time.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "message", "id": "9f0c2f4e-7d0b-4c36-9a53-2f1f3e1d7a10", "data": {"text": "Hello"}}))]
pub struct ProspectMessageFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: MessageType,
    /// The client's own name for the message, unlike every other of this device, also after a
    /// restart: a UUID serves, a counter does not. A name that was accepted before is answered with
    /// `accepted` and goes no further.
    #[validate(length(min = 1, max = 64), regex(path = *pattern::MESSAGE_ID))]
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]{1,64}$")]
    pub id: String,
    /// Any JSON. It reaches the operator byte for byte.
    #[schema(value_type = Value)]
    pub data: Box<RawValue>,
}

impl RequestBody for ProspectMessageFrame {}

/// Everything up to this message is processed and need not come again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "ack", "seq": 43}))]
pub struct AckFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: AckType,
    /// The highest number that is processed.
    #[validate(range(min = 1))]
    #[schema(minimum = 1)]
    pub seq: u64,
}

impl RequestBody for AckFrame {}

/// Asks for a pong frame: a browser's script cannot see the websocket's own pings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "ping"}))]
pub struct PingFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: PingType,
}

impl RequestBody for PingFrame {}

/// A frame from the prospect to the gateway. Unknown types and fields are refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ClientFrame {
    /// A message to the operator.
    Message(ProspectMessageFrame),
    /// An acknowledgement.
    Ack(AckFrame),
    /// Asks for a pong frame.
    Ping(PingFrame),
}

/// Why a text is no frame of a client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// Not JSON, of no known type, or with a field missing: the client is broken.
    NotAFrame,
    /// A frame with a value that is refused.
    Refused {
        /// The id of the message, where it had a good one.
        id: Option<String>,
        /// The fields that are wrong.
        errors: Vec<FieldError>,
    },
}

impl ClientFrame {
    /// Reads a client's frame.
    ///
    /// # Errors
    /// Whether it was no frame at all, or what in it is refused.
    pub fn parse(text: &[u8]) -> Result<Self, FrameError> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            r#type: &'a str,
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }

        // An escaped `type` is read as no type: every type is plain letters.
        let envelope: Envelope<'_> =
            serde_json::from_slice(text).map_err(|_| FrameError::NotAFrame)?;
        let read = match envelope.r#type {
            "message" => body::parse(text).map(Self::Message),
            "ack" => body::parse(text).map(Self::Ack),
            "ping" => body::parse(text).map(Self::Ping),
            _ => return Err(FrameError::NotAFrame),
        };
        read.map_err(|error| match error {
            BodyError::NotJson(_) => FrameError::NotAFrame,
            BodyError::Fields(errors) if errors.iter().any(is_broken) => FrameError::NotAFrame,
            BodyError::Fields(errors) => {
                let id = envelope.id.and_then(|id| serde_json::from_str(id.get()).ok());
                let id = id.filter(|id: &String| pattern::MESSAGE_ID.is_match(id));
                FrameError::Refused { id, errors }
            }
        })
    }
}

/// A frame with a field missing, or that is no object, was made by a broken client.
fn is_broken(error: &FieldError) -> bool {
    error.code == FieldCode::Missing || error.pointer.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> FrameError {
        ClientFrame::parse(text.as_bytes()).expect_err("refused")
    }

    #[test]
    fn data_goes_through_byte_for_byte() {
        let data = r#"{ "a":1.0, "a" : 1e400,"b":"\u00e9" }"#;
        let text = format!(r#"{{"type":"message","id":"1","data":{data}}}"#);
        let Ok(ClientFrame::Message(message)) = ClientFrame::parse(text.as_bytes()) else {
            panic!("a message");
        };
        assert_eq!(message.data.get(), data);
    }

    #[test]
    fn what_is_no_frame_is_told_from_a_value_that_is_refused() {
        for text in ["", "[]", "{}", "7", r#"["ping"]"#, r#"{"type":"hello"}"#, r#"{"type":"ack"}"#]
        {
            assert_eq!(refused(text), FrameError::NotAFrame, "{text}");
        }
        for text in
            [r#"{"type":"ack","seq":0}"#, r#"{"type":"ack","seq":"1"}"#, r#"{"type":"ping","x":1}"#]
        {
            assert!(matches!(refused(text), FrameError::Refused { id: None, .. }), "{text}");
        }
    }

    #[test]
    fn a_refused_message_is_named_by_its_id() {
        let text = r#"{"type":"message","id":"m1","data":1,"colour":"red"}"#;
        assert!(matches!(refused(text), FrameError::Refused { id: Some(id), .. } if id == "m1"));
    }
}
