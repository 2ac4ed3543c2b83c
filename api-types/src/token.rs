//! `PUT /token` and `DELETE /token`: how a prospect's device gets and ends its token.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type},
    },
};
use validator::{Validate, ValidateLength};

use crate::{body::RequestBody, pattern};

/// Where a prospect comes from.
///
/// `browser`, `android` and `ios` claim the device: from then on its next token is given only to
/// whoever holds the newest one. `test` claims nothing; it is for trying things out and is open
/// only where the operator opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A web page.
    Browser,
    /// An Android app.
    Android,
    /// An iOS app.
    Ios,
    /// Trying things out.
    Test,
}

/// Which device asks for a token, and through which channel.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "channel": "test",
    "deviceTag": "my_deviceTag",
    "deviceData": {"platform": "test"}
}))]
pub struct TokenRequest {
    /// Where the prospect comes from.
    pub channel: Channel,

    /// The device tag (id): a name, not a secret.
    #[validate(length(min = 1, max = 128), regex(path = *pattern::DEVICE_TAG))]
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^(\.*[A-Za-z0-9_:@~+=-][A-Za-z0-9._:@~+=-]*|\.{3,})$"
    )]
    pub device_tag: String,

    /// What the device says of itself: up to 64 members of any kind. It is checked and not kept.
    #[validate(length(max = 64))]
    #[serde(default, skip_serializing_if = "DeviceData::is_empty")]
    #[cfg_attr(feature = "schemars", schemars(with = "Map<String, Value>"))]
    pub device_data: DeviceData,
}

impl RequestBody for TokenRequest {}

/// The members of `deviceData`, each named once.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeviceData(pub Map<String, Value>);

impl DeviceData {
    /// Whether the device says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// By hand, because utoipa's derive knows no `maxProperties`.
impl PartialSchema for DeviceData {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Object))
            .description(Some("What a device says of itself."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .max_properties(Some(64))
            .examples([serde_json::json!({"platform": "test"})])
            .into()
    }
}

impl ToSchema for DeviceData {}

impl ValidateLength<u64> for DeviceData {
    fn length(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

impl<'de> Deserialize<'de> for DeviceData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = DeviceData;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<DeviceData, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is named twice"));
                    }
                }
                Ok(DeviceData(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
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
    /// The token: opaque, long and random. Send it in the header `token`; keep it like a password.
    #[schema(min_length = 64)]
    pub token: String,
    /// How long the token lives, in seconds.
    #[schema(minimum = 1)]
    pub expires_in: u64,
}
