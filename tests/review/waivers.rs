//! A waiver excuses one intended breaking change, at one place, for a reason and until a date.

use std::time::{Duration, SystemTime};

use openapi::waivers::Waivers;
use serde_json::json;

use crate::scratch::Scratch;

const DAY: Duration = Duration::from_hours(24);

/// A date that many days from now, in the form of a waiver.
fn in_days(days: u32) -> String {
    humantime::format_rfc3339(SystemTime::now() + days * DAY).to_string()[..10].to_owned()
}

fn waiver(change: &str, place: &str, until: &str) -> String {
    format!(
        "[[waiver]]\nrule = \"request-property-max-length-decreased\"\nchange = \"{change}\"\n\
         where = \"{place}\"\nreason = \"No client sends more.\"\nuntil = {until}\n"
    )
}

const CHANGE: &str = "the `halfRef` request property's maxLength was decreased to `256`";
const PLACE: &str = "POST /prospect/connectsocket";

/// A breaking change with the version that it requires.
fn breaking_change() -> Scratch {
    let scratch = Scratch::new();
    scratch.edit_with_version(&Scratch::version_after_breaking(), |document| {
        let schema = &mut document["components"]["schemas"]["ConnectSocketRequest"];
        schema["properties"]["halfRef"]["maxLength"] = json!(256);
    });
    scratch
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_waived_change_passes_and_is_reported() {
    let scratch = breaking_change();
    assert!(scratch.review().refused);
    for place in [PLACE, "*"] {
        scratch.waive(&waiver(CHANGE, place, &in_days(30)));
        let review = scratch.review();
        assert!(!review.refused, "{}", review.report);
        for text in ["1 waived change", "## Breaking, waived", ": No client sends more."] {
            assert!(review.report.contains(text), "{text}: {}", review.report);
        }
    }
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_waiver_applies_to_its_own_change_and_place_only() {
    let scratch = breaking_change();
    for (change, place) in [(&CHANGE.replace("256", "255")[..], PLACE), (CHANGE, "PUT /token")] {
        scratch.waive(&waiver(change, place, &in_days(30)));
        let review = scratch.review();
        assert!(review.refused);
        assert!(review.report.contains("## Unused waivers"), "{}", review.report);
    }
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_waiver_expires() {
    let scratch = breaking_change();
    scratch.waive(&waiver(CHANGE, PLACE, "2026-01-31"));
    assert!(scratch.review().refused);
}

/// A waived change raises the version like any other.
#[test]
#[ignore = "needs oasdiff and git"]
fn a_waiver_does_not_excuse_the_version() {
    let scratch = breaking_change();
    scratch.waive(&waiver(CHANGE, PLACE, &in_days(30)));
    scratch.edit_with_version(&Scratch::version().to_string(), |_| ());
    let review = scratch.review();
    assert!(review.refused);
    assert!(review.report.contains("**The version is too low.**"), "{}", review.report);
}

#[test]
fn a_waiver_is_valid_through_its_last_day() {
    let at = |moment: &str| humantime::parse_rfc3339(moment).expect("a moment");
    let text = waiver(CHANGE, PLACE, "2026-06-30");
    let live = |moment: &str| Waivers::parse(&text, at(moment)).expect("waivers").live().count();
    assert_eq!(live("2026-06-30T23:59:59Z"), 1);
    assert_eq!(live("2026-07-01T00:00:00Z"), 0);
}

#[test]
fn a_waiver_needs_a_reason_and_a_date_within_90_days() {
    let now = SystemTime::now();
    let refused = |text: &str| Waivers::parse(text, now).expect_err(text).to_string();
    let good = waiver(CHANGE, PLACE, &in_days(80));
    assert!(Waivers::parse(&good, now).is_ok());
    assert!(refused(&good.replace("No client sends more.", " ")).contains("no reason"));
    assert!(refused(&waiver(CHANGE, PLACE, &in_days(100))).contains("longer than 90 days"));
    assert!(refused(&waiver(CHANGE, PLACE, "12:00:00")).contains("is a date"));
    assert!(refused(&good.replace("until", "til")).contains("waivers.toml"));
    assert!(refused(&good.replace("where", "when")).contains("waivers.toml"));
}
