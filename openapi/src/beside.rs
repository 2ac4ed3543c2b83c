//! What breaks clients and oasdiff does not look at. It compares a few named members, and is no
//! second way of finding what oasdiff finds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    finding::{Effect, Finding, Place, Reach, Surface, Whom},
    frames,
};

/// A rule of this module.
struct Rule {
    id: &'static str,
    effect: Effect,
    whom: Whom,
    reach: Reach,
}

const fn rule(id: &'static str, effect: Effect, whom: Whom, reach: Reach) -> Rule {
    Rule { id, effect, whom, reach }
}

const SERVER_ADDED: Rule = rule("server-added", Effect::Compatible, Whom::Both, Reach::Source);
/// Generated clients have the address, and go on asking there.
const SERVER_REMOVED: Rule = rule("server-removed", Effect::Breaking, Whom::Both, Reach::Source);
const PROBLEM_TYPE_ADDED: Rule =
    rule("problem-type-added", Effect::Compatible, Whom::Response, Reach::Wire);
/// Clients decide by the type.
const PROBLEM_TYPE_REMOVED: Rule =
    rule("problem-type-removed", Effect::Breaking, Whom::Response, Reach::Wire);
const PROBLEM_TYPE_STATUS_CHANGED: Rule =
    rule("problem-type-status-changed", Effect::Breaking, Whom::Response, Reach::Wire);
/// A client that does not know the code does not know whether to come back.
const CLOSE_CODE_ADDED: Rule =
    rule("close-code-added", Effect::Breaking, Whom::Response, Reach::Wire);
const CLOSE_CODE_REMOVED: Rule =
    rule("close-code-removed", Effect::Breaking, Whom::Response, Reach::Wire);
/// What a client does next: whether it waits for a `bye`, and whether it comes back.
const CLOSE_CODE_CHANGED: Rule =
    rule("close-code-changed", Effect::Breaking, Whom::Response, Reach::Wire);

/// What the OpenAPI document says beside what oasdiff compares.
#[must_use]
pub fn http(base: &Value, revision: &Value) -> Vec<Finding> {
    let problems = |document: &Value| keyed(&document["x-problem-types"], "type");
    let mut findings = servers(Surface::Http, base, revision);
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
    let mut findings =
        servers(Surface::Socket, &frames::projected(base), &frames::projected(revision));
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
        places: BTreeSet::<Place>::new(),
    }
}
