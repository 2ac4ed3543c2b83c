//! Rules for the lists of the whole contract: servers, problem types and close codes.

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
const PROBLEM_TYPE_STATUS_CHANGED: Rule =
    rule("problem-type-status-changed", Effect::Breaking, Direction::Response, Reach::Wire);

/// A client that does not know the code does not know whether to reconnect.
const CLOSE_CODE_ADDED: Rule =
    rule("close-code-added", Effect::Breaking, Direction::Response, Reach::Wire);
const CLOSE_CODE_REMOVED: Rule =
    rule("close-code-removed", Effect::Breaking, Direction::Response, Reach::Wire);
/// Changes whether a client waits for a `bye`, or whether it reconnects.
const CLOSE_CODE_CHANGED: Rule =
    rule("close-code-changed", Effect::Breaking, Direction::Response, Reach::Wire);

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
    list.compare(&types(base), &types(revision))
}

/// Compares the close codes of two AsyncAPI documents.
pub fn close_codes(base: &Value, revision: &Value) -> Vec<Finding> {
    let list = List {
        surface: Surface::Socket,
        entry: "the close code",
        added: &CLOSE_CODE_ADDED,
        removed: &CLOSE_CODE_REMOVED,
        changed: (&CLOSE_CODE_CHANGED, &["bye", "comeBack"]),
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
        let relevant = |entry: &Value| {
            members.iter().map(|name| ((*name).to_owned(), entry[*name].clone())).collect::<Value>()
        };
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
