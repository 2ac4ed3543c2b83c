//! Every single edit of the committed documents gets the verdict that the table gives its kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::LazyLock,
};

use openapi::{contract::Contract, diff, levels::Levels, oasdiff::Oasdiff};
use tests::gateway::root;

use crate::{
    edits::{self, Edit, Place},
    proof::{Comparer, Said, Verdict, edited, given, in_parallel, verdict_at},
    slices::Part,
};

/// What is said of an edit, there and back.
type Outcome = (Edit, [BTreeSet<Said>; 2]);

/// Made once: all tests here look at the same comparisons.
static OUTCOMES: LazyLock<[(&str, Vec<Outcome>); 2]> = LazyLock::new(|| {
    let (comparer, contract) = (comparer(), contract());
    let http = edits::of_openapi(&contract.openapi);
    let said = comparer.http(&contract.openapi, &http);
    let http = ("openapi.json", http.into_iter().zip(said).collect());
    let socket = edits::of_asyncapi(&contract.asyncapi);
    let said = comparer.socket(&contract.asyncapi, &socket);
    [http, ("asyncapi.json", socket.into_iter().zip(said).collect())]
});

fn comparer() -> Comparer {
    let levels = Levels::in_folder(&root().join("openapi")).expect("levels");
    let oasdiff = Oasdiff::find(&levels).unwrap_or_else(|error| panic!("{error}"));
    Comparer { oasdiff, levels }
}

fn contract() -> Contract {
    Contract::in_folder(&root().join("openapi")).expect("the committed contract")
}

/// The table: each kind of edit at each place, its verdict, and why it is waived.
fn table() -> BTreeMap<(String, Place), (Verdict, String)> {
    let text = fs::read_to_string(root().join("tests/review/table.md")).expect("the table");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [kind, place, verdict, why] = cells[..] else { panic!("four cells: {line}") };
        let place = match place {
            "parameter" => Place::Parameter,
            "request body" => Place::RequestBody,
            "response body" => Place::ResponseBody,
            "response header" => Place::ResponseHeader,
            "contract" => Place::Contract,
            "unused" => Place::Unused,
            _ => panic!("no place: {line}"),
        };
        let verdict = match verdict {
            "breaks clients" => Verdict::BreaksWire,
            "breaks source" => Verdict::BreaksSource,
            "compatible" => Verdict::Noticed,
            "waived" => Verdict::Silent,
            _ => panic!("no verdict: {line}"),
        };
        let row = rows.insert((kind.to_owned(), place), (verdict, why.to_owned()));
        assert_eq!(row, None, "twice: {line}");
    }
    rows
}

/// Each verdict that was given: the edit's kind, where, in which document, and what was said.
fn verdicts() -> impl Iterator<Item = (&'static str, Place, String, &'static BTreeSet<Said>)> {
    OUTCOMES.iter().flat_map(|(document, outcomes)| {
        outcomes.iter().flat_map(move |(edit, [there, back])| {
            edit.places.iter().flat_map(move |place| {
                [(edit.kind, there, ""), (edit.back, back, ", made backwards")].map(
                    |(kind, said, how)| (kind, *place, format!("{document}{}{how}", edit.at), said),
                )
            })
        })
    })
}

#[test]
#[ignore = "needs oasdiff"]
fn every_single_edit_gets_its_verdict() {
    let table = table();
    let wrong: BTreeSet<String> = verdicts()
        .filter_map(|(kind, place, at, said)| {
            let found = verdict_at(place, said);
            let expected = table.get(&(kind.to_owned(), place)).map(|(verdict, _)| *verdict);
            (expected != Some(found)).then(|| {
                format!("{kind} at {place:?}: {found:?}, not {expected:?}: {at}: {said:?}")
            })
        })
        .collect();
    let shown: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} edits, among them {shown:#?}", wrong.len());
}

#[test]
#[ignore = "needs oasdiff"]
fn every_line_of_the_table_is_of_an_edit_that_is_made() {
    let made: BTreeSet<(String, Place)> =
        verdicts().map(|(kind, place, ..)| (kind.to_owned(), place)).collect();
    let idle: Vec<_> = table().into_keys().filter(|row| !made.contains(row)).collect();
    assert_eq!(idle, [], "no edit of the committed documents is of this kind any more");
}

#[test]
fn only_what_is_waived_goes_unsaid_and_each_has_its_reason() {
    for ((kind, place), (verdict, why)) in table() {
        assert_eq!(verdict == Verdict::Silent, !why.is_empty(), "{kind} at {place:?}");
    }
}

/// What allows less breaks who sends; what allows more breaks who reads.
#[test]
fn the_reverse_edit_swaps_the_direction() {
    let table = table();
    let breaks = |kind: &str, place| {
        let row = table.get(&(kind.to_owned(), place));
        row.unwrap_or_else(|| panic!("{kind} at {place:?}")).0 == Verdict::BreaksWire
    };
    for (narrower, wider) in [
        ("tightened", "loosened"),
        ("bound set", "bound dropped"),
        ("pattern set", "pattern dropped"),
        ("enum set", "enum dropped"),
        ("enum value dropped", "enum value added"),
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
fn a_contract_and_itself_are_alike() {
    let (Comparer { oasdiff, levels }, contract) = (comparer(), contract());
    let findings = diff::compare(&oasdiff, &levels, &contract, &contract).expect("compared");
    assert_eq!(findings, []);
}

#[test]
#[ignore = "needs oasdiff"]
fn every_level_that_is_ours_decides_a_verdict() {
    let said: BTreeSet<&str> = OUTCOMES
        .iter()
        .flat_map(|(_, outcomes)| outcomes)
        .flat_map(|(_, [there, back])| there.iter().chain(back))
        .filter(|said| said.verdict > Verdict::Noticed)
        .map(|said| said.rule.as_str())
        .collect();
    let levels = Levels::in_folder(&root().join("openapi")).expect("levels");
    let idle: Vec<&str> = levels.raised().filter(|rule| !said.contains(rule)).collect();
    assert_eq!(idle, [""; 0], "no edit of the committed documents needs these levels");
}

/// The parts in which edits are compared, and the many that are compared at once, stand for the
/// whole: one edit of each kind gets the same verdict from the comparison that a reviewer runs.
#[test]
#[ignore = "needs oasdiff"]
fn the_whole_comparison_gives_the_same_verdicts() {
    let (Comparer { oasdiff, levels }, contract) = (comparer(), contract());
    let mut kinds = BTreeSet::new();
    // Frames are not edited in the document that does not compare them, and what is of no
    // operation was compared whole.
    let sample: Vec<(&str, &Outcome)> = OUTCOMES
        .iter()
        .flat_map(|(document, outcomes)| outcomes.iter().map(|outcome| (*document, outcome)))
        .filter(|(document, (edit, _))| {
            let compared_whole = *document == "openapi.json" && matches!(edit.part, Part::Whole);
            edit.places != [Place::Unused] && !compared_whole && kinds.insert(edit.kind)
        })
        .collect();
    let wrong = in_parallel(&sample, |(document, (edit, [there, _]))| {
        let (mut base, mut changed) = (contract.clone(), contract.clone());
        if *document == "openapi.json" {
            base.openapi = given(&contract.openapi, edit);
            changed.openapi = edited(&base.openapi, edit);
        } else {
            base.asyncapi = given(&contract.asyncapi, edit);
            changed.asyncapi = edited(&base.asyncapi, edit);
        }
        let found = diff::compare(&oasdiff, &levels, &base, &changed).expect("compared");
        let found: BTreeSet<Said> = found.iter().map(Said::by).collect();
        if rules(&found) == rules(there) {
            return Vec::new();
        }
        vec![format!("{}: {document}{}: {found:?}, not {there:?}", edit.kind, edit.at)]
    });
    assert_eq!(wrong, [""; 0]);
}

/// What is said, whomever it is about: the whole has more places at which a change is met.
fn rules(said: &BTreeSet<Said>) -> BTreeSet<(Verdict, &str)> {
    said.iter().map(|said| (said.verdict, said.rule.as_str())).collect()
}
