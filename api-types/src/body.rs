//! Parses and validates request bodies: one JSON object with known fields, none of them twice, that
//! follow their rules. All errors are reported at once, by field.

use std::{collections::BTreeSet, fmt};

use regex::Regex;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use thiserror::Error;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use validator::{Validate, ValidationErrorsKind};

use crate::{
    payload,
    problem::{FieldCode, FieldError},
    rule::{self, range},
};

/// A type that a client sends as a request body or as a frame. It is closed: it has
/// `#[serde(deny_unknown_fields)]`.
pub trait RequestBody: DeserializeOwned + Validate + ToSchema {}

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body is not JSON.
    #[error(transparent)]
    NotJson(#[from] NotJson),
    /// The body is JSON with these invalid fields.
    #[error("the body has invalid fields")]
    InvalidFields(Vec<FieldError>),
}

/// Where a body stops being JSON. serde's own message is left out, because it may repeat what was
/// sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotJson {
    /// Not UTF-8.
    #[error("The body is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// JSON that ends too early.
    #[error("The body ends too early, at line {line} column {column}")]
    Incomplete {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// A syntax error.
    #[error("The body is not JSON at line {line} column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
}

/// Parses and validates a body.
///
/// Details never repeat a value that was sent, because a value may be a secret.
///
/// ```
/// use api_types::{body::{self, BodyError}, connect_socket::ConnectSocketRequest};
///
/// let parsed = body::parse::<ConnectSocketRequest>(br#"{"deviceTag": 7}"#);
/// let Err(BodyError::InvalidFields(errors)) = parsed else { panic!("it is JSON") };
/// assert_eq!(errors[0].pointer, "/halfRef");
/// assert_eq!(errors[0].detail, "is required");
/// assert_eq!(errors[1].detail, "must be string");
/// ```
///
/// # Errors
/// [`BodyError::NotJson`] for everything that is not UTF-8 or not JSON, even if its first token has the
/// wrong type. Otherwise [`BodyError::InvalidFields`].
pub fn parse<T: RequestBody>(bytes: &[u8]) -> Result<T, BodyError> {
    let text = std::str::from_utf8(bytes).map_err(|error| NotJson::NotUtf8(error.valid_up_to()))?;
    match parse_object::<T>(text) {
        Ok(value) => match value.validate() {
            Ok(()) => Ok(value),
            Err(errors) => Err(BodyError::InvalidFields(broken_rules(errors))),
        },
        Err(_) => Err(why_refused::<T>(text)),
    }
}

/// Parses a JSON object with known fields, none of them twice: serde checks both by itself, but takes
/// an array for an object.
fn parse_object<T: RequestBody>(text: &str) -> Result<T, serde_json::Error> {
    if text.trim_ascii_start().starts_with('{') {
        serde_json::from_str(text)
    } else {
        Err(serde_json::Error::custom("not an object"))
    }
}

/// Parses and validates a body that is to be refused without a reason.
pub(crate) fn parse_valid<T: RequestBody>(bytes: &[u8]) -> Option<T> {
    let value: T = parse_object(std::str::from_utf8(bytes).ok()?).ok()?;
    value.validate().is_ok().then_some(value)
}

/// Why a text is not a `T`: it is parsed again, for all errors at once.
fn why_refused<T: RequestBody>(text: &str) -> BodyError {
    let members = match serde_json::from_str(text) {
        Ok(Members(members)) => members,
        Err(error) => return not_an_object(text, &error),
    };
    let duplicates = duplicates(&members);
    BodyError::InvalidFields(if duplicates.is_empty() {
        type_errors::<T>(&members, text)
    } else {
        duplicates
    })
}

/// Why a text is not a JSON object. serde stops at the first token of the wrong type, so the rest is
/// parsed again: a syntax error further on decides.
fn not_an_object(text: &str, error: &serde_json::Error) -> BodyError {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let (line, column) = (error.line(), error.column());
        return if error.is_eof() {
            NotJson::Incomplete { line, column }.into()
        } else {
            NotJson::Syntax { line, column }.into()
        };
    }
    let error = if error.is_data() {
        FieldError::new("", FieldCode::Type, "must be a JSON object")
    } else {
        // The only JSON that serde refuses as a name.
        FieldError::new("", FieldCode::Unknown, "has a name with an unpaired surrogate")
    };
    BodyError::InvalidFields(vec![error])
}

/// The members of one JSON object as they were sent, including duplicates. Unlike the structs of
/// serde it does not accept an array.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = access.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// Counts the members of a JSON object.
///
/// # Errors
/// For anything else than an object, and for one that has a name twice.
pub(crate) fn count_members(json: &RawValue) -> Result<usize, serde_json::Error> {
    let Members(members) = serde_json::from_str(json.get())?;
    if duplicates(&members).is_empty() {
        Ok(members.len())
    } else {
        Err(serde_json::Error::custom("a name is given more than once"))
    }
}

fn duplicates(members: &[(String, &RawValue)]) -> Vec<FieldError> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for (name, _) in members {
        if !seen.insert(name) {
            twice.insert(name);
        }
    }
    FieldError::list(twice.into_iter().map(|name| {
        FieldError::new(&pointer(name), FieldCode::Duplicate, "is given more than once")
    }))
}

/// Why the members are not a `T`, according to its schema.
fn type_errors<T: RequestBody>(members: &[(String, &RawValue)], text: &str) -> Vec<FieldError> {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    let mut shared = Vec::new();
    T::schemas(&mut shared);
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let required = schema["required"].as_array().cloned().unwrap_or_default();

    let missing = required
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| members.iter().all(|(given, _)| given != name))
        .map(|name| FieldError::new(&pointer(name), FieldCode::Missing, "is required"));
    let wrong = members.iter().filter_map(|(name, value)| match properties.get(name) {
        None => Some(FieldError::new(&pointer(name), FieldCode::Unknown, "is not a known field")),
        Some(property) => type_error(&pointer(name), &resolve(property, &shared), value),
    });
    let mut errors: Vec<_> = missing.chain(wrong).collect();
    // Broken rules come in the order of their fields' names, as where nothing else is wrong.
    errors.sort_by_key(|error| match error.code {
        FieldCode::Length | FieldCode::Pattern => Some(error.pointer.clone()),
        _ => None,
    });
    let errors = FieldError::list(errors.into_iter());
    if errors.is_empty() { vec![nested_error::<T>(text)] } else { errors }
}

/// The schema that a property refers to, or its own.
fn resolve(property: &Value, shared: &[(String, RefOr<Schema>)]) -> Value {
    let name = property["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let schema = name.and_then(|name| shared.iter().find(|(known, _)| known == name));
    match schema {
        Some((_, schema)) => serde_json::to_value(schema).unwrap_or_default(),
        None => property.clone(),
    }
}

/// Why a value does not match the type or enum of a property.
fn type_error(pointer: &str, property: &Value, value: &RawValue) -> Option<FieldError> {
    let allowed: Vec<&str> = match &property["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let given = match value.get().as_bytes().first()? {
        b'"' => "string",
        b'{' => "object",
        b'[' => "array",
        b't' | b'f' => "boolean",
        b'n' => "null",
        _ => "number",
    };
    let fits = |kind: &&str| *kind == given || (*kind == "integer" && given == "number");
    if !allowed.iter().any(fits) {
        let detail = format!("must be {}", allowed.join(" or "));
        return Some(FieldError::new(pointer, FieldCode::Type, &detail));
    }
    let only_whole = given == "number" && !allowed.contains(&"number");
    if only_whole && value.get().parse().is_ok_and(|number: f64| number.fract() != 0.0) {
        return Some(FieldError::new(pointer, FieldCode::Value, "must be a whole number"));
    }
    let value: Value = serde_json::from_str(value.get()).ok()?;
    if let Some(listed) = property["enum"].as_array()
        && !listed.contains(&value)
    {
        let names: Vec<_> = listed.iter().filter_map(Value::as_str).collect();
        let detail = format!("must be one of {}", names.join(", "));
        return Some(FieldError::new(pointer, FieldCode::Value, &detail));
    }
    let (length, min, max) = match &value {
        Value::String(text) => (text.chars().count(), "minLength", "maxLength"),
        Value::Object(members) => (members.len(), "minProperties", "maxProperties"),
        _ => return None,
    };
    let (min, max) = (property.get(min), property.get(max));
    let bound = |bound: Option<&Value>| bound.and_then(Value::as_u64);
    let length = length as u64;
    if bound(min).is_some_and(|min| length < min) || bound(max).is_some_and(|max| length > max) {
        let detail = format!("must have a length {}", range(min, max));
        return Some(FieldError::new(pointer, FieldCode::Length, &detail));
    }
    let pattern = Regex::new(property["pattern"].as_str()?).ok()?;
    let text = value.as_str()?;
    (!pattern.is_match(text)).then(|| {
        FieldError::new(pointer, FieldCode::Pattern, "has a character that is not allowed")
    })
}

/// An error inside a property, or a value that its Rust type cannot hold. Only the place is
/// reported, because serde's own message may repeat what was sent.
fn nested_error<T: RequestBody>(text: &str) -> FieldError {
    let parsed: Result<T, _> =
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
    let at = parsed.err().map_or_else(String::new, |error| {
        error
            .path()
            .iter()
            .map(|segment| match segment {
                serde_path_to_error::Segment::Map { key } => pointer(key),
                serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
                _ => String::new(),
            })
            .collect()
    });
    FieldError::new(&at, FieldCode::Value, "has a value that is not allowed")
}

/// The broken rules, one for each field.
fn broken_rules(errors: validator::ValidationErrors) -> Vec<FieldError> {
    let mut fields: Vec<_> = errors.into_errors().into_iter().collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    FieldError::list(fields.into_iter().filter_map(|(name, kind)| match kind {
        ValidationErrorsKind::Field(broken) => {
            let first = broken.iter().find(|broken| broken.code == "length").or(broken.first())?;
            // A rule of the whole type names its field itself.
            let field = match first.params.get(payload::FIELD) {
                Some(field) => pointer(field.as_str()?),
                None => pointer(&camel_case(&name)),
            };
            let (code, detail) = rule::requirement(first);
            Some(FieldError::new(&field, code, &detail))
        }
        ValidationErrorsKind::Struct(_) | ValidationErrorsKind::List(_) => None,
    }))
}

/// One token of a JSON Pointer (RFC 6901).
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The JSON name of a Rust field. All types of this crate rename their fields to camelCase.
fn camel_case(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    for part in field.split('_') {
        match part.chars().next() {
            Some(first) if !name.is_empty() => {
                name.extend(first.to_uppercase());
                name.push_str(&part[first.len_utf8()..]);
            }
            _ => name.push_str(part),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{operator::SendMessageRequest, token::TokenRequest};

    fn field_errors(body: &str) -> Vec<(String, FieldCode, String)> {
        match parse::<TokenRequest>(body.as_bytes()) {
            Err(BodyError::InvalidFields(errors)) => {
                errors.into_iter().map(|error| (error.pointer, error.code, error.detail)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_invalid_field_is_reported_at_once() {
        let errors = field_errors(r#"{"deviceTag": 7, "colour": "red"}"#);
        let pointers: Vec<_> = errors.iter().map(|(at, code, _)| (at.as_str(), *code)).collect();
        assert_eq!(
            pointers,
            [
                ("/channel", FieldCode::Missing),
                ("/deviceTag", FieldCode::Type),
                ("/colour", FieldCode::Unknown)
            ]
        );
    }

    #[test]
    fn the_error_of_an_enum_has_the_allowed_values_and_not_the_sent_one() {
        let errors = field_errors(r#"{"channel": "s3cret", "deviceTag": "d"}"#);
        assert_eq!(
            errors,
            [(
                "/channel".to_owned(),
                FieldCode::Value,
                "must be one of browser, android, ios, test".to_owned()
            )]
        );
    }

    #[test]
    fn a_duplicate_member_of_device_data_is_refused() {
        let errors = field_errors(
            r#"{"channel": "test", "deviceTag": "d", "deviceData": {"a": 1, "a": 2}}"#,
        );
        assert_eq!(errors[0].0, "/deviceData");
    }

    #[test]
    fn a_name_is_escaped_in_a_pointer() {
        let errors = field_errors(r#"{"channel": "test", "deviceTag": "d", "a/b~c": 1}"#);
        assert_eq!(errors[0].0, "/a~1b~0c");
    }

    #[test]
    fn a_list_of_errors_is_bounded() {
        let many: Vec<_> = (0..1000).map(|n| format!(r#""x{n}": 1"#)).collect();
        assert_eq!(field_errors(&format!("{{{}}}", many.join(","))).len(), FieldError::MAX_LISTED);
    }
    #[test]
    fn a_syntax_error_decides_even_behind_a_token_of_the_wrong_type() {
        for body in ["[1 true]", "[\"a\",", "\"x", "tru", "[", "01", "[1]x", "nul", "7 7", "", "{]"]
        {
            let error = parse::<TokenRequest>(body.as_bytes()).expect_err(body);
            assert!(matches!(error, BodyError::NotJson(_)), "{body}: {error:?}");
        }
        for body in ["[1, true]", "\"x\"", "true", "[]", "0", "null", " 7 "] {
            assert_eq!(field_errors(body)[0].1, FieldCode::Type, "{body}");
        }
    }

    #[test]
    fn a_name_with_an_unpaired_surrogate_is_json_and_an_unknown_field() {
        assert_eq!(field_errors(r#"{"\ud800": 1}"#)[0].1, FieldCode::Unknown);
    }

    #[test]
    fn device_data_follows_the_rules_of_data() {
        let request =
            |data: &str| format!(r#"{{"channel":"test","deviceTag":"d","deviceData":{data}}}"#);
        for data in [r#"{"a":1e400}"#, r#"{"a":[{"b":[]}]}"#, r#"{"a":"\ud83d\ude00"}"#] {
            assert!(parse::<TokenRequest>(request(data).as_bytes()).is_ok(), "{data}");
        }
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(32), "]".repeat(32));
        for data in [&deep, r#"{"a":"\ud800"}"#, r#"{"\ud800":1}"#] {
            let errors = field_errors(&request(data));
            assert_eq!((&*errors[0].0, errors[0].1), ("/deviceData", FieldCode::Value), "{data}");
        }
    }

    #[test]
    fn device_data_is_bounded_in_bytes() {
        let request = |bytes: usize| {
            let text = "x".repeat(bytes - r#"{"a":""}"#.len());
            format!(r#"{{"channel":"test","deviceTag":"d","deviceData":{{"a":"{text}"}}}}"#)
        };
        assert!(parse::<TokenRequest>(request(4096).as_bytes()).is_ok());
        let detail = "must have a size in bytes of at most 4096".to_owned();
        let expected = ("/deviceData".to_owned(), FieldCode::Length, detail);
        assert_eq!(field_errors(&request(4097)), [expected]);
    }

    #[test]
    fn a_number_with_a_fraction_is_not_a_whole_number() {
        let errors = match parse::<SendMessageRequest>(br#"{"data":1,"ttlSeconds":1.5}"#) {
            Err(BodyError::InvalidFields(errors)) => errors,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            errors,
            [FieldError::new("/ttlSeconds", FieldCode::Value, "must be a whole number")]
        );
    }
}
