//! The rules for JSON that is passed on as it came: `data`, and the members of `deviceData`.
//!
//! RFC 8259 allows JSON that common parsers refuse. One message with it would stop an operator's
//! backend, which reads the event stream in order.
//!
//! The types call these rules with `#[validate(schema(…))]`. A rule at the field itself would copy the
//! value into the error as a `serde_json::Value`, which panics for exactly this JSON.

use memchr::memchr2;
use serde_json::value::RawValue;
use validator::ValidationError;

/// How many arrays and objects may be nested within each other. Parsers stop at 64 (System.Text.Json)
/// or more, and events and frames add levels of their own.
pub const MAX_DEPTH: usize = 32;

/// The parameter of an error that names the field.
pub(crate) const FIELD: &str = "field";

/// An error of a field, for a rule of the whole type.
pub(crate) fn error(
    field: &'static str,
    code: &'static str,
    max: Option<usize>,
) -> ValidationError {
    let mut error = ValidationError::new(code);
    error.add_param(FIELD.into(), &field);
    if let Some(max) = max {
        error.add_param("max".into(), &max);
    }
    error
}

/// Checks that common parsers can read the JSON value of a field.
///
/// # Errors
/// With the code `depth` or `surrogate`.
pub(crate) fn check(field: &'static str, json: &RawValue) -> Result<(), ValidationError> {
    let mut depth = 0_usize;
    let mut bytes = json.get().as_bytes().iter();
    while let Some(byte) = bytes.next() {
        match *byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(error(field, "depth", Some(MAX_DEPTH)));
                }
            }
            b']' | b'}' => depth -= 1,
            b'"' => {
                let rest = bytes.as_slice();
                match memchr2(b'"', b'\\', rest) {
                    // A string without escapes, as most are.
                    Some(end) if rest[end] == b'"' => bytes = rest[end + 1..].iter(),
                    _ if string_is_unicode(&mut bytes.by_ref().copied()) => {}
                    _ => return Err(error(field, "surrogate", None)),
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads a string up to its closing quote. Whether each escaped surrogate is part of a pair.
fn string_is_unicode(bytes: &mut impl Iterator<Item = u8>) -> bool {
    let (mut valid, mut high_surrogate) = (true, false);
    while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
        let escape = if byte == b'\\' { bytes.next() } else { None };
        let unit = if escape == Some(b'u') { code_unit(bytes) } else { 0 };
        let low_surrogate = matches!(unit, 0xDC00..=0xDFFF);
        valid &= high_surrogate == low_surrogate;
        high_surrogate = matches!(unit, 0xD800..=0xDBFF);
    }
    valid && !high_surrogate
}

/// The four hexadecimal digits of an escape.
fn code_unit(bytes: &mut impl Iterator<Item = u8>) -> u32 {
    let digits = bytes.take(4).filter_map(|digit| char::from(digit).to_digit(16));
    digits.fold(0, |unit, digit| unit * 16 + digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(json: &str) -> Option<String> {
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        check("data", raw).err().map(|error| error.code.into_owned())
    }

    #[test]
    fn depth_counts_arrays_and_objects_and_not_their_number() {
        let nested = |levels: usize| {
            format!("{}{}", r#"[{"a":"#.repeat(levels / 2), "}]".repeat(levels / 2))
                .replace(r#"{"a":}"#, r#"{"a":1}"#)
        };
        assert_eq!(code(&nested(MAX_DEPTH)), None);
        assert_eq!(code(&nested(MAX_DEPTH + 2)).as_deref(), Some("depth"));
        assert_eq!(code(&format!("[{}[]]", "[],".repeat(1000))), None);
        assert_eq!(code(&format!(r#""{}""#, "[{".repeat(100))), None);
    }

    #[test]
    fn surrogates_are_paired() {
        for json in [
            r#""\ud83d\ude00""#,
            r#""\\ud800""#,
            r#"["\"", "\u0000\uFFFF"]"#,
            r#"["", "a[", "b\\", {"c\"": "d"}]"#,
            r#""😀""#,
        ] {
            assert_eq!(code(json), None, "{json}");
        }
        for json in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ude00\ud83d""#,
            r#""\ud83d\ud83d\ude00""#,
            r#""\ud83dx\ude00""#,
            r#""\ud83d\n\ude00""#,
            r#"{"a":[{"\uDEAD":1}]}"#,
            r#"["plain", "\ud83d"]"#,
        ] {
            assert_eq!(code(json).as_deref(), Some("surrogate"), "{json}");
        }
    }
}
