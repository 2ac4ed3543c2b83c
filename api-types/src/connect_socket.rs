//! `POST /prospect/connectsocket`: the endpoint of the document.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    body::RequestBody,
    device_tag::DeviceTag,
    rule::{Text, rule},
};

/// The longest `halfRef`, in characters.
pub const MAX_HALF_REF_LENGTH: usize = 512;

/// The longest `linkinjected`, in characters.
pub const MAX_LINK_LENGTH: usize = 2048;

rule! {
    /// A long random string
    HalfRef: &str, Text = Text::new(32..=MAX_HALF_REF_LENGTH).of("[!-~]")
}

rule! {
    /// A link to another user
    LinkInjected: &str, Text = Text::new(0..=MAX_LINK_LENGTH).or_null()
}

rule! {
    /// A link to another user, where the gateway passes it on or looks for it.
    Link: &str, Text = Text::new(0..=MAX_LINK_LENGTH)
}

/// The device that wants a websocket, and the one-use secret that opens it.
///
/// The document gives each property as a string; the lengths and patterns are the gateway's
/// refinement of it and never contradict it.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "halfRef": "l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t",
    "deviceTag": "my_deviceTag"
}))]
pub struct ConnectSocketRequest {
    /// See [`HalfRef`].
    #[validate(custom(function = HalfRef::validate))]
    #[schema(schema_with = HalfRef::property)]
    pub half_ref: String,

    /// See [`DeviceTag`].
    #[schema(schema_with = DeviceTag::property)]
    pub device_tag: DeviceTag,

    /// See [`LinkInjected`].
    #[validate(custom(function = LinkInjected::validate))]
    #[schema(schema_with = LinkInjected::property)]
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
