//! The version says what kind of change it is.

use openapi::{
    finding::{Direction, Effect, Finding, Reach, Surface},
    version::checked,
};
use serde_json::json;

use crate::scratch::Scratch;

fn findings(effects: &[Effect]) -> Vec<Finding> {
    effects
        .iter()
        .map(|effect| Finding {
            rule: "a-rule".to_owned(),
            effect: *effect,
            whom: Direction::Request,
            reach: Reach::Wire,
            surface: Surface::Http,
            text: "a change".to_owned(),
            before: None,
            after: None,
            places: [].into(),
        })
        .collect()
}

/// The lowest version that is taken, where the one given is not.
fn lowest(base: &str, found: &str, effects: &[Effect]) -> Option<String> {
    let checked = checked(base, found, &findings(effects)).expect("versions");
    checked.err().map(|too_low| too_low.lowest.to_string())
}

const BREAK: &[Effect] = &[Effect::Compatible, Effect::Breaking];
const COMPATIBLE: &[Effect] = &[Effect::Compatible];

#[test]
fn before_1_0_0_a_break_moves_the_minor_number_and_the_rest_the_patch_number() {
    assert_eq!(lowest("0.1.3", "0.1.4", BREAK).as_deref(), Some("0.2.0"));
    assert_eq!(lowest("0.1.3", "0.2.0", BREAK), None);
    assert_eq!(lowest("0.1.3", "1.0.0", BREAK), None);
    assert_eq!(lowest("0.1.3", "0.1.3", COMPATIBLE).as_deref(), Some("0.1.4"));
    assert_eq!(lowest("0.1.3", "0.1.4", COMPATIBLE), None);
}

#[test]
fn from_1_0_0_a_break_moves_the_major_number_and_the_rest_the_minor_number() {
    assert_eq!(lowest("1.2.3", "1.3.0", BREAK).as_deref(), Some("2.0.0"));
    assert_eq!(lowest("1.2.3", "2.0.0", BREAK), None);
    assert_eq!(lowest("1.2.3", "1.2.4", COMPATIBLE).as_deref(), Some("1.3.0"));
    assert_eq!(lowest("1.2.3", "1.3.0", COMPATIBLE), None);
}

#[test]
fn prose_moves_no_version_and_none_goes_back() {
    assert_eq!(lowest("0.1.3", "0.1.3", &[]), None);
    assert_eq!(lowest("0.1.3", "0.1.2", &[]).as_deref(), Some("0.1.3"));
}

#[test]
fn what_is_no_version_cannot_be_compared() {
    assert!(checked("0.1.0", "1.0", &[]).is_err());
}

/// A compatible change passes with its version and is refused without.
#[test]
#[ignore = "needs oasdiff and git"]
fn a_version_that_is_too_low_is_refused() {
    let add = |document: &mut serde_json::Value| {
        let schema = &mut document["components"]["schemas"]["ConnectSocketRequest"];
        schema["properties"]["locale"] = json!({"type": "string"});
    };
    let scratch = Scratch::new();
    let base = Scratch::version();
    scratch.edit_as(&base.to_string(), add);
    let review = scratch.review();
    assert!(review.refused);
    assert!(review.report.contains("**The version is too low.**"), "{}", review.report);
    scratch.edit_as(&Scratch::version_after_a_break(), |_| ());
    let review = scratch.review();
    assert!(!review.refused, "{}", review.report);
}
