//! The version must be raised as far as the change requires.

use openapi::{
    finding::{Direction, Effect, Finding, Pointers, Reach, Surface},
    version::check,
};
use serde_json::json;

use crate::scratch::Scratch;

fn findings(effects: &[Effect]) -> Vec<Finding> {
    effects
        .iter()
        .map(|effect| Finding {
            rule: "a-rule".to_owned(),
            effect: *effect,
            direction: Direction::Request,
            reach: Reach::Wire,
            surface: Surface::Http,
            text: "a change".to_owned(),
            before: None,
            after: None,
            pointers: Pointers::default(),
            places: [].into(),
        })
        .collect()
}

/// The lowest allowed version, if `found` is too low.
fn lowest(base: &str, found: &str, effects: &[Effect]) -> Option<String> {
    let too_low = check(base, found, &findings(effects)).expect("versions");
    too_low.map(|too_low| too_low.lowest.to_string())
}

const BREAKING: &[Effect] = &[Effect::Compatible, Effect::Breaking];
const COMPATIBLE: &[Effect] = &[Effect::Compatible];

#[test]
fn before_1_0_0_breaking_raises_the_minor_and_compatible_the_patch_number() {
    assert_eq!(lowest("0.1.3", "0.1.4", BREAKING).as_deref(), Some("0.2.0"));
    assert_eq!(lowest("0.1.3", "0.2.0", BREAKING), None);
    assert_eq!(lowest("0.1.3", "1.0.0", BREAKING), None);
    assert_eq!(lowest("0.1.3", "0.1.3", COMPATIBLE).as_deref(), Some("0.1.4"));
    assert_eq!(lowest("0.1.3", "0.1.4", COMPATIBLE), None);
}

#[test]
fn from_1_0_0_breaking_raises_the_major_and_compatible_the_minor_number() {
    assert_eq!(lowest("1.2.3", "1.3.0", BREAKING).as_deref(), Some("2.0.0"));
    assert_eq!(lowest("1.2.3", "2.0.0", BREAKING), None);
    assert_eq!(lowest("1.2.3", "1.2.4", COMPATIBLE).as_deref(), Some("1.3.0"));
    assert_eq!(lowest("1.2.3", "1.3.0", COMPATIBLE), None);
}

#[test]
fn prose_raises_nothing_and_a_version_never_goes_back() {
    assert_eq!(lowest("0.1.3", "0.1.3", &[]), None);
    assert_eq!(lowest("0.1.3", "0.1.2", &[]).as_deref(), Some("0.1.3"));
}

#[test]
fn an_invalid_version_is_an_error() {
    assert!(check("0.1.0", "1.0", &[]).is_err());
}

/// A compatible change is refused with the old version and passes with a higher one.
#[test]
#[ignore = "needs oasdiff and git"]
fn a_version_that_is_too_low_is_refused() {
    let add = |document: &mut serde_json::Value| {
        let schema = &mut document["components"]["schemas"]["ConnectSocketRequest"];
        schema["properties"]["locale"] = json!({"type": "string"});
    };
    let scratch = Scratch::new();
    let base = Scratch::version();
    scratch.edit_with_version(&base.to_string(), add);
    let review = scratch.review();
    assert!(review.refused);
    assert!(review.report.contains("**The version is too low.**"), "{}", review.report);
    scratch.edit_with_version(&Scratch::version_after_breaking(), |_| ());
    let review = scratch.review();
    assert!(!review.refused, "{}", review.report);
}
