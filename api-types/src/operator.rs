//! What the operator's backend sends and reads: messages and prospects.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{
    ToSchema,
    openapi::{KnownFormat, Ref, RefOr, Schema, schema::ArrayBuilder},
};
use validator::{Validate, ValidationError};

use crate::{
    body::RequestBody,
    device_data::DeviceData,
    device_tag::DeviceTag,
    number,
    parameter::MAX_PAGE,
    payload,
    rule::{WholeNumber, rule},
};

/// The largest `data` of a message to a prospect, in bytes of JSON as sent.
pub const MAX_DATA_BYTES: usize = 60 * 1024;

/// How long a message waits for its prospect at most, and where the operator does not say how long.
pub const MESSAGE_TTL: Duration = Duration::from_hours(24);

/// How long a message sent with `?wait=ack` waits for the prospect, unless the gateway's settings say
/// otherwise.
pub const ACK_WAIT: Duration = Duration::from_secs(30);

rule! {
    /// How long the message waits for the prospect, in seconds; [`MESSAGE_TTL`] when absent. A message that
    /// is not acknowledged by then becomes an `expired` event.
    TtlSeconds: u32, WholeNumber<u32> =
        WholeNumber::new(1, u32::try_from(MESSAGE_TTL.as_secs()).ok(), Some(KnownFormat::Int32))
}

/// One message to a prospect.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[validate(schema(function = "data_is_readable", skip_on_field_errors = false))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"data": {"text": "Hello"}, "ttlSeconds": 3600}))]
pub struct SendMessageRequest {
    /// Any JSON of at most [`MAX_DATA_BYTES`] that is nested at most [`payload::MAX_DEPTH`] levels deep and
    /// has no unpaired surrogates. It reaches the prospect byte for byte, so numbers may exceed the
    /// precision of its JSON parser.
    #[schema(value_type = Value)]
    pub data: Box<RawValue>,

    /// See [`TtlSeconds`].
    #[validate(custom(function = TtlSeconds::validate))]
    #[schema(schema_with = TtlSeconds::property)]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional_whole"
    )]
    pub ttl_seconds: Option<u32>,
}

fn data_is_readable(request: &SendMessageRequest) -> Result<(), ValidationError> {
    if request.data.get().len() > MAX_DATA_BYTES {
        return Err(payload::error("data", "length", Some(MAX_DATA_BYTES)));
    }
    payload::check("data", &request.data)
}

impl RequestBody for SendMessageRequest {}

/// The message is in the device's outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"success": true, "epoch": "Zb41mN0qTs8", "seq": 43, "connected": true, "acknowledged": false}))]
pub struct SendMessageResponse {
    /// Always `true`: a refusal is a `Problem`.
    pub success: bool,
    /// The epoch in which `seq` counts.
    pub epoch: String,
    /// The number of the message, from 1.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// Whether the prospect has an open socket.
    pub connected: bool,
    /// Whether the prospect has acknowledged the message.
    pub acknowledged: bool,
}

/// The state of one device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"deviceTag": "my_deviceTag", "connected": true, "since": "2026-01-31T12:00:00.000Z", "connectionId": "kS2fXw9QbT6hYpLr0aVn3g", "deviceData": {"platform": "test"}, "lastSeen": "2026-01-31T12:30:00.000Z", "unacknowledged": 0}))]
pub struct Prospect {
    /// The device tag (id)
    pub device_tag: DeviceTag,
    /// Whether it has an open socket.
    pub connected: bool,
    /// Since when, in UTC (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "date-time")]
    pub since: Option<String>,
    /// The id of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub connection_id: Option<String>,
    /// The link to another user that came with the authorisation of the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub linkinjected: Option<String>,
    /// What the device said of itself when it requested a token. Absent where it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub device_data: Option<DeviceData>,
    /// When the device was last there, in UTC (RFC 3339): now where it is connected, otherwise when its
    /// last socket ended or when it last got a token by `requestToken`, whichever is later. Absent where
    /// neither has happened, because the operator issued its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "date-time")]
    pub last_seen: Option<String>,
    /// Messages that the prospect has not acknowledged.
    pub unacknowledged: u64,
}

/// One page of the devices that are connected.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProspectList {
    /// At most [`MAX_PAGE`] devices.
    #[schema(schema_with = items)]
    pub items: Vec<Prospect>,
    /// Where the next page begins. Absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

fn items() -> RefOr<Schema> {
    ArrayBuilder::new()
        .description(Some("The devices, in the order of their tags."))
        .items(Ref::from_schema_name(Prospect::name()))
        .max_items(Some(MAX_PAGE))
        .into()
}
