//! The documentation is true: its tables come from the contract and the settings, its commands run
//! as printed, and every file, test, flag and link that it names exists.

mod commands;
mod coverage;
mod monitoring;
mod references;
mod tables;

use std::{fs, path::PathBuf};

use tests::gateway::root;

/// A page of the documentation, by its path in the project.
fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page, by its path in the project.
fn pages() -> Vec<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root(), root().join("docs")];
    while let Some(folder) = folders.pop() {
        let inside_docs = folder != root();
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && inside_docs {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut paths: Vec<_> = found
        .iter()
        .map(|path| {
            path.strip_prefix(root()).expect("a page of the project").to_string_lossy().into_owned()
        })
        .collect();
    paths.sort();
    paths
}

/// The first block of a shell's commands after `heading`.
fn commands_below(page: &str, heading: &str) -> String {
    blocks_below(page, heading, 1)
}

/// The first `count` blocks of a shell's commands after `heading`, one after the other.
fn blocks_below(page: &str, heading: &str, count: usize) -> String {
    let below = page.split(&format!("\n{heading}\n")).nth(1).expect("the heading");
    let blocks = below.split("```bash\n").skip(1).take(count);
    blocks.map(|rest| rest.split("```").next().expect("a block of commands")).collect()
}
