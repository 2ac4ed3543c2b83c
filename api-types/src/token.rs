//! `PUT /token`: how a prospect's device gets its token.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::{
    body::RequestBody,
    device_data::{self, DeviceData},
    device_tag::DeviceTag,
    rule::{Text, rule},
};

/// The channel through which a prospect comes.
///
/// `browser`, `android` and `ios` claim the device: from then on its next token is issued only in
/// exchange for the newest one. `test` claims nothing; it is for trying things out and must be opened
/// by the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A web page.
    Browser,
    /// An Android app.
    Android,
    /// An iOS app.
    Ios,
    /// A trial, without a claim.
    Test,
}

/// The device that wants a token, and its channel.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[validate(schema(function = "device_data_is_valid", skip_on_field_errors = false))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "channel": "test",
    "deviceTag": "my_deviceTag",
    "deviceData": {"platform": "test"}
}))]
pub struct TokenRequest {
    /// The channel through which the prospect comes.
    pub channel: Channel,

    /// The device tag (id)
    #[schema(schema_with = DeviceTag::property)]
    pub device_tag: DeviceTag,

    /// Data about the device, for the operator: up to [`device_data::MAX_MEMBERS`] members of any JSON,
    /// [`device_data::MAX_BYTES`] in all, nested at most [`crate::payload::MAX_DEPTH`] levels deep and
    /// without unpaired surrogates. It is kept with the device, and replaced by that of a later request
    /// that is granted; one without `deviceData` keeps it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "device_data::optional"
    )]
    #[schema(nullable = false)]
    pub device_data: Option<DeviceData>,
}

fn device_data_is_valid(request: &TokenRequest) -> Result<(), ValidationError> {
    request.device_data.as_ref().map_or(Ok(()), |data| data.check("deviceData"))
}

impl RequestBody for TokenRequest {}

/// The length of a token, in characters.
pub const TOKEN_LENGTH: usize = 64;

rule! {
    /// The token: opaque, long and random. Send it in the header `token`; keep it like a password.
    IssuedToken: &str, Text = Text::at_least(TOKEN_LENGTH)
}

/// A token for one device.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "success": true,
    "token": "Xo2cWb7DfvlQ0mEw1rH8yZkJtUa5NsGi3ePq9LxVhC4Bd6RnTKMzFgYpOjIuS_A-",
    "expiresIn": 86400
}))]
pub struct TokenResponse {
    /// Always `true`: a refusal is a `Problem`.
    pub success: bool,
    /// See [`IssuedToken`].
    #[schema(schema_with = IssuedToken::property)]
    pub token: String,
    /// The lifetime of the token, in seconds.
    #[schema(minimum = 1)]
    pub expires_in: u64,
}
