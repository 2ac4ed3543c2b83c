//! `POST /prospect/connectsocket`: the endpoint of the document.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::{body::RequestBody, device_tag::DeviceTag, pattern};

/// The longest `halfRef`, in characters.
pub const MAX_HALF_REF_LENGTH: usize = 512;

/// The device that wants a websocket, and the one-use secret that opens it.
///
/// The document gives each property as a string; the lengths and patterns are the gateway's
/// refinement of it and never contradict it.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "halfRef": "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t",
    "deviceTag": "my_deviceTag"
}))]
pub struct ConnectSocketRequest {
    /// A long random string
    #[validate(length(min = 32, max = 512), regex(path = *pattern::HALF_REF))]
    #[schema(min_length = 32, max_length = 512, pattern = "^[!-~]{32,512}$")]
    pub half_ref: String,

    /// The device tag (id)
    #[schema(schema_with = DeviceTag::property)]
    pub device_tag: DeviceTag,

    /// A link to another user
    #[validate(length(max = 2048))]
    #[schema(max_length = 2048)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linkinjected: Option<String>,
}

impl RequestBody for ConnectSocketRequest {}

/// The websocket is authorised: open it while the authorisation lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"success": true}))]
pub struct ConnectSocketResponse {
    /// Always `true`: a refusal is a `Problem`.
    pub success: bool,
}
