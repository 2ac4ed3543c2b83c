//! Compares two contracts: everything that a client can notice, each thing once.

use std::{cmp::Reverse, collections::BTreeMap};

use regex::Regex;

use crate::{
    contract::Contract,
    error::Error,
    extra_rules,
    finding::{Effect, Finding, Place, Surface},
    frames,
    levels::Levels,
    oasdiff::{Change, Oasdiff, Source},
};

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
    let changes = oasdiff.changes_with_lines(&base.openapi, &revision.openapi)?;
    let mut findings = grouped(oasdiff, levels, Surface::Http, changes);
    let (base_frames, frames) =
        (frames::projected(&base.asyncapi), frames::projected(&revision.asyncapi));
    let changes = oasdiff.changes_with_lines(&base_frames, &frames)?;
    findings.extend(grouped(oasdiff, levels, Surface::Socket, changes));
    findings.extend(extra_rules::http(&base.openapi, &revision.openapi));
    findings.extend(extra_rules::socket(&base.asyncapi, &revision.asyncapi));
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
) -> Vec<Finding> {
    type Key = (String, String, Option<Source>, Option<Source>);
    let mut groups: BTreeMap<Key, Finding> = BTreeMap::new();
    for change in changes {
        let effect = effect(&change);
        let (text, status) = without_status(&change.text);
        let key = (change.id.clone(), text.clone(), change.base_source, change.revision_source);
        let group = groups.entry(key).or_insert_with(|| Finding {
            effect,
            whom: oasdiff.whom(&change.id),
            reach: levels.reach(&change.id),
            rule: change.id,
            surface,
            text,
            before: change.before,
            after: change.after,
            places: BTreeMap::new(),
        });
        // A rule can weigh otherwise at one place than at another.
        group.effect = group.effect.max(effect);
        let Some(path) = change.path else { continue };
        let place = match surface {
            Surface::Http => Place {
                at: format!("{} {path}", change.operation.unwrap_or_default()),
                id: change.operation_id,
            },
            Surface::Socket => frames::place(&path),
        };
        group.places.entry(place).or_default().extend(status);
    }
    groups.into_values().collect()
}

/// A sentence without the status that it names: the place names it.
fn without_status(text: &str) -> (String, Option<String>) {
    let status =
        Regex::new(r" (?:for|with) (?:the )?(?:response )?(?:status `(\w+)`|`(\w+)` status)")
            .expect("a pattern that the suite runs");
    let named = status.captures(text).and_then(|found| found.get(1).or(found.get(2)));
    (status.replace(text, "").into_owned(), named.map(|status| status.as_str().to_owned()))
}
