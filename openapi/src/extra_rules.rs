//! What clients can notice and oasdiff does not look at. It compares a few members by their name,
//! and is no second way of finding what oasdiff finds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    finding::{Direction, Effect, Finding, Place, Reach, Surface},
    frames,
};

/// A rule of this module.
struct Rule {
    id: &'static str,
    effect: Effect,
    whom: Direction,
    reach: Reach,
}

const fn rule(id: &'static str, effect: Effect, whom: Direction, reach: Reach) -> Rule {
    Rule { id, effect, whom, reach }
}

/// A generated client encodes it otherwise.
const PARAMETER_ENCODING_CHANGED: Rule =
    rule("parameter-encoding-changed", Effect::Breaking, Direction::Request, Reach::Wire);
/// A generated client has no place for them any more. To oasdiff an operation that needs none
/// takes everything.
const OPTIONAL_CREDENTIALS_REMOVED: Rule =
    rule("optional-credentials-removed", Effect::Breaking, Direction::Both, Reach::Source);
/// oasdiff has rules for the pattern of a property and for the enum of a body, and for no other
/// text of an answer.
const RESPONSE_TEXT_NARROWED: Rule =
    rule("response-text-narrowed", Effect::Compatible, Direction::Response, Reach::Wire);
const RESPONSE_TEXT_WIDENED: Rule =
    rule("response-text-widened", Effect::Breaking, Direction::Response, Reach::Wire);
const SERVER_ADDED: Rule = rule("server-added", Effect::Compatible, Direction::Both, Reach::Source);
/// Generated clients have the address, and go on asking there.
const SERVER_REMOVED: Rule =
    rule("server-removed", Effect::Breaking, Direction::Both, Reach::Source);
const PROBLEM_TYPE_ADDED: Rule =
    rule("problem-type-added", Effect::Compatible, Direction::Response, Reach::Wire);
/// Clients decide by the type.
const PROBLEM_TYPE_REMOVED: Rule =
    rule("problem-type-removed", Effect::Breaking, Direction::Response, Reach::Wire);
const PROBLEM_TYPE_STATUS_CHANGED: Rule =
    rule("problem-type-status-changed", Effect::Breaking, Direction::Response, Reach::Wire);
/// A client that does not know the code does not know whether to come back.
const CLOSE_CODE_ADDED: Rule =
    rule("close-code-added", Effect::Breaking, Direction::Response, Reach::Wire);
const CLOSE_CODE_REMOVED: Rule =
    rule("close-code-removed", Effect::Breaking, Direction::Response, Reach::Wire);
/// What a client does next: whether it waits for a `bye`, and whether it comes back.
const CLOSE_CODE_CHANGED: Rule =
    rule("close-code-changed", Effect::Breaking, Direction::Response, Reach::Wire);

/// What the OpenAPI document says beside what oasdiff compares.
#[must_use]
pub fn http(base: &Value, revision: &Value) -> Vec<Finding> {
    let problems = |document: &Value| keyed(&document["x-problem-types"], "type");
    let mut findings = servers(Surface::Http, base, revision);
    findings.extend(operations(Surface::Http, base, revision));
    findings.extend(compared(
        Surface::Http,
        "the problem type",
        (&problems(base), &problems(revision)),
        (&PROBLEM_TYPE_ADDED, &PROBLEM_TYPE_REMOVED),
        (&PROBLEM_TYPE_STATUS_CHANGED, &["status"]),
    ));
    findings
}

/// What the AsyncAPI document says beside the frames themselves.
#[must_use]
pub fn socket(base: &Value, revision: &Value) -> Vec<Finding> {
    let codes = |document: &Value| {
        let channels = document["channels"].as_object().into_iter().flatten();
        channels.flat_map(|(_, channel)| keyed(&channel["x-close-codes"], "code")).collect()
    };
    let (base_frames, frames) = (frames::projected(base), frames::projected(revision));
    let mut findings = servers(Surface::Socket, &base_frames, &frames);
    findings.extend(operations(Surface::Socket, &base_frames, &frames));
    findings.extend(compared(
        Surface::Socket,
        "the close code",
        (&codes(base), &codes(revision)),
        (&CLOSE_CODE_ADDED, &CLOSE_CODE_REMOVED),
        (&CLOSE_CODE_CHANGED, &["bye", "comeBack"]),
    ));
    findings
}

fn servers(surface: Surface, base: &Value, revision: &Value) -> Vec<Finding> {
    compared(
        surface,
        "the server",
        (&keyed(&base["servers"], "url"), &keyed(&revision["servers"], "url")),
        (&SERVER_ADDED, &SERVER_REMOVED),
        (&SERVER_REMOVED, &[]),
    )
}

/// What is named alike in both documents.
fn both<'a>(
    base: &'a Value,
    revision: &'a Value,
) -> impl Iterator<Item = (&'a String, &'a Value, &'a Value)> {
    let members = base.as_object().into_iter().flatten();
    members.filter_map(|(name, member)| Some((name, member, revision.get(name)?)))
}

/// Follows a reference into a document.
fn resolved<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    let target = node["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(node)
}

fn operations(surface: Surface, base: &Value, revision: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, item, revised_item) in both(&base["paths"], &revision["paths"]) {
        for (method, operation, revised) in both(item, revised_item) {
            let mut found = parameters(surface, operation, revised);
            found.extend(optional_credentials(surface, operation, revised));
            for (status, response, revised) in both(&operation["responses"], &revised["responses"])
            {
                let texts = texts(surface, (base, response), (revision, revised));
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
                finding.places.entry(place.clone()).or_default().extend(status);
                finding
            }));
        }
    }
    findings
}

type Found = (Finding, Option<String>);

fn parameters(surface: Surface, base: &Value, revision: &Value) -> Vec<Found> {
    let keyed = |operation: &Value| -> BTreeMap<String, Value> {
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
    let (base, revision) = (keyed(base), keyed(revision));
    base.into_iter()
        .filter_map(|(name, before)| {
            let after = revision.get(&name)?.clone();
            let text = format!("the encoding of the parameter `{name}` changed");
            let sides = (Some(before), Some(after));
            (sides.0 != sides.1)
                .then(|| (finding(surface, &PARAMETER_ENCODING_CHANGED, text, sides), None))
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
            let text = "the credentials that could be sent no longer can".to_owned();
            let sides = (Some(alternative), None);
            (finding(surface, &OPTIONAL_CREDENTIALS_REMOVED, text, sides), None)
        })
        .collect()
}

/// What a response's headers and the whole of its body promise to be.
fn texts(surface: Surface, base: (&Value, &Value), revision: (&Value, &Value)) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (part, keywords) in [("headers", &["pattern", "enum"][..]), ("content", &["pattern"])] {
        for (name, before, after) in both(&base.1[part], &revision.1[part]) {
            let schema = |(document, _): (&Value, _), holder: &Value| {
                resolved(document, &resolved(document, holder)["schema"]).clone()
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
                findings.push(finding(surface, rule, text, sides));
            }
        }
    }
    findings
}

/// The entries of a list by the member that names them.
fn keyed(list: &Value, name: &str) -> BTreeMap<String, Value> {
    let entries = list.as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let key = &entry[name];
            (key.as_str().map_or_else(|| key.to_string(), ToOwned::to_owned), entry.clone())
        })
        .collect()
}

/// What was added to and removed from a list, and what changed in the members that count.
fn compared(
    surface: Surface,
    what: &str,
    (base, revision): (&BTreeMap<String, Value>, &BTreeMap<String, Value>),
    (added, removed): (&Rule, &Rule),
    (changed, members): (&Rule, &[&str]),
) -> Vec<Finding> {
    let counted = |entry: &Value| {
        members.iter().map(|name| ((*name).to_owned(), entry[*name].clone())).collect::<Value>()
    };
    let keys: BTreeSet<&String> = base.keys().chain(revision.keys()).collect();
    keys.into_iter()
        .filter_map(|key| match (base.get(key).map(&counted), revision.get(key).map(&counted)) {
            (None, Some(_)) => {
                let after = (None, Some(json!(key)));
                Some(finding(surface, added, format!("added {what} `{key}`"), after))
            }
            (Some(_), None) => {
                let before = (Some(json!(key)), None);
                Some(finding(surface, removed, format!("removed {what} `{key}`"), before))
            }
            (Some(before), Some(after)) if before != after => {
                let text = format!("{what} `{key}` changed");
                Some(finding(surface, changed, text, (Some(before), Some(after))))
            }
            _ => None,
        })
        .collect()
}

fn finding(
    surface: Surface,
    rule: &Rule,
    text: String,
    (before, after): (Option<Value>, Option<Value>),
) -> Finding {
    let shown = |value: Option<Value>| value.map(|value| format!("{value:#}"));
    Finding {
        rule: rule.id.to_owned(),
        effect: rule.effect,
        whom: rule.whom,
        reach: rule.reach,
        surface,
        text,
        before: shown(before),
        after: shown(after),
        places: BTreeMap::new(),
    }
}
