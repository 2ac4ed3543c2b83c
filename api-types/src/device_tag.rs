//! The name of a prospect's device.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pattern;

/// The device tag (id): a name, not a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(
    min_length = 1,
    max_length = 128,
    pattern = r"^(\.*[A-Za-z0-9_:@~+=-][A-Za-z0-9._:@~+=-]*|\.{3,})$",
    example = "my_deviceTag"
)]
pub struct DeviceTag(String);

impl TryFrom<String> for DeviceTag {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text).ok_or("not a device tag")
    }
}

impl DeviceTag {
    /// The tag, if `text` can be one: the rules of `deviceTag` in a body.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        ((1..=128).contains(&text.len()) && pattern::DEVICE_TAG.is_match(&text))
            .then_some(Self(text))
    }

    /// The tag as text, for keeps.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
