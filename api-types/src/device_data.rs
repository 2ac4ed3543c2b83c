//! The data that a device sends about itself when it requests a token.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{json, value::RawValue};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type},
    },
};
use validator::ValidationError;

use crate::{body, payload};

/// `deviceData` has at most this many members.
pub const MAX_MEMBERS: usize = 64;

/// The largest `deviceData`, in bytes of JSON as sent.
pub const MAX_BYTES: usize = 4 * 1024;

/// A JSON object, as it was sent. No two members have the same name.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct DeviceData {
    json: Box<RawValue>,
    #[serde(skip)]
    members: usize,
}

impl DeviceData {
    /// Reads an object that was sent before; `None` where it is none.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The object, byte for byte.
    #[must_use]
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// Checks the rules that the schema and the description state, for an error of the named field.
    pub(crate) fn check(&self, field: &'static str) -> Result<(), ValidationError> {
        if self.members > MAX_MEMBERS {
            return Err(payload::error(field, "length", Some(MAX_MEMBERS)));
        }
        if self.json().len() > MAX_BYTES {
            return Err(payload::error(field, "size", Some(MAX_BYTES)));
        }
        payload::check(field, &self.json)
    }
}

// By hand, because utoipa's derive has no `maxProperties`.
impl PartialSchema for DeviceData {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Object))
            .description(Some(
                "What a device says of itself: JSON of at most [`MAX_BYTES`], byte for byte.",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .max_properties(Some(MAX_MEMBERS))
            .examples([json!({"platform": "test"})])
            .into()
    }
}

impl ToSchema for DeviceData {}

/// A field that may be absent, and is not `null`.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DeviceData>, D::Error> {
    DeviceData::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for DeviceData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let members = body::count_members(&json).map_err(D::Error::custom)?;
        Ok(Self { json, members })
    }
}
