//! Every single edit of the committed documents gets the verdict in the table.

use std::{collections::BTreeSet, sync::LazyLock};

use openapi::{contract::Contract, diff, levels::Levels, oasdiff::Oasdiff};
use tests::gateway::root;

use crate::{
    comparer::{Comparer, Judgement, Verdict, edited, in_parallel, prepared, verdict_at},
    edits::{self, Edit, Place},
    parts::Part,
    table::table,
};

/// An edit with the judgements on it and on undoing it.
type Outcome = (Edit, [BTreeSet<Judgement>; 2]);

/// Computed once for all tests of this file.
static OUTCOMES: LazyLock<[(&str, Vec<Outcome>); 2]> = LazyLock::new(|| {
    let (comparer, contract) = (comparer(), contract());
    let http = edits::of_openapi(&contract.openapi);
    let judgements = comparer.http(&contract.openapi, &http);
    let http = ("openapi.json", http.into_iter().zip(judgements).collect());
    let socket = edits::of_asyncapi(&contract.asyncapi);
    let judgements = comparer.socket(&contract.asyncapi, &socket);
    [http, ("asyncapi.json", socket.into_iter().zip(judgements).collect())]
});

fn comparer() -> Comparer {
    let levels = Levels::in_folder(&root().join("openapi")).expect("levels");
    let oasdiff = Oasdiff::find(&levels).unwrap_or_else(|error| panic!("{error}"));
    Comparer { oasdiff, levels }
}

fn contract() -> Contract {
    Contract::in_folder(&root().join("openapi")).expect("the committed contract")
}

/// Every edit and its undoing at each of its places: the kind, the place, the pointer and the judgements.
fn judged_edits()
-> impl Iterator<Item = (&'static str, Place, String, &'static BTreeSet<Judgement>)> {
    OUTCOMES.iter().flat_map(|(document, outcomes)| {
        outcomes.iter().flat_map(move |(edit, [forwards, backwards])| {
            edit.places.iter().flat_map(move |place| {
                [(edit.kind, forwards, ""), (edit.back, backwards, ", undone")].map(
                    |(kind, judgements, how)| {
                        (kind, *place, format!("{document}{}{how}", edit.at), judgements)
                    },
                )
            })
        })
    })
}

#[test]
#[ignore = "needs oasdiff"]
fn every_single_edit_gets_the_verdict_in_the_table() {
    let table = table();
    let wrong: BTreeSet<String> = judged_edits()
        .filter_map(|(kind, place, at, judgements)| {
            let found = verdict_at(place, judgements);
            let expected = table.get(&(kind.to_owned(), place)).map(|(verdict, _)| *verdict);
            (expected != Some(found)).then(|| {
                format!("{kind} at {place:?}: {found:?}, not {expected:?}: {at}: {judgements:?}")
            })
        })
        .collect();
    let shown: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} edits, among them {shown:#?}", wrong.len());
}

#[test]
#[ignore = "needs oasdiff"]
fn every_row_of_the_table_has_an_edit() {
    let made: BTreeSet<(String, Place)> =
        judged_edits().map(|(kind, place, ..)| (kind.to_owned(), place)).collect();
    let unused: Vec<_> = table().into_keys().filter(|row| !made.contains(row)).collect();
    assert_eq!(unused, [], "no edit of the committed documents has this kind and place");
}

#[test]
fn exactly_the_edits_that_are_not_reported_have_a_reason() {
    for ((kind, place), (verdict, why)) in table() {
        assert_eq!(verdict == Verdict::NotReported, !why.is_empty(), "{kind} at {place:?}");
    }
}

/// A narrower schema breaks senders, a wider one breaks readers.
#[test]
fn undoing_an_edit_breaks_the_other_direction() {
    let table = table();
    let breaks = |kind: &str, place| {
        let row = table.get(&(kind.to_owned(), place));
        row.unwrap_or_else(|| panic!("{kind} at {place:?}")).0 == Verdict::BreaksWire
    };
    for (narrower, wider) in [
        ("tightened", "loosened"),
        ("bound set", "bound removed"),
        ("pattern set", "pattern removed"),
        ("enum set", "enum removed"),
        ("enum value removed", "enum value added"),
        ("made not nullable", "made nullable"),
        ("property made required", "property made optional"),
        ("object closed", "object opened"),
    ] {
        assert!(breaks(narrower, Place::RequestBody), "{narrower} breaks requests");
        assert!(!breaks(wider, Place::RequestBody), "{wider} breaks no request");
        assert!(!breaks(narrower, Place::ResponseBody), "{narrower} breaks no response");
        assert!(breaks(wider, Place::ResponseBody), "{wider} breaks responses");
    }
}

#[test]
#[ignore = "needs oasdiff"]
fn a_contract_does_not_differ_from_itself() {
    let (Comparer { oasdiff, levels }, contract) = (comparer(), contract());
    let findings = diff::compare(&oasdiff, &levels, &contract, &contract).expect("compared");
    assert_eq!(findings, []);
}

#[test]
#[ignore = "needs oasdiff"]
fn every_raised_level_decides_a_verdict() {
    let rules: BTreeSet<&str> = OUTCOMES
        .iter()
        .flat_map(|(_, outcomes)| outcomes)
        .flat_map(|(_, [forwards, backwards])| forwards.iter().chain(backwards))
        .filter(|judgement| judgement.verdict > Verdict::Compatible)
        .map(|judgement| judgement.rule.as_str())
        .collect();
    let levels = Levels::in_folder(&root().join("openapi")).expect("levels");
    let unused: Vec<&str> = levels.raised().filter(|rule| !rules.contains(rule)).collect();
    assert_eq!(unused, [""; 0], "no edit of the committed documents needs these levels");
}

/// Comparing many edits at once within parts of the contract is a shortcut of this suite. One edit of
/// each kind gets the same verdict from the comparison that a reviewer runs.
#[test]
#[ignore = "needs oasdiff"]
fn the_whole_comparison_gives_the_same_verdicts() {
    let (Comparer { oasdiff, levels }, contract) = (comparer(), contract());
    let mut kinds = BTreeSet::new();
    // Left out: frames in `openapi.json`, which are not compared there, and edits that already were
    // compared in the whole document.
    let sample: Vec<(&str, &Outcome)> = OUTCOMES
        .iter()
        .flat_map(|(document, outcomes)| outcomes.iter().map(|outcome| (*document, outcome)))
        .filter(|(document, (edit, _))| {
            let compared_whole = *document == "openapi.json" && matches!(edit.part, Part::Whole);
            edit.places != [Place::Unused] && !compared_whole && kinds.insert(edit.kind)
        })
        .collect();
    let wrong = in_parallel(&sample, |(document, (edit, [forwards, _]))| {
        let (mut base, mut changed) = (contract.clone(), contract.clone());
        if *document == "openapi.json" {
            base.openapi = prepared(&contract.openapi, edit);
            changed.openapi = edited(&base.openapi, edit);
        } else {
            base.asyncapi = prepared(&contract.asyncapi, edit);
            changed.asyncapi = edited(&base.asyncapi, edit);
        }
        let found = diff::compare(&oasdiff, &levels, &base, &changed).expect("compared");
        let found: BTreeSet<Judgement> = found.iter().map(Judgement::of).collect();
        if rules(&found) == rules(forwards) {
            return Vec::new();
        }
        vec![format!("{}: {document}{}: {found:?}, not {forwards:?}", edit.kind, edit.at)]
    });
    assert_eq!(wrong, [""; 0]);
}

/// The judgements without their direction: in the whole contract a change affects more places.
fn rules(judgements: &BTreeSet<Judgement>) -> BTreeSet<(Verdict, &str)> {
    judgements.iter().map(|judgement| (judgement.verdict, judgement.rule.as_str())).collect()
}
