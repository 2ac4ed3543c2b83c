//! Writes the committed documents of the contract, or checks that they are the code's.

use std::{fs, path::Path};

use server::contract::Documents;
use similar::TextDiff;

/// The file names of the documents, and what the code makes of each.
fn made() -> [(&'static str, String); 3] {
    let documents = Documents::of(&server::app::contract());
    [
        ("openapi.json", documents.openapi),
        ("openapi-3.0.json", documents.openapi_30),
        ("asyncapi.json", documents.asyncapi),
    ]
}

/// Writes the documents that the code makes.
///
/// # Errors
/// Says which file cannot be written, and why.
pub fn generate(folder: &Path) -> Result<(), String> {
    for (name, text) in made() {
        let path = folder.join(name);
        fs::write(&path, text)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

/// Looks whether the documents are those that the code makes.
///
/// # Errors
/// Shows the difference where one is not.
pub fn check(folder: &Path) -> Result<(), String> {
    let stale: Vec<String> = made()
        .iter()
        .filter_map(|(name, text)| {
            // A document that is not there differs in every line.
            let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
            (committed != *text).then(|| difference(name, &committed, text))
        })
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nThe committed contract is not the one that the code makes.\n\
         Read the difference; if it is meant, run: cargo run -p openapi -- generate",
        stale.join("\n")
    ))
}

fn difference(name: &str, committed: &str, made: &str) -> String {
    TextDiff::from_lines(committed, made)
        .unified_diff()
        .context_radius(6)
        .header(
            &format!("openapi/{name} (committed)"),
            &format!("openapi/{name} (made by the code)"),
        )
        .to_string()
}
