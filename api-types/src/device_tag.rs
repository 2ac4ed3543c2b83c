//! The name of a prospect's device.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, SchemaType, Type},
    },
};

use crate::rule;

/// The device tag (id): a name, not a secret.
///
/// The type that travels from a body, a path or a query to the engine. Every value follows the rules
/// below, which are written here alone.
///
/// ```
/// use api_types::device_tag::DeviceTag;
///
/// assert_eq!(DeviceTag::new("my_deviceTag".to_owned()).unwrap().as_str(), "my_deviceTag");
/// assert!(DeviceTag::new("..".to_owned()).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct DeviceTag(String);

impl DeviceTag {
    /// The shortest tag, in characters.
    pub const MIN_LENGTH: usize = 1;

    /// The longest tag, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// Characters that need no escaping in a path segment; `.` and `..` are excluded, because a path
    /// with them means another path (RFC 3986, section 3.3). Written without look-ahead, which the
    /// regular expressions of several languages lack.
    pub const PATTERN: &str = r"^(\.*[A-Za-z0-9_:@~+=-][A-Za-z0-9._:@~+=-]*|\.{3,})$";

    /// The tag, if `text` follows the rules.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| rule::compile(DeviceTag::PATTERN));

        let fits = (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&text.len());
        (fits && PATTERN.is_match(&text)).then_some(Self(text))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag as owned text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The schema of a property or parameter that is a device tag, in the document's words: for
    /// `#[schema(schema_with = DeviceTag::property)]`.
    #[must_use]
    pub fn property() -> RefOr<Schema> {
        Self::object("The device tag (id)").into()
    }

    fn object(description: &str) -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some(description))
            .min_length(Some(Self::MIN_LENGTH))
            .max_length(Some(Self::MAX_LENGTH))
            .pattern(Some(Self::PATTERN))
    }
}

impl TryFrom<String> for DeviceTag {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // The text itself is not repeated in errors.
        Self::new(text).ok_or("not a device tag")
    }
}

// By hand, because utoipa's derive takes its rules as literals only.
impl PartialSchema for DeviceTag {
    #[expect(deprecated, reason = "the derive of every other schema writes `example` too")]
    fn schema() -> RefOr<Schema> {
        Self::object("The device tag (id): a name, not a secret.")
            .example(Some(serde_json::json!("my_deviceTag")))
            .into()
    }
}

impl ToSchema for DeviceTag {}
