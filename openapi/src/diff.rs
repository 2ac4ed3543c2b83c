//! Compares two contracts: lists every change that a client can notice, each of them once.

use std::{cmp::Reverse, collections::BTreeMap};

use regex::Regex;

use crate::{
    contract::Contract,
    error::Error,
    extra_rules,
    finding::{Effect, Finding, Place, Pointers, Surface},
    frames,
    levels::Levels,
    oasdiff::{self, Change, Oasdiff, Source},
    pointer,
};

/// The changes from `base` to `revision`, the gravest first.
///
/// # Errors
/// When oasdiff fails.
pub fn compare(
    oasdiff: &Oasdiff,
    levels: &Levels,
    base: &Contract,
    revision: &Contract,
) -> Result<Vec<Finding>, Error> {
    let changes = oasdiff.changes_with_lines(&base.openapi, &revision.openapi)?;
    let mut findings = group(oasdiff, levels, Surface::Http, changes);
    let (base_frames, frames) =
        (frames::as_openapi(&base.asyncapi), frames::as_openapi(&revision.asyncapi));
    let changes = oasdiff.changes_with_lines(&base_frames, &frames)?;
    let mut socket = group(oasdiff, levels, Surface::Socket, changes);
    socket.extend(extra_rules::socket(&base.asyncapi, &revision.asyncapi));
    for finding in &mut socket {
        let original = |document, pointer: &Option<String>| {
            pointer.as_ref().map(|pointer| frames::original_pointer(document, pointer))
        };
        finding.pointers = Pointers {
            base: original(&base.asyncapi, &finding.pointers.base),
            revision: original(&revision.asyncapi, &finding.pointers.revision),
        };
    }
    findings.extend(socket);
    findings.extend(extra_rules::http(&base.openapi, &revision.openapi));
    findings.sort_by_key(|finding| (Reverse(finding.effect), finding.surface, finding.reach));
    Ok(findings)
}

/// The effect of a change. Where oasdiff warns that it may break clients, it counts as breaking, so
/// that a reviewer decides.
#[must_use]
pub fn effect(change: &Change) -> Effect {
    if change.level > oasdiff::COMPATIBLE { Effect::Breaking } else { Effect::Compatible }
}

/// Groups changes into findings: oasdiff repeats a change of a schema for each operation and status
/// that uses it.
fn group(
    oasdiff: &Oasdiff,
    levels: &Levels,
    surface: Surface,
    changes: Vec<Change>,
) -> Vec<Finding> {
    type Key = (String, String, Option<Source>, Option<Source>);
    let mut groups: BTreeMap<Key, Finding> = BTreeMap::new();
    for change in changes {
        let effect = effect(&change);
        let (text, status) = without_status(&change.text);
        let mut pointers = change.pointers;
        // Without lines, the operation is all that is known.
        if let (Pointers { base: None, revision: None }, Some(path)) = (&pointers, &change.path) {
            let method = change.operation.as_deref().unwrap_or_default().to_lowercase();
            pointers = Pointers::both(pointer::join(&pointer::join("/paths", path), &method));
        }
        let key = (change.id.clone(), text.clone(), change.base_source, change.revision_source);
        let group = groups.entry(key).or_insert_with(|| Finding {
            effect,
            direction: oasdiff.direction(&change.id),
            reach: levels.reach(&change.id),
            rule: change.id,
            surface,
            text,
            before: change.before,
            after: change.after,
            pointers,
            places: BTreeMap::new(),
        });
        // The same rule can be graver at one place than at another.
        group.effect = group.effect.max(effect);
        let Some(path) = change.path else { continue };
        let (place, status) = match surface {
            Surface::Http => {
                let at = format!("{} {path}", change.operation.unwrap_or_default());
                (Place { at, id: change.operation_id }, status)
            }
            // A frame has no status; its translation for oasdiff has one.
            Surface::Socket => (frames::place(&path), None),
        };
        group.places.entry(place).or_default().extend(status);
    }
    groups.into_values().collect()
}

/// Takes the status out of a sentence. The finding names it at its place.
fn without_status(text: &str) -> (String, Option<String>) {
    let pattern =
        Regex::new(r" (?:for|with) (?:the )?(?:response )?(?:status `(\w+)`|`(\w+)` status)")
            .expect("a valid pattern");
    let named = pattern.captures(text).and_then(|found| found.get(1).or(found.get(2)));
    (pattern.replace(text, "").into_owned(), named.map(|status| status.as_str().to_owned()))
}
