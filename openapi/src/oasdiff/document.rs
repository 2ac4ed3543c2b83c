//! Documents as oasdiff reads them, and excerpts of them as people wrote them.
//!
//! oasdiff has no rules for `additionalProperties`, but has rules for `unevaluatedProperties`. The two
//! mean the same in a schema without `allOf`, and this contract has none, so the one is compared
//! under the name of the other.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How many lines of a document an excerpt shows at most.
const EXCERPT_LINES: usize = 14;

const WRITTEN: &str = "additionalProperties";
const COMPARED: &str = "unevaluatedProperties";

/// The name of a property that stands for all that the schema does not name.
const ANY_NAME: &str = "*";

/// A line of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Source {
    /// From 1. None where oasdiff knows only the file.
    pub line: Option<usize>,
}

/// A document with everything that oasdiff ignores expressed in keywords that it compares.
pub fn prepare(document: &Value) -> Value {
    match document {
        Value::Array(items) => items.iter().map(prepare).collect(),
        Value::Object(members) => {
            let mut prepared: Map<String, Value> = members
                .iter()
                .map(|(name, member)| match (name.as_str(), member) {
                    // oasdiff ignores `false` as a schema.
                    (WRITTEN, Value::Bool(false)) => (COMPARED.to_owned(), json!({"not": {}})),
                    (WRITTEN, Value::Object(_)) => (COMPARED.to_owned(), prepare(member)),
                    // Examples are data and have no keywords.
                    ("example" | "examples", _) => (name.clone(), member.clone()),
                    _ => (name.clone(), prepare(member)),
                })
                .collect();
            // oasdiff compares the schemas of named properties only.
            if let Some(others @ Value::Object(_)) = members.get(WRITTEN) {
                let named = prepared.entry("properties").or_insert_with(|| json!({}));
                named[ANY_NAME] = prepare(others);
            }
            Value::Object(prepared)
        }
        _ => document.clone(),
    }
}

/// A text of oasdiff with the keyword that the contract has.
pub fn original_names(text: &str) -> String {
    text.replace(COMPARED, WRITTEN)
}

/// A pointer into a prepared document, as a pointer into the document before [`prepare`].
pub fn original_pointer(prepared: &str) -> String {
    let prepared = prepared.replace(&format!("/properties/{ANY_NAME}"), &format!("/{COMPARED}"));
    match prepared.strip_suffix("/not") {
        Some(closed) if closed.ends_with(COMPARED) => original_names(closed),
        _ => original_names(&prepared),
    }
}

/// The node of a pretty-printed, prepared document that begins at a line, as it was before
/// [`prepare`]. Cut after [`EXCERPT_LINES`].
pub fn excerpt(document: &str, source: &Source) -> Option<String> {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let mut rest = document.lines().skip(source.line?.checked_sub(1)?);
    let first = rest.next()?;
    let depth = indent(&first);
    let mut lines = vec![first];
    if first.ends_with(['{', '[']) {
        let mut rest = rest.peekable();
        lines.extend(std::iter::from_fn(|| rest.next_if(|line| indent(line) > depth)));
        lines.extend(rest.next());
    }
    let cut = lines.len() > EXCERPT_LINES;
    lines.truncate(EXCERPT_LINES);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(depth..).unwrap_or_default()).collect();
    let closed =
        Regex::new(r#""unevaluatedProperties": \{\s*"not": \{\}\s*\}"#).expect("a valid pattern");
    let text = lines.join("\n");
    let text = closed.replace_all(&text, r#""additionalProperties": false"#);
    let mut text = original_names(&text);
    if cut {
        text.push_str("\n  …");
    }
    Some(text.trim_end_matches(',').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt_at(document: &Value, line: usize) -> String {
        let text = format!("{:#}", prepare(document));
        excerpt(&text, &Source { line: Some(line) }).expect("a line")
    }

    #[test]
    fn an_excerpt_ends_with_its_node_and_without_the_comma() {
        let document = json!({"a": {"b": 1}, "c": 2});
        assert_eq!(excerpt_at(&document, 2), "\"a\": {\n  \"b\": 1\n}");
        assert_eq!(excerpt_at(&document, 5), "\"c\": 2");
    }

    #[test]
    fn a_closed_object_is_shown_as_the_contract_writes_it() {
        let document = json!({"a": {"additionalProperties": false}});
        assert_eq!(excerpt_at(&document, 2), "\"a\": {\n  \"additionalProperties\": false\n}");
    }

    #[test]
    fn a_pointer_is_one_into_the_document_that_was_prepared() {
        let document = json!({
            "a": {"additionalProperties": false},
            "b": {"additionalProperties": {"type": "string"}},
        });
        let prepared = prepare(&document);
        for (pointer, original) in [
            ("/a/unevaluatedProperties/not", "/a/additionalProperties"),
            ("/b/unevaluatedProperties/type", "/b/additionalProperties/type"),
            ("/b/properties/*/type", "/b/additionalProperties/type"),
        ] {
            assert!(prepared.pointer(pointer).is_some(), "{pointer}");
            assert!(document.pointer(original).is_some(), "{original}");
            assert_eq!(original_pointer(pointer), original);
        }
    }

    #[test]
    fn a_long_excerpt_is_cut() {
        let document = json!({"a": (0..100).collect::<Vec<_>>()});
        let text = excerpt_at(&document, 2);
        assert!(text.ends_with("\n  …"), "{text}");
        assert_eq!(text.lines().count(), EXCERPT_LINES + 1);
    }
}
