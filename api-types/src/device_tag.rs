//! The name of a prospect's device.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pattern;

/// The device tag (id): a name, not a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 128,
    pattern = r"^(\.*[A-Za-z0-9_:@~+=-][A-Za-z0-9._:@~+=-]*|\.{3,})$",
    example = "my_deviceTag"
)]
pub struct DeviceTag(String);

impl DeviceTag {
    /// The tag, if `text` can be one: the rules of `deviceTag` in a body.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        ((1..=128).contains(&text.len()) && pattern::DEVICE_TAG.is_match(&text))
            .then_some(Self(text))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
