//! A break that is meant is waived: one change, at one place, for a reason and for a time.

use std::time::{Duration, SystemTime};

use openapi::waivers::Waivers;
use serde_json::json;

use crate::scratch::Scratch;

const DAY: Duration = Duration::from_hours(24);

/// A day from now, as a waiver has it.
fn in_days(days: u32) -> String {
    humantime::format_rfc3339(SystemTime::now() + days * DAY).to_string()[..10].to_owned()
}

fn waiver(change: &str, place: &str, until: &str) -> String {
    format!(
        "[[waiver]]\nrule = \"request-property-max-length-decreased\"\nchange = \"{change}\"\n\
         where = \"{place}\"\nreason = \"Nobody sends more.\"\nuntil = {until}\n"
    )
}

const CHANGE: &str = "the `halfRef` request property's maxLength was decreased to `256`";
const PLACE: &str = "POST /prospect/connectsocket";

/// A break, with the version that it asks for.
fn broken() -> Scratch {
    let scratch = Scratch::new();
    scratch.edit_as(&Scratch::version_after_a_break(), |document| {
        let schema = &mut document["components"]["schemas"]["ConnectSocketRequest"];
        schema["properties"]["halfRef"]["maxLength"] = json!(256);
    });
    scratch
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_waived_break_is_let_through_and_told() {
    let scratch = broken();
    assert!(scratch.review().refused);
    for place in [PLACE, "*"] {
        scratch.waive(&waiver(CHANGE, place, &in_days(30)));
        let review = scratch.review();
        assert!(!review.refused, "{}", review.report);
        for said in ["1 waived change", "## Breaking, and meant", ": Nobody sends more."] {
            assert!(review.report.contains(said), "{said}: {}", review.report);
        }
    }
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_waiver_is_for_its_own_change_at_its_own_place() {
    let scratch = broken();
    for (change, place) in [(&CHANGE.replace("256", "255")[..], PLACE), (CHANGE, "PUT /token")] {
        scratch.waive(&waiver(change, place, &in_days(30)));
        let review = scratch.review();
        assert!(review.refused);
        assert!(review.report.contains("## Waivers that can go"), "{}", review.report);
    }
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_waiver_expires() {
    let scratch = broken();
    scratch.waive(&waiver(CHANGE, PLACE, "2026-01-31"));
    assert!(scratch.review().refused);
}

/// The version moves for a break that is meant as for any other.
#[test]
#[ignore = "needs oasdiff and git"]
fn a_waiver_does_not_excuse_the_version() {
    let scratch = broken();
    scratch.waive(&waiver(CHANGE, PLACE, &in_days(30)));
    scratch.edit_as(&Scratch::version().to_string(), |_| ());
    let review = scratch.review();
    assert!(review.refused);
    assert!(review.report.contains("**The version is too low.**"), "{}", review.report);
}

#[test]
fn a_waiver_holds_through_its_last_day_and_no_longer() {
    let at = |moment: &str| humantime::parse_rfc3339(moment).expect("a moment");
    let text = waiver(CHANGE, PLACE, "2026-06-30");
    let live = |moment: &str| Waivers::read(&text, at(moment)).expect("waivers").live().count();
    assert_eq!(live("2026-06-30T23:59:59Z"), 1);
    assert_eq!(live("2026-07-01T00:00:00Z"), 0);
}

#[test]
fn a_waiver_without_a_reason_or_a_near_day_is_refused() {
    let now = SystemTime::now();
    let refused = |text: &str| Waivers::read(text, now).expect_err(text).to_string();
    let good = waiver(CHANGE, PLACE, &in_days(80));
    assert!(Waivers::read(&good, now).is_ok());
    assert!(refused(&good.replace("Nobody sends more.", " ")).contains("no reason"));
    assert!(refused(&waiver(CHANGE, PLACE, &in_days(100))).contains("longer than 90 days"));
    assert!(refused(&waiver(CHANGE, PLACE, "12:00:00")).contains("is a day"));
    assert!(refused(&good.replace("until", "til")).contains("waivers.toml"));
    assert!(refused(&good.replace("where", "when")).contains("waivers.toml"));
}
