//! What a device says of itself when it asks for a token.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type},
    },
};
use validator::ValidateLength;

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
            .examples([json!({"platform": "test"})])
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
