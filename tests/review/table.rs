//! The table of verdicts, `table.md`.

use std::{collections::BTreeMap, fs};

use tests::gateway::root;

use crate::{comparer::Verdict, edits::Place};

/// Reads the table: for each kind of edit at each place its verdict, and why it is not reported.
pub fn table() -> BTreeMap<(String, Place), (Verdict, String)> {
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
            _ => panic!("unknown place: {line}"),
        };
        let verdict = match verdict {
            "breaks clients" => Verdict::BreaksWire,
            "breaks source" => Verdict::BreaksSource,
            "compatible" => Verdict::Compatible,
            "not reported" => Verdict::NotReported,
            _ => panic!("unknown verdict: {line}"),
        };
        let row = rows.insert((kind.to_owned(), place), (verdict, why.to_owned()));
        assert_eq!(row, None, "twice: {line}");
    }
    rows
}
