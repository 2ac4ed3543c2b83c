//! Deprecated fields and parameters. A line of their description marks them, in a doc comment as
//!
//! ```text
//! /// Deprecated: read `name`.
//! ```
//!
//! and from that line comes `deprecated: true`, so that nothing is deprecated without a way out.
//! Operations have days besides, see `http::deprecation`.

use serde_json::{Value, json};

/// What the line begins with.
const MARK: &str = "Deprecated: ";

/// Marks the deprecated fields and parameters of an OpenAPI document.
///
/// # Panics
/// When a field is marked by an attribute, which has no way out, or an operation by a line, which has no
/// days. The contract is built at the start of the program and in its tests.
pub fn mark(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(mark),
        Value::Object(members) => {
            let text = members.get("description").and_then(Value::as_str).unwrap_or_default();
            let has_line = text.lines().any(|line| line.starts_with(MARK));
            let is_marked = members.get("deprecated") == Some(&json!(true));
            if members.contains_key("responses") {
                assert!(is_marked || !has_line, "{text:?}: a deprecated operation has two days");
            } else if has_line {
                members.insert("deprecated".to_owned(), json!(true));
            } else {
                assert!(!is_marked, "{text:?}: say what to use instead, in a line `{MARK}…`");
            }
            let schemas = members.iter_mut().filter(|(name, _)| {
                !name.starts_with("x-") && !["example", "examples"].contains(&name.as_str())
            });
            schemas.for_each(|(_, member)| mark(member));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_marks_what_it_is_about() {
        let mut document = json!({"properties": {
            "old": {"description": "A name.\n\nDeprecated: read `name`."},
            "name": {"description": "A name. It is not Deprecated: it is new."},
        }});
        mark(&mut document);
        assert_eq!(document["properties"]["old"]["deprecated"], true);
        assert_eq!(document["properties"]["name"]["deprecated"], Value::Null);
    }

    #[test]
    #[should_panic = "say what to use instead"]
    fn a_field_is_not_deprecated_without_a_way_out() {
        mark(&mut json!({"properties": {"old": {"description": "A name.", "deprecated": true}}}));
    }

    #[test]
    #[should_panic = "has two days"]
    fn an_operation_is_not_deprecated_without_its_days() {
        mark(&mut json!({"get": {"description": "Deprecated: ask another.", "responses": {}}}));
    }
}
