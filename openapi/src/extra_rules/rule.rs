//! A rule and the finding that it makes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::finding::{Direction, Effect, Finding, Pointers, Reach, Surface};

/// A rule, as a finding names it.
pub struct Rule {
    id: &'static str,
    effect: Effect,
    direction: Direction,
    reach: Reach,
}

/// Shortens the list of rules.
pub const fn rule(id: &'static str, effect: Effect, direction: Direction, reach: Reach) -> Rule {
    Rule { id, effect, direction, reach }
}

/// A finding of a rule, without places.
pub fn finding(
    surface: Surface,
    rule: &Rule,
    text: String,
    (before, after): (Option<Value>, Option<Value>),
    pointers: Pointers,
) -> Finding {
    let lines = |value: Option<Value>| value.map(|value| format!("{value:#}"));
    Finding {
        rule: rule.id.to_owned(),
        effect: rule.effect,
        direction: rule.direction,
        reach: rule.reach,
        surface,
        text,
        before: lines(before),
        after: lines(after),
        pointers,
        places: BTreeMap::new(),
    }
}
