//! The frames on an open socket: JSON in text frames, distinguished by `type`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use utoipa::{ToSchema, openapi::KnownFormat};
use validator::{Validate, ValidationError};

use crate::{
    body::{self, BodyError, RequestBody},
    kind::kind,
    number, payload,
    problem::{FieldCode, FieldError, Problem},
    rule::{Text, WholeNumber, rule},
};

kind!(#[doc = "The kind of frame."] HelloType Hello "hello");
kind!(#[doc = "The kind of frame."] MessageType Message "message");
kind!(#[doc = "The kind of frame."] AcceptedType Accepted "accepted");
kind!(#[doc = "The kind of frame."] AckType Ack "ack");
kind!(#[doc = "The kind of frame."] PingType Ping "ping");
kind!(#[doc = "The kind of frame."] PongType Pong "pong");
kind!(#[doc = "The kind of frame."] ErrorType Error "error");
kind!(#[doc = "The kind of frame."] ByeType Bye "bye");

/// The first frame on every socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "hello", "connectionId": "kS2fXw9QbT6hYpLr0aVn3g", "epoch": "i-bGa_LkeDY6SVqcjXTRLQ", "heartbeat": 25}))]
pub struct HelloFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: HelloType,
    /// The id of this connection, as events and the list of prospects have it.
    pub connection_id: String,
    /// The id of the numbering of the messages to this device. In a new epoch, `seq` starts again at 1.
    pub epoch: String,
    /// The interval between the gateway's pings, in seconds. A client that receives nothing for two
    /// intervals should consider the connection lost.
    pub heartbeat: u64,
}

/// A message from the operator to the prospect. The gateway sends it on every new socket until it is
/// acknowledged, so process each `seq` of an `epoch` once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "message", "epoch": "i-bGa_LkeDY6SVqcjXTRLQ", "seq": 43, "data": {"text": "Hello"}}))]
pub struct OperatorMessageFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: MessageType,
    /// The epoch that `seq` belongs to.
    pub epoch: String,
    /// The number of the message within the epoch. It starts at 1 and rises.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// The operator's JSON, byte for byte: nested at most [`payload::MAX_DEPTH`] levels deep, without
    /// unpaired surrogates.
    #[schema(value_type = Value)]
    pub data: Box<RawValue>,
}

impl OperatorMessageFrame {
    /// The frame as JSON. `data` is JSON already, and `epoch` an id without anything to escape: so
    /// neither is looked at again.
    #[must_use]
    pub fn json(epoch: &str, seq: u64, data: &str) -> String {
        let kind = MessageType::TEXT;
        format!(r#"{{"type":"{kind}","epoch":"{epoch}","seq":{seq},"data":{data}}}"#)
    }
}

/// The prospect's message is in the event stream. Do not send it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "accepted", "id": "9f0c2f4e-7d0b-4c36-9a53-2f1f3e1d7a10"}))]
pub struct AcceptedFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: AcceptedType,
    /// The id that the client gave the message.
    pub id: String,
}

/// The response to a ping frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "pong"}))]
pub struct PongFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: PongType,
}

/// A frame was refused. The socket stays open.
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
    /// The id of the refused message. Absent where the refused frame had no valid id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// Why the frame was refused.
    pub problem: Problem,
}

/// The last frame before every close with a code of 4000 or higher. Code 4102 comes without it, because
/// the client reads too slowly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "bye", "code": 4200, "retryAfterMs": 1800}))]
pub struct ByeFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: ByeType,
    /// The close code that follows.
    pub code: u16,
    /// How long to wait before authorising again, in milliseconds. Absent where the client should not
    /// reconnect automatically.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
}

/// A frame from the gateway to the prospect. Clients ignore unknown types and fields.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ServerFrame {
    /// The first frame.
    Hello(HelloFrame),
    /// A message from the operator.
    Message(OperatorMessageFrame),
    /// A message from the prospect was accepted.
    Accepted(AcceptedFrame),
    /// The response to a ping frame.
    Pong(PongFrame),
    /// A frame was refused.
    Error(ErrorFrame),
    /// The last frame before the close.
    Bye(ByeFrame),
}

/// How many messages a client may have sent and not accepted at a time.
pub const MAX_UNACCEPTED: u32 = 64;

/// The longest id of a message, in characters.
const MAX_ID_LENGTH: usize = 64;

rule! {
    /// An id that the client chooses, unique among all messages of this device, also after a restart
    /// of the client: use a UUID, not a counter. A message with an id that was accepted before gets
    /// `accepted` again and is not delivered twice.
    MessageId: &str, Text = Text::new(1..=MAX_ID_LENGTH).of("[!-~]")
}

rule! {
    /// The highest `seq` that the client has processed, and with it all lower ones.
    AckSeq: u64, WholeNumber<u64> = WholeNumber::new(1, None, Some(KnownFormat::Int64))
}

/// A message from the prospect to the operator. After a reconnect, send every message that was not
/// accepted again, in order and before new ones. At most [`MAX_UNACCEPTED`] messages may be unaccepted
/// at a time.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[validate(schema(function = "data_is_readable", skip_on_field_errors = false))]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "message", "id": "9f0c2f4e-7d0b-4c36-9a53-2f1f3e1d7a10", "data": {"text": "Hello"}}))]
pub struct ProspectMessageFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: MessageType,
    /// See [`MessageId`].
    #[validate(custom(function = MessageId::validate))]
    #[schema(schema_with = MessageId::property)]
    pub id: String,
    /// Any JSON that is nested at most [`payload::MAX_DEPTH`] levels deep and has no unpaired surrogates. It
    /// reaches the operator byte for byte, so numbers may exceed the precision of the operator's JSON
    /// parser.
    #[schema(value_type = Value)]
    pub data: Box<RawValue>,
}

fn data_is_readable(frame: &ProspectMessageFrame) -> Result<(), ValidationError> {
    payload::check("data", &frame.data)
}

impl RequestBody for ProspectMessageFrame {}

/// Acknowledges all messages up to this one. The gateway does not send them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "ack", "seq": 43}))]
pub struct AckFrame {
    /// The kind of frame.
    #[schema(inline)]
    pub r#type: AckType,
    /// See [`AckSeq`].
    #[validate(custom(function = AckSeq::validate))]
    #[schema(schema_with = AckSeq::property)]
    #[serde(deserialize_with = "number::whole")]
    pub seq: u64,
}

impl RequestBody for AckFrame {}

/// Requests a pong frame. Scripts in a browser need it, because they cannot see websocket pings.
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
    /// A request for a pong frame.
    Ping(PingFrame),
}

/// Why a frame of the client is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Not JSON, of an unknown type, or with a field missing: the client has a defect.
    #[error("the text is not a frame")]
    NotAFrame,
    /// A frame with an invalid field.
    #[error("the frame has invalid fields")]
    InvalidFields {
        /// The id of the message, where it has a valid one.
        id: Option<String>,
        /// The invalid fields.
        errors: Vec<FieldError>,
    },
}

impl ClientFrame {
    /// Parses a frame of the client.
    ///
    /// # Errors
    /// [`FrameError`], which decides whether the socket closes or the client gets an `error` frame.
    pub fn parse(text: &[u8]) -> Result<Self, FrameError> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            r#type: &'a str,
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }

        // Most frames are messages that are accepted, and need no second look.
        if let Some(message) = body::parse_valid(text) {
            return Ok(Self::Message(message));
        }
        // Borrowing refuses a `type` with escapes. No known type needs them.
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
            BodyError::InvalidFields(errors) if errors.iter().any(is_defect) => {
                FrameError::NotAFrame
            }
            BodyError::InvalidFields(errors) => {
                let id = envelope.id.and_then(|id| serde_json::from_str(id.get()).ok());
                let id = id.filter(|id: &String| MessageId::accepts(id));
                FrameError::InvalidFields { id, errors }
            }
        })
    }
}

/// Whether a field is missing or the frame is not an object, as only a client with a defect sends it.
fn is_defect(error: &FieldError) -> bool {
    error.code == FieldCode::Missing || error.pointer.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> FrameError {
        ClientFrame::parse(text.as_bytes()).expect_err("refused")
    }

    #[test]
    fn a_message_is_written_like_any_other_frame() {
        let data = r#"{"text": "Hello"}"#;
        let frame = OperatorMessageFrame {
            r#type: MessageType::Message,
            epoch: "i-bGa_LkeDY6SVqcjXTRLQ".to_owned(),
            seq: 43,
            data: RawValue::from_string(data.to_owned()).expect("JSON"),
        };
        let json = serde_json::to_string(&ServerFrame::Message(frame)).expect("written");
        assert_eq!(OperatorMessageFrame::json("i-bGa_LkeDY6SVqcjXTRLQ", 43, data), json);
    }

    #[test]
    fn data_is_passed_on_byte_for_byte() {
        let data = r#"{ "a":1.0, "a" : 1e400,"b":"\u00e9" }"#;
        let text = format!(r#"{{"type":"message","id":"1","data":{data}}}"#);
        let Ok(ClientFrame::Message(message)) = ClientFrame::parse(text.as_bytes()) else {
            panic!("a message");
        };
        assert_eq!(message.data.get(), data);
    }

    #[test]
    fn a_text_that_is_no_frame_differs_from_a_frame_with_an_invalid_field() {
        for text in ["", "[]", "{}", "7", r#"["ping"]"#, r#"{"type":"hello"}"#, r#"{"type":"ack"}"#]
        {
            assert_eq!(refused(text), FrameError::NotAFrame, "{text}");
        }
        for text in
            [r#"{"type":"ack","seq":0}"#, r#"{"type":"ack","seq":"1"}"#, r#"{"type":"ping","x":1}"#]
        {
            assert!(matches!(refused(text), FrameError::InvalidFields { id: None, .. }), "{text}");
        }
    }

    #[test]
    fn the_refusal_of_a_message_has_its_id() {
        let text = r#"{"type":"message","id":"m1","data":1,"colour":"red"}"#;
        assert!(
            matches!(refused(text), FrameError::InvalidFields { id: Some(id), .. } if id == "m1")
        );
    }
    #[test]
    fn a_whole_number_may_have_a_fraction_of_zero() {
        for seq in ["7", "7.0", "70e-1", "0.7e1"] {
            let text = format!(r#"{{"type":"ack","seq":{seq}}}"#);
            let Ok(ClientFrame::Ack(ack)) = ClientFrame::parse(text.as_bytes()) else {
                panic!("an ack: {seq}");
            };
            assert_eq!(ack.seq, 7);
        }
        for seq in ["7.5", "-7", "0.0", "1e400"] {
            let text = format!(r#"{{"type":"ack","seq":{seq}}}"#);
            assert!(matches!(refused(&text), FrameError::InvalidFields { .. }), "{seq}");
        }
    }

    #[test]
    fn data_that_common_parsers_cannot_read_is_refused() {
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        for data in [&deep, r#""\ud800""#, r#"{"\udc00":1}"#] {
            let text = format!(r#"{{"type":"message","id":"m1","data":{data}}}"#);
            let FrameError::InvalidFields { id: Some(_), errors } = refused(&text) else {
                panic!("refused for its fields: {data}");
            };
            assert_eq!((&*errors[0].pointer, errors[0].code), ("/data", FieldCode::Value));
        }
    }
}
