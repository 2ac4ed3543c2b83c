//! The rules of texts and numbers. A rule is a type from which both the validation and the schema
//! come, so that its limits are written once. (utoipa's derive takes limits as literals only.)
//!
//! A field names its rule for both; a parameter of an operation has `inline(HalfRef)` as its type:
//!
//! ```text
//! #[validate(custom(function = HalfRef::validate))]
//! #[schema(schema_with = HalfRef::property)]
//! pub half_ref: String,
//! ```

use std::ops::RangeInclusive;

use regex::Regex;
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    Number,
    openapi::{
        KnownFormat, SchemaFormat,
        schema::{ObjectBuilder, SchemaType, Type},
    },
};
use validator::ValidationError;

use crate::problem::FieldCode;

/// Defines a rule: its name, the type of the values, and a [`Text`] or a [`WholeNumber`]. The doc
/// comment is the description of a property that follows the rule, unless the property has one of its own:
/// `#[schema(inline, value_type = …)]`.
macro_rules! rule {
    ($(#[doc = $line:literal])+ $name:ident: $value:ty, $rule:ty = $limits:expr) => {
        $(#[doc = $line])+
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $name {
            fn rule() -> &'static $rule {
                static RULE: ::std::sync::LazyLock<$rule> = ::std::sync::LazyLock::new(|| $limits);
                &RULE
            }

            /// Whether a value follows the rule.
            #[must_use]
            pub fn accepts(value: $value) -> bool {
                Self::validate(value).is_ok()
            }

            /// Checks a value: for `#[validate(custom(function = …))]`.
            ///
            /// # Errors
            /// With the code and the limits that validator's own rules give.
            pub fn validate(value: $value) -> Result<(), ::validator::ValidationError> {
                Self::rule().validate(value)
            }

            /// What a value has to be, as the end of a sentence, where it breaks the rule.
            #[must_use]
            pub fn requirement(value: $value) -> Option<String> {
                Self::validate(value).err().map(|broken| $crate::rule::requirement(&broken).1)
            }

            /// The schema of a property: for `#[schema(schema_with = …)]`.
            #[must_use]
            pub fn property() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                let description = [$($line.trim()),+].join("\n");
                Self::rule().schema().description(Some(description)).into()
            }
        }

        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                Self::rule().schema().into()
            }
        }

        impl ::utoipa::ToSchema for $name {}
    };
}
pub(crate) use rule;

/// The limits of a text.
pub(crate) struct Text {
    /// In characters. 0 is no minimum, `usize::MAX` no maximum.
    length: RangeInclusive<usize>,
    pattern: Option<Regex>,
    types: SchemaType,
}

impl Text {
    pub(crate) fn new(length: RangeInclusive<usize>) -> Self {
        Self { length, pattern: None, types: SchemaType::new(Type::String) }
    }

    /// No maximum.
    pub(crate) fn at_least(min: usize) -> Self {
        Self::new(min..=usize::MAX)
    }

    /// Only characters of this class, such as `[a-z]`.
    pub(crate) fn of(mut self, class: &str) -> Self {
        let (min, max) = (self.length.start(), self.length.end());
        self.pattern = Some(compile(&format!("^{class}{{{min},{max}}}$")));
        self
    }

    /// Only texts that this pattern matches as a whole.
    pub(crate) fn matching(mut self, pattern: &str) -> Self {
        self.pattern = Some(compile(&format!("^{pattern}$")));
        self
    }

    /// `null` means the same as an absent text.
    pub(crate) fn or_null(mut self) -> Self {
        self.types = SchemaType::from_iter([Type::String, Type::Null]);
        self
    }

    pub(crate) fn validate(&self, text: &str) -> Result<(), ValidationError> {
        if !self.length.contains(&text.chars().count()) {
            return Err(out_of_limits("length", self.min(), self.max()));
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => Err(ValidationError::new("regex")),
            _ => Ok(()),
        }
    }

    pub(crate) fn schema(&self) -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(self.types.clone())
            .min_length(self.min().copied())
            .max_length(self.max().copied())
            .pattern(self.pattern.as_ref().map(Regex::as_str))
    }

    fn min(&self) -> Option<&usize> {
        Some(self.length.start()).filter(|min| **min > 0)
    }

    fn max(&self) -> Option<&usize> {
        Some(self.length.end()).filter(|max| **max < usize::MAX)
    }
}

/// The limits of a whole number.
pub(crate) struct WholeNumber<T> {
    min: T,
    max: Option<T>,
    format: Option<KnownFormat>,
}

impl<T: Copy + PartialOrd + Serialize + Into<Number>> WholeNumber<T> {
    pub(crate) fn new(min: T, max: Option<T>, format: Option<KnownFormat>) -> Self {
        Self { min, max, format }
    }

    pub(crate) fn validate(&self, number: T) -> Result<(), ValidationError> {
        if number < self.min || self.max.is_some_and(|max| number > max) {
            return Err(out_of_limits("range", Some(&self.min), self.max.as_ref()));
        }
        Ok(())
    }

    pub(crate) fn schema(&self) -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(self.format.clone().map(SchemaFormat::KnownFormat))
            .minimum(Some(self.min))
            .maximum(self.max)
    }
}

fn out_of_limits<T: Serialize>(
    code: &'static str,
    min: Option<&T>,
    max: Option<&T>,
) -> ValidationError {
    let mut error = ValidationError::new(code);
    for (name, limit) in [("min", min), ("max", max)] {
        if let Some(limit) = limit {
            error.add_param(name.into(), limit);
        }
    }
    error
}

/// The broken rule of a validation error, and what it requires, as the end of a sentence.
pub(crate) fn requirement(broken: &ValidationError) -> (FieldCode, String) {
    let (code, what) = match &*broken.code {
        "length" => (FieldCode::Length, "have a length"),
        "size" => (FieldCode::Length, "have a size in bytes"),
        "range" => (FieldCode::Value, "be a number"),
        "depth" => (FieldCode::Value, "have a nesting depth"),
        "surrogate" => {
            return (FieldCode::Value, "must not contain an unpaired surrogate".to_owned());
        }
        _ => return (FieldCode::Pattern, "has a character that is not allowed".to_owned()),
    };
    let range = range(broken.params.get("min"), broken.params.get("max"));
    (code, format!("must {what} {range}"))
}

/// Two limits in words, of which each may be absent.
pub(crate) fn range(min: Option<&Value>, max: Option<&Value>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("of {min} to {max}"),
        (Some(min), None) => format!("of at least {min}"),
        (None, Some(max)) => format!("of at most {max}"),
        (None, None) => "that is allowed".to_owned(),
    }
}

/// Compiles one of this crate's own patterns.
pub(crate) fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this crate are valid")
}
