//! Rules for the lists of the whole contract: servers, problem types, close codes and client rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rule::{Rule, finding, rule};
use crate::{
    finding::{Direction, Effect, Finding, Pointers, Reach, Surface},
    pointer,
};

const SERVER_ADDED: Rule = rule("server-added", Effect::Compatible, Direction::Both, Reach::Source);
/// Generated clients contain the address and keep using it.
const SERVER_REMOVED: Rule =
    rule("server-removed", Effect::Breaking, Direction::Both, Reach::Source);

const PROBLEM_TYPE_ADDED: Rule =
    rule("problem-type-added", Effect::Compatible, Direction::Response, Reach::Wire);
/// Clients decide by the type.
const PROBLEM_TYPE_REMOVED: Rule =
    rule("problem-type-removed", Effect::Breaking, Direction::Response, Reach::Wire);
/// Clients have time to learn what comes instead.
const PROBLEM_TYPE_DEPRECATED: Rule =
    rule("problem-type-deprecated", Effect::Compatible, Direction::Response, Reach::Wire);
const PROBLEM_TYPE_STATUS_CHANGED: Rule =
    rule("problem-type-status-changed", Effect::Breaking, Direction::Response, Reach::Wire);

/// A client that does not know the code does not know whether to reconnect.
const CLOSE_CODE_ADDED: Rule =
    rule("close-code-added", Effect::Breaking, Direction::Response, Reach::Wire);
const CLOSE_CODE_REMOVED: Rule =
    rule("close-code-removed", Effect::Breaking, Direction::Response, Reach::Wire);
/// Changes whether a client waits for a `bye`, or whether and when it reconnects.
const CLOSE_CODE_CHANGED: Rule =
    rule("close-code-changed", Effect::Breaking, Direction::Response, Reach::Wire);

/// Clients that do not know the rule keep to the others.
const CLIENT_RULE_ADDED: Rule =
    rule("client-rule-added", Effect::Compatible, Direction::Both, Reach::Wire);
const CLIENT_RULE_REMOVED: Rule =
    rule("client-rule-removed", Effect::Breaking, Direction::Both, Reach::Wire);
/// Clients keep to the old number.
const CLIENT_RULE_CHANGED: Rule =
    rule("client-rule-changed", Effect::Breaking, Direction::Both, Reach::Wire);

/// The members of client rules that are for people.
const PROSE: [&str; 2] = ["description", "why"];

/// The entries of a list by the member that names them, each with its pointer.
type Entries = BTreeMap<String, (String, Value)>;

/// How the entries of one list are compared.
struct List {
    surface: Surface,
    /// What one entry is called, with its article.
    entry: &'static str,
    added: &'static Rule,
    removed: &'static Rule,
    /// The rule for an entry that changed, and the members that count as a change.
    changed: (&'static Rule, &'static [&'static str]),
}

/// Compares the servers of two OpenAPI documents.
pub fn servers(surface: Surface, base: &Value, revision: &Value) -> Vec<Finding> {
    let list = List {
        surface,
        entry: "the server",
        added: &SERVER_ADDED,
        removed: &SERVER_REMOVED,
        changed: (&SERVER_REMOVED, &[]),
    };
    let servers = |document: &Value| entries(document, "/servers", "url");
    list.compare(&servers(base), &servers(revision))
}

/// Compares the problem types of two OpenAPI documents.
pub fn problem_types(base: &Value, revision: &Value) -> Vec<Finding> {
    let list = List {
        surface: Surface::Http,
        entry: "the problem type",
        added: &PROBLEM_TYPE_ADDED,
        removed: &PROBLEM_TYPE_REMOVED,
        changed: (&PROBLEM_TYPE_STATUS_CHANGED, &["status"]),
    };
    let types = |document: &Value| entries(document, "/x-problem-types", "type");
    let (base, revision) = (types(base), types(revision));
    let mut findings = list.compare(&base, &revision);
    for (key, (before_at, before)) in &base {
        let Some((after_at, after)) = revision.get(key) else { continue };
        if after["deprecated"] == true && before["deprecated"] != true {
            let text = format!("deprecated the problem type `{key}`");
            let sides = (None, Some(after["description"].clone()));
            let at = Pointers { base: Some(before_at.clone()), revision: Some(after_at.clone()) };
            findings.push(finding(Surface::Http, &PROBLEM_TYPE_DEPRECATED, text, sides, at));
        }
    }
    findings
}

/// Compares the close codes of two AsyncAPI documents.
pub fn close_codes(base: &Value, revision: &Value) -> Vec<Finding> {
    let list = List {
        surface: Surface::Socket,
        entry: "the close code",
        added: &CLOSE_CODE_ADDED,
        removed: &CLOSE_CODE_REMOVED,
        changed: (&CLOSE_CODE_CHANGED, &["bye", "comeBack", "policy"]),
    };
    let codes = |document: &Value| {
        let channels = document["channels"].as_object().into_iter().flatten();
        channels
            .flat_map(|(name, _)| {
                let list = format!("{}/x-close-codes", pointer::join("/channels", name));
                entries(document, &list, "code")
            })
            .collect()
    };
    list.compare(&codes(base), &codes(revision))
}

/// Compares the rules for clients of two AsyncAPI documents.
pub fn client_rules(base: &Value, revision: &Value) -> Vec<Finding> {
    let list = List {
        surface: Surface::Socket,
        entry: "the client rule",
        added: &CLIENT_RULE_ADDED,
        removed: &CLIENT_RULE_REMOVED,
        changed: (&CLIENT_RULE_CHANGED, &["value"]),
    };
    let rules = |document: &Value| {
        let mut found = Entries::new();
        for (name, channel) in document["channels"].as_object().into_iter().flatten() {
            let at = format!("{}/x-client-rules", pointer::join("/channels", name));
            collect_rules(("", &at), &channel["x-client-rules"], &mut found);
        }
        found
    };
    list.compare(&rules(base), &rules(revision))
}

/// Collects the values of client rules by their names. An item of a list is a rule of its own.
fn collect_rules((name, at): (&str, &str), node: &Value, found: &mut Entries) {
    match node {
        Value::Object(members) => {
            for (member, value) in
                members.iter().filter(|(name, _)| !PROSE.contains(&name.as_str()))
            {
                let dot = if name.is_empty() { "" } else { "." };
                let (name, at) = (format!("{name}{dot}{member}"), pointer::join(at, member));
                collect_rules((&name, &at), value, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let what = item["what"].as_str().unwrap_or_default();
                let entry = (format!("{at}/{index}"), json!({"value": what}));
                found.insert(format!("{name}: {what}"), entry);
            }
        }
        Value::Null => {}
        value => {
            found.insert(name.to_owned(), (at.to_owned(), json!({"value": value})));
        }
    }
}

fn entries(document: &Value, list: &str, name: &str) -> Entries {
    let entries = document.pointer(list).and_then(Value::as_array).into_iter().flatten();
    entries
        .enumerate()
        .map(|(index, entry)| {
            let key = &entry[name];
            let key = key.as_str().map_or_else(|| key.to_string(), ToOwned::to_owned);
            (key, (format!("{list}/{index}"), entry.clone()))
        })
        .collect()
}

impl List {
    fn compare(&self, base: &Entries, revision: &Entries) -> Vec<Finding> {
        let Self { surface, entry, added, removed, changed: (changed, members) } = *self;
        let keys: BTreeSet<&String> = base.keys().chain(revision.keys()).collect();
        keys.into_iter()
            .filter_map(|key| {
                let (before, after) = (base.get(key), revision.get(key));
                let pointer = |entry: Option<&(String, Value)>| entry.map(|entry| entry.0.clone());
                let pointers = Pointers { base: pointer(before), revision: pointer(after) };
                let named = |entry: Option<_>| entry.map(|_| json!(key));
                let (rule, verb, sides) = match (before, after) {
                    (None, Some(_)) => (added, "added", (None, named(after))),
                    (Some(_), None) => (removed, "removed", (named(before), None)),
                    (Some((_, before)), Some((_, after))) => {
                        // A member that the base does not have says more and changes nothing.
                        let compared = members.iter().filter(|name| before.get(**name).is_some());
                        let relevant = |entry: &Value| -> Value {
                            let members = compared.clone();
                            members.map(|name| ((*name).to_owned(), entry[*name].clone())).collect()
                        };
                        let (before, after) = (relevant(before), relevant(after));
                        if before == after {
                            return None;
                        }
                        (changed, "changed", (Some(before), Some(after)))
                    }
                    (None, None) => return None,
                };
                let text = match verb {
                    "changed" => format!("{entry} `{key}` changed"),
                    _ => format!("{verb} {entry} `{key}`"),
                };
                Some(finding(surface, rule, text, sides, pointers))
            })
            .collect()
    }
}
