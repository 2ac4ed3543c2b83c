//! Compares two contracts: everything that a client can notice, each thing once.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use regex::Regex;

use crate::{
    beside,
    contract::Contract,
    error::Error,
    finding::{Effect, Finding, Place, Surface},
    frames,
    levels::Levels,
    oasdiff::{Change, Oasdiff, Source},
};

/// So many lines of a document show a change; the rest is in the document.
const LINES: usize = 14;

/// Finds what changed, the gravest first.
///
/// # Errors
/// When oasdiff cannot compare.
pub fn compare(
    oasdiff: &Oasdiff,
    levels: &Levels,
    base: &Contract,
    revision: &Contract,
) -> Result<Vec<Finding>, Error> {
    let frames = (frames::projected(&base.asyncapi), frames::projected(&revision.asyncapi));
    let documents = [
        (Surface::Http, base.text.clone(), revision.text.clone()),
        (Surface::Socket, format!("{:#}", frames.0), format!("{:#}", frames.1)),
    ];
    let mut findings = Vec::new();
    for (surface, base, revision) in documents {
        let changes = oasdiff.changes_with_lines(&base, &revision)?;
        findings.extend(grouped(oasdiff, levels, surface, changes, &base, &revision));
    }
    findings.extend(beside::http(&base.openapi, &revision.openapi));
    findings.extend(beside::socket(&base.asyncapi, &revision.asyncapi));
    findings.sort_by_key(|finding| (Reverse(finding.effect), finding.surface, finding.reach));
    Ok(findings)
}

/// What a change does. Where oasdiff cannot tell, somebody has to look: it counts as breaking.
#[must_use]
pub fn effect(change: &Change) -> Effect {
    if change.level > 1 { Effect::Breaking } else { Effect::Compatible }
}

/// One finding for what oasdiff tells once for each operation and status that uses a schema.
fn grouped(
    oasdiff: &Oasdiff,
    levels: &Levels,
    surface: Surface,
    changes: Vec<Change>,
    base: &str,
    revision: &str,
) -> Vec<Finding> {
    type Key = (String, String, Option<Source>, Option<Source>);
    let mut groups: BTreeMap<Key, Finding> = BTreeMap::new();
    for change in changes {
        let (text, status) = without_status(&change.text);
        let effect = effect(&change);
        let place = change.path.as_deref().map(|path| match surface {
            Surface::Http => http_place(&change, path, status.as_deref()),
            Surface::Socket => frames::place(path),
        });
        let finding = Finding {
            rule: change.id.clone(),
            effect,
            whom: oasdiff.whom(&change.id),
            reach: levels.reach(&change.id),
            surface,
            text: text.clone(),
            before: change.base_source.as_ref().and_then(|source| lines(base, source)),
            after: change.revision_source.as_ref().and_then(|source| lines(revision, source)),
            places: BTreeSet::new(),
        };
        let key = (change.id, text, change.base_source, change.revision_source);
        let group = groups.entry(key).or_insert(finding);
        // A rule can weigh otherwise at one place than at another.
        group.effect = group.effect.max(effect);
        group.places.extend(place);
    }
    groups.into_values().collect()
}

fn http_place(change: &Change, path: &str, status: Option<&str>) -> Place {
    let method = change.operation.as_deref().unwrap_or_default();
    let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
    Place { at: format!("{method} {path}{status}"), id: change.operation_id.clone() }
}

/// A sentence without the status that it names: the place names it.
fn without_status(text: &str) -> (String, Option<String>) {
    let status = Regex::new(r" (?:for|with) (?:the )?(?:response )?(?:status `(\w+)`|`(\w+)` status)")
        .expect("a pattern that the suite runs");
    let named = status.captures(text).and_then(|found| found.get(1).or(found.get(2)));
    (status.replace(text, "").into_owned(), named.map(|status| status.as_str().to_owned()))
}

/// What stands at a place of a pretty-printed document: to the end of what begins there.
fn lines(document: &str, source: &Source) -> Option<String> {
    let all: Vec<&str> = document.lines().collect();
    let first = source.line?.checked_sub(1)?;
    let begun = all.get(first)?;
    let indent = begun.len() - begun.trim_start().len();
    let mut last = first;
    if begun.ends_with(['{', '[']) {
        last += 1 + all[first + 1..]
            .iter()
            .take_while(|line| line.len() - line.trim_start().len() > indent)
            .count();
    }
    let shown: Vec<&str> = all[first..=last.min(all.len() - 1)]
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect();
    let cut = shown.len() > LINES;
    let mut text = shown[..shown.len().min(LINES)].join("\n");
    if cut {
        text.push_str("\n  …");
    }
    Some(text.trim_end_matches(',').to_owned())
}
