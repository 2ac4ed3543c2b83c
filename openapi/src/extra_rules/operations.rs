//! Rules for the operations that two documents have in common.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rule::{Rule, finding, rule};
use crate::{
    finding::{Direction, Effect, Finding, Place, Pointers, Reach, Surface},
    frames, pointer,
};

/// A generated client encodes the parameter differently.
const PARAMETER_ENCODING_CHANGED: Rule =
    rule("parameter-encoding-changed", Effect::Breaking, Direction::Request, Reach::Wire);
/// A generated client loses the argument for them. oasdiff assumes that an operation without required
/// credentials accepts all.
const OPTIONAL_CREDENTIALS_REMOVED: Rule =
    rule("optional-credentials-removed", Effect::Breaking, Direction::Both, Reach::Source);
/// oasdiff compares the pattern of a property and the enum of a body, but neither the pattern of a
/// whole body nor anything of a header.
const RESPONSE_TEXT_NARROWED: Rule =
    rule("response-text-narrowed", Effect::Compatible, Direction::Response, Reach::Wire);
const RESPONSE_TEXT_WIDENED: Rule =
    rule("response-text-widened", Effect::Breaking, Direction::Response, Reach::Wire);

/// A finding and the response status that it belongs to, where it belongs to one. Its pointers are those
/// within the operation, until [`compare`] completes them.
type Found = (Finding, Option<String>);

/// Compares the operations that both documents have.
pub fn compare(surface: Surface, base: &Value, revision: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, item, revised_item) in common(&base["paths"], &revision["paths"]) {
        for (method, operation, revised) in common(item, revised_item) {
            let mut found = parameters(surface, operation, revised);
            found.extend(optional_credentials(surface, operation, revised));
            let responses = common(&operation["responses"], &revised["responses"]);
            for (status, response, revised) in responses {
                let at = pointer::join("/responses", status);
                let texts = response_texts(surface, &at, (base, response), (revision, revised));
                found.extend(texts.into_iter().map(|text| (text, Some(status.clone()))));
            }
            let place = match surface {
                Surface::Http => Place {
                    at: format!("{} {path}", method.to_uppercase()),
                    id: operation["operationId"].as_str().map(ToOwned::to_owned),
                },
                Surface::Socket => frames::place(path),
            };
            findings.extend(found.into_iter().map(|(mut finding, status)| {
                let operation = pointer::join(&pointer::join("/paths", path), method);
                let Pointers { base, revision } = &mut finding.pointers;
                for pointer in [base, revision].into_iter().flatten() {
                    pointer.insert_str(0, &operation);
                }
                finding.places.entry(place.clone()).or_default().extend(status);
                finding
            }));
        }
    }
    findings
}

fn parameters(surface: Surface, base: &Value, revision: &Value) -> Vec<Found> {
    let encodings = |operation: &Value| -> BTreeMap<String, Value> {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let encoding = |parameter: &Value| {
            ["style", "explode", "allowReserved"]
                .iter()
                .map(|name| ((*name).to_owned(), parameter[*name].clone()))
                .collect()
        };
        parameters
            .map(|parameter| {
                (format!("{}: {}", parameter["in"], parameter["name"]), encoding(parameter))
            })
            .collect()
    };
    let (base, revision) = (encodings(base), encodings(revision));
    let at = Pointers::both("/parameters".to_owned());
    base.into_iter()
        .filter_map(|(name, before)| {
            let after = revision.get(&name)?.clone();
            let text = format!("the encoding of the parameter `{name}` changed");
            let sides = (Some(before), Some(after));
            (sides.0 != sides.1).then(|| {
                (finding(surface, &PARAMETER_ENCODING_CHANGED, text, sides, at.clone()), None)
            })
        })
        .collect()
}

fn optional_credentials(surface: Surface, base: &Value, revision: &Value) -> Vec<Found> {
    let alternatives = |operation: &Value| operation["security"].as_array().cloned();
    let (base, revision) =
        (alternatives(base).unwrap_or_default(), alternatives(revision).unwrap_or_default());
    let anonymous = |all: &[Value]| all.is_empty() || all.contains(&json!({}));
    if !anonymous(&base) || !anonymous(&revision) {
        return Vec::new();
    }
    base.into_iter()
        .filter(|alternative| *alternative != json!({}) && !revision.contains(alternative))
        .map(|alternative| {
            let text = "removed optional credentials".to_owned();
            let sides = (Some(alternative), None);
            let at = Pointers::both("/security".to_owned());
            (finding(surface, &OPTIONAL_CREDENTIALS_REMOVED, text, sides, at), None)
        })
        .collect()
}

/// Compares the texts that a response's headers and whole body may be. Each side is a document and
/// its response, to which `at` points within its operation.
fn response_texts(
    surface: Surface,
    at: &str,
    base: (&Value, &Value),
    revision: (&Value, &Value),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (part, keywords) in [("headers", &["pattern", "enum"][..]), ("content", &["pattern"])] {
        for (name, before, after) in common(&base.1[part], &revision.1[part]) {
            let schema = |(document, _): (&Value, _), holder: &Value| {
                resolve(document, &resolve(document, holder)["schema"]).clone()
            };
            let (before, after) = (schema(base, before), schema(revision, after));
            for keyword in keywords {
                let (before, after) = (before.get(keyword), after.get(keyword));
                if before == after {
                    continue;
                }
                let rule =
                    if before.is_none() { &RESPONSE_TEXT_NARROWED } else { &RESPONSE_TEXT_WIDENED };
                let text = format!("the {keyword} of the response's `{name}` changed");
                let sides = (before.cloned(), after.cloned());
                let at = pointer::join(&pointer::join(at, part), name);
                findings.push(finding(surface, rule, text, sides, Pointers::both(at)));
            }
        }
    }
    findings
}

/// The members that two objects have in common, each with both values.
fn common<'a>(
    base: &'a Value,
    revision: &'a Value,
) -> impl Iterator<Item = (&'a String, &'a Value, &'a Value)> {
    let members = base.as_object().into_iter().flatten();
    members.filter_map(|(name, member)| Some((name, member, revision.get(name)?)))
}

/// Follows a reference into a document.
fn resolve<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    let target = node["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(node)
}
