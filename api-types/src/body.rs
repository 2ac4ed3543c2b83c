//! How a request body becomes a value: one JSON object, each field known and named once, each rule
//! kept. Everything that is wrong is said at once, by field.

use std::{collections::BTreeSet, fmt};

use regex::Regex;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use validator::{Validate, ValidationError, ValidationErrorsKind};

use crate::problem::{FieldCode, FieldError};

/// A type that arrives as a request body or as a client's frame.
pub trait RequestBody: DeserializeOwned + Validate + ToSchema {}

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// The bytes are not JSON; the text says where they stop being it.
    NotJson(String),
    /// The JSON does not fit, in each of these ways.
    Fields(Vec<FieldError>),
}

/// Reads `bytes` as a `T`.
///
/// Details never repeat a value that was sent, because a value may be a secret.
///
/// # Errors
/// [`BodyError::NotJson`] for what is not UTF-8 or not JSON, else [`BodyError::Fields`].
pub fn parse<T: RequestBody>(bytes: &[u8]) -> Result<T, BodyError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        BodyError::NotJson(format!("is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    let Members(members) = serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            BodyError::Fields(vec![FieldError::new("", FieldCode::Type, "must be a JSON object")])
        } else {
            BodyError::NotJson(position(&error))
        }
    })?;
    match (duplicates(&members), serde_json::from_str::<T>(text)) {
        (duplicates, _) if !duplicates.is_empty() => Err(BodyError::Fields(duplicates)),
        (_, Ok(value)) => match value.validate() {
            Ok(()) => Ok(value),
            Err(errors) => Err(BodyError::Fields(broken_rules(errors))),
        },
        // It is JSON, as the members showed; so it does not fit, whatever serde calls that.
        (_, Err(_)) => Err(BodyError::Fields(misfits::<T>(&members, text))),
    }
}

/// Where JSON breaks off. serde's own message may repeat what was sent, so only the place is used.
fn position(error: &serde_json::Error) -> String {
    let kind = if error.is_eof() { "ends too early" } else { "is not JSON" };
    format!("{kind} at line {} column {}", error.line(), error.column())
}

/// The members of one JSON object as they were sent, duplicates and all. Unlike serde's own
/// structs it takes no array.
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

/// Why the members are not a `T`, by holding them against its schema.
fn misfits<T: RequestBody>(members: &[(String, &RawValue)], text: &str) -> Vec<FieldError> {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    let mut referred = Vec::new();
    T::schemas(&mut referred);
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let required = schema["required"].as_array().cloned().unwrap_or_default();

    let missing = required
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| members.iter().all(|(given, _)| given != name))
        .map(|name| FieldError::new(&pointer(name), FieldCode::Missing, "is required"));
    let wrong = members.iter().filter_map(|(name, value)| match properties.get(name) {
        None => Some(FieldError::new(&pointer(name), FieldCode::Unknown, "is not a known field")),
        Some(property) => misfit(&pointer(name), &resolved(property, &referred), value),
    });
    let mut errors: Vec<_> = missing.chain(wrong).collect();
    // As where only rules are broken, those come in the order of their fields' names.
    errors.sort_by_key(|error| match error.code {
        FieldCode::Length | FieldCode::Pattern => Some(error.pointer.clone()),
        _ => None,
    });
    let errors = FieldError::list(errors.into_iter());
    if errors.is_empty() { vec![deeper::<T>(text)] } else { errors }
}

/// The schema that a property refers to, or its own.
fn resolved(property: &Value, referred: &[(String, RefOr<Schema>)]) -> Value {
    let name = property["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let schema = name.and_then(|name| referred.iter().find(|(known, _)| known == name));
    match schema {
        Some((_, schema)) => serde_json::to_value(schema).unwrap_or_default(),
        None => property.clone(),
    }
}

/// Why `value` is not what a property takes, as far as its schema tells.
fn misfit(pointer: &str, property: &Value, value: &RawValue) -> Option<FieldError> {
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

/// A misfit that the property list does not show: something further inside. Only the place is
/// told, because serde's own words may repeat what was sent.
fn deeper<T: RequestBody>(text: &str) -> FieldError {
    let read: Result<T, _> =
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
    let at = read.err().map_or_else(String::new, |error| {
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
    FieldError::new(&at, FieldCode::Value, "does not fit")
}

/// The rules that the fields of a value break: the first of each field.
fn broken_rules(errors: validator::ValidationErrors) -> Vec<FieldError> {
    let mut fields: Vec<_> = errors.into_errors().into_iter().collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    FieldError::list(fields.into_iter().filter_map(|(name, kind)| match kind {
        ValidationErrorsKind::Field(broken) => {
            let first = broken.iter().find(|rule| rule.code == "length").or(broken.first())?;
            Some(broken_rule(&pointer(&camel_case(&name)), first))
        }
        ValidationErrorsKind::Struct(_) | ValidationErrorsKind::List(_) => None,
    }))
}

fn broken_rule(pointer: &str, rule: &ValidationError) -> FieldError {
    let (code, what) = match &*rule.code {
        "length" => (FieldCode::Length, "have a length"),
        "range" => (FieldCode::Value, "be a number"),
        _ => {
            let detail = "has a character that is not allowed";
            return FieldError::new(pointer, FieldCode::Pattern, detail);
        }
    };
    let range = range(rule.params.get("min"), rule.params.get("max"));
    FieldError::new(pointer, code, &format!("must {what} {range}"))
}

fn range(min: Option<&Value>, max: Option<&Value>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("of {min} to {max}"),
        (Some(min), None) => format!("of at least {min}"),
        (None, Some(max)) => format!("of at most {max}"),
        (None, None) => "that is allowed".to_owned(),
    }
}

/// One step of a JSON Pointer (RFC 6901).
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The name on the wire of a Rust field: the types here all rename to camelCase.
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
    use crate::token::TokenRequest;

    fn refused(body: &str) -> Vec<(String, FieldCode, String)> {
        match parse::<TokenRequest>(body.as_bytes()) {
            Err(BodyError::Fields(errors)) => {
                errors.into_iter().map(|error| (error.pointer, error.code, error.detail)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let errors = refused(r#"{"deviceTag": 7, "colour": "red"}"#);
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
    fn an_unlisted_name_is_answered_with_the_list_and_not_with_itself() {
        let errors = refused(r#"{"channel": "s3cret", "deviceTag": "d"}"#);
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
    fn a_member_named_twice_deep_inside_is_refused() {
        let errors =
            refused(r#"{"channel": "test", "deviceTag": "d", "deviceData": {"a": 1, "a": 2}}"#);
        assert_eq!(errors[0].0, "/deviceData");
    }

    #[test]
    fn a_name_in_a_pointer_is_escaped() {
        let errors = refused(r#"{"channel": "test", "deviceTag": "d", "a/b~c": 1}"#);
        assert_eq!(errors[0].0, "/a~1b~0c");
    }

    #[test]
    fn a_list_of_errors_is_bounded() {
        let many: Vec<_> = (0..1000).map(|n| format!(r#""x{n}": 1"#)).collect();
        assert_eq!(refused(&format!("{{{}}}", many.join(","))).len(), FieldError::AT_MOST);
    }
}
