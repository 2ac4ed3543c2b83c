//! Rules for the lists of the whole contract: servers, problem types and close codes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rule::{Rule, finding, rule};
use crate::finding::{Direction, Effect, Finding, Reach, Surface};

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

/// The entries of a list by the member that names them.
type Entries = BTreeMap<String, Value>;

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
    let servers = |document: &Value| entries(&document["servers"], "url");
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
    let types = |document: &Value| entries(&document["x-problem-types"], "type");
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
        channels.flat_map(|(_, channel)| entries(&channel["x-close-codes"], "code")).collect()
    };
    list.compare(&codes(base), &codes(revision))
}

fn entries(list: &Value, name: &str) -> Entries {
    let entries = list.as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let key = &entry[name];
            (key.as_str().map_or_else(|| key.to_string(), ToOwned::to_owned), entry.clone())
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
                match (base.get(key).map(relevant), revision.get(key).map(relevant)) {
                    (None, Some(_)) => {
                        let after = (None, Some(json!(key)));
                        Some(finding(surface, added, format!("added {entry} `{key}`"), after))
                    }
                    (Some(_), None) => {
                        let before = (Some(json!(key)), None);
                        Some(finding(surface, removed, format!("removed {entry} `{key}`"), before))
                    }
                    (Some(before), Some(after)) if before != after => {
                        let text = format!("{entry} `{key}` changed");
                        Some(finding(surface, changed, text, (Some(before), Some(after))))
                    }
                    _ => None,
                }
            })
            .collect()
    }
}
