//! The events of the operator's stream: one JSON object each, distinguished by `event`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    connect_socket::Link,
    device_data::DeviceData,
    device_tag::DeviceTag,
    frame::MessageId,
    kind::kind,
    rule::{Text, rule},
};

kind!(#[doc = "The kind of event."] ConnectedKind Connected "connected");
kind!(#[doc = "The kind of event."] MessageKind Message "message");
kind!(#[doc = "The kind of event."] DisconnectedKind Disconnected "disconnected");
kind!(#[doc = "The kind of event."] ExpiredKind Expired "expired");
kind!(#[doc = "The kind of event."] GapKind Gap "gap");

/// The longest cursor of the event stream, in characters.
pub const MAX_CURSOR_LENGTH: usize = 2048;

/// The longest id of a connection or name of an epoch, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// How often an idle stream sends a comment.
pub const COMMENT_INTERVAL: Duration = Duration::from_secs(15);

rule! {
    /// The cursor of the event, opaque: store it, send it back, and compare it for equality. `gap` has none.
    Cursor: &str, Text = Text::new(1..=MAX_CURSOR_LENGTH)
}

rule! {
    /// The id of the connection, opaque.
    ConnectionId: &str, Text = Text::new(1..=MAX_NAME_LENGTH)
}

rule! {
    /// The epoch that `seq` belongs to, as in the response of `sendMessage`. Opaque.
    Epoch: &str, Text = Text::new(1..=MAX_NAME_LENGTH)
}

/// A socket of the device opened. Where another socket of the device was open, its `disconnected` comes
/// before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"event": "connected", "deviceTag": "my_deviceTag", "connectionId": "kS2fXw9QbT6hYpLr0aVn3g", "at": "2026-01-31T12:00:00.000Z", "linkinjected": "https://example.com/invite/7", "deviceData": {"platform": "test"}}))]
pub struct ConnectedEvent {
    /// The kind of event.
    #[schema(inline)]
    pub event: ConnectedKind,
    /// The device tag (id)
    #[schema(value_type = DeviceTag)]
    pub device_tag: String,
    /// See [`ConnectionId`].
    #[schema(schema_with = ConnectionId::property)]
    pub connection_id: String,
    /// When the event was recorded, in UTC: RFC 3339 with milliseconds.
    #[schema(format = "date-time")]
    pub at: String,
    /// The link to another user that came with the authorisation of the socket. Absent where none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline, value_type = Option<Link>, nullable = false)]
    pub linkinjected: Option<String>,
    /// What the device said of itself when it requested a token. Absent where it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub device_data: Option<DeviceData>,
}

/// A message of the prospect was accepted. Each `id` of a device comes once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"event": "message", "deviceTag": "my_deviceTag", "connectionId": "kS2fXw9QbT6hYpLr0aVn3g", "at": "2026-01-31T12:00:00.000Z", "id": "9f0c2f4e-7d0b-4c36-9a53-2f1f3e1d7a10", "data": {"text": "Hello"}}))]
pub struct MessageEvent {
    /// The kind of event.
    #[schema(inline)]
    pub event: MessageKind,
    /// The device tag (id)
    #[schema(value_type = DeviceTag)]
    pub device_tag: String,
    /// See [`ConnectionId`].
    #[schema(schema_with = ConnectionId::property)]
    pub connection_id: String,
    /// When the event was recorded, in UTC: RFC 3339 with milliseconds.
    #[schema(format = "date-time")]
    pub at: String,
    /// The id that the client gave the message.
    #[schema(inline, value_type = MessageId)]
    pub id: String,
    /// The prospect's JSON, byte for byte: nested at most [`crate::payload::MAX_DEPTH`] levels deep, without
    /// unpaired surrogates.
    #[schema(value_type = Value)]
    pub data: Box<RawValue>,
}

/// A socket of the device closed, or the lease of its gateway expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"event": "disconnected", "deviceTag": "my_deviceTag", "connectionId": "kS2fXw9QbT6hYpLr0aVn3g", "at": "2026-01-31T12:00:00.000Z", "code": 1001}))]
pub struct DisconnectedEvent {
    /// The kind of event.
    #[schema(inline)]
    pub event: DisconnectedKind,
    /// The device tag (id)
    #[schema(value_type = DeviceTag)]
    pub device_tag: String,
    /// See [`ConnectionId`].
    #[schema(schema_with = ConnectionId::property)]
    pub connection_id: String,
    /// When the event was recorded, in UTC: RFC 3339 with milliseconds.
    #[schema(format = "date-time")]
    pub at: String,
    /// The close code, the gateway's or the client's. Absent where the connection was lost without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1000, maximum = 4999)]
    pub code: Option<u16>,
}

/// A message to the device was not acknowledged in time, or the device's record ended before. It is not
/// delivered any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"event": "expired", "deviceTag": "my_deviceTag", "at": "2026-01-31T12:00:00.000Z", "epoch": "i-bGa_LkeDY6SVqcjXTRLQ", "seq": 43}))]
pub struct ExpiredEvent {
    /// The kind of event.
    #[schema(inline)]
    pub event: ExpiredKind,
    /// The device tag (id)
    #[schema(value_type = DeviceTag)]
    pub device_tag: String,
    /// When the event was recorded, in UTC: RFC 3339 with milliseconds.
    #[schema(format = "date-time")]
    pub at: String,
    /// See [`Epoch`].
    #[schema(schema_with = Epoch::property)]
    pub epoch: String,
    /// The number of the message within the epoch.
    #[schema(minimum = 1)]
    pub seq: u64,
}

/// Events were missed: the requested cursor is not kept any more, or belongs to another stream. The
/// stream continues with the oldest event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"event": "gap", "requested": "Zb41mN0qTs8kX2yPvLw3rA-42", "oldest": "Zb41mN0qTs8kX2yPvLw3rA-311"}))]
pub struct GapEvent {
    /// The kind of event.
    #[schema(inline)]
    pub event: GapKind,
    /// The cursor that the stream was to continue after, cut to [`MAX_CURSOR_LENGTH`] characters.
    #[schema(inline, value_type = Cursor)]
    pub requested: String,
    /// The cursor of the oldest event that is kept; of the next event where none is kept.
    #[schema(inline, value_type = Cursor)]
    pub oldest: String,
}

/// An event of the operator's stream: the `data` of one Server-Sent Event, whose `event` has the same
/// value as this one's. Ignore unknown kinds and fields.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OperatorEvent {
    /// A socket opened.
    Connected(ConnectedEvent),
    /// A message was accepted.
    Message(MessageEvent),
    /// A socket closed.
    Disconnected(DisconnectedEvent),
    /// A message to the prospect expired.
    Expired(ExpiredEvent),
    /// Events were missed.
    Gap(GapEvent),
}

impl OperatorEvent {
    /// The value of `event`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connected(_) => ConnectedKind::TEXT,
            Self::Message(_) => MessageKind::TEXT,
            Self::Disconnected(_) => DisconnectedKind::TEXT,
            Self::Expired(_) => ExpiredKind::TEXT,
            Self::Gap(_) => GapKind::TEXT,
        }
    }
}
