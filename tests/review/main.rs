//! The review of a change: the verdict on every single edit of the contract, and the program that
//! a reviewer runs.

mod edits;
mod proof;
mod schemas;
mod slices;

use std::{collections::{BTreeMap, BTreeSet}, fs};

use openapi::{levels::Levels, oasdiff::Oasdiff};
use tests::gateway::root;

#[test]
#[ignore = "needs oasdiff"]
fn probe() {
    let folder = root().join("openapi");
    let levels = Levels::in_folder(&folder).expect("levels");
    let comparer = proof::Comparer { oasdiff: Oasdiff::find(&levels).expect("oasdiff"), levels };
    let mut rows: BTreeMap<_, BTreeMap<_, (usize, BTreeSet<String>, String)>> = BTreeMap::new();
    for name in ["openapi.json", "asyncapi.json"] {
        let document = serde_json::from_str(&fs::read_to_string(folder.join(name)).expect("a document")).expect("JSON");
        let started = std::time::Instant::now();
        let edits = if name == "openapi.json" { edits::of_openapi(&document) } else { edits::of_asyncapi(&document) };
        let said = if name == "openapi.json" { comparer.http(&document, &edits) } else { comparer.socket(&document, &edits) };
        println!("{name}: {} edits in {:?}", edits.len(), started.elapsed());
        for (edit, said) in edits.iter().zip(&said) {
            for place in &edit.places {
                for (kind, said) in [(edit.kind, &said[0]), (edit.back, &said[1])] {
                    let entry = rows.entry((kind, *place)).or_default().entry(proof::verdict_at(*place, said)).or_default();
                    entry.0 += 1;
                    entry.1.extend(said.iter().map(|said| format!("{}{}", said.rule, if said.verdict == proof::Verdict::Noticed {""} else {"!"})));
                    if entry.2.is_empty() { entry.2 = format!("{name} {}", edit.at); }
                }
            }
        }
    }
    for ((kind, place), verdicts) in rows {
        for (verdict, (count, rules, at)) in &verdicts {
            println!("{}{kind} | {place:?} | {verdict:?} | {count} | {rules:?} | {at}", if verdicts.len() > 1 { "## " } else { "" });
        }
    }
}
