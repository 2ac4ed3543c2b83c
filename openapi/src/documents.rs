//! Generates the committed documents of the contract, and checks that they are up to date.

use std::{collections::BTreeMap, fs, path::Path};

use similar::TextDiff;

use crate::{contract::Contract, error::Error};

/// Lines of context around each change that `check` prints.
const CONTEXT: usize = 6;

/// The file names of the documents and their generated texts.
fn generated() -> impl Iterator<Item = (&'static str, String)> {
    server::contract::documents(&server::routes::contract()).into_iter()
}

/// The contract of the code, whatever is committed.
///
/// # Errors
/// [`Error::Json`] when a generated document is not JSON.
pub fn contract() -> Result<Contract, Error> {
    let mut documents: BTreeMap<_, _> = generated().collect();
    let mut take = |name| documents.remove(name).unwrap_or_default();
    Contract::new(&take("openapi.json"), &take("asyncapi.json"))
}

/// The file names of the documents.
#[must_use]
pub fn names() -> Vec<&'static str> {
    generated().map(|(name, _)| name).collect()
}

/// The documents in a folder that are not the generated ones.
#[must_use]
pub fn stale(folder: &Path) -> Vec<&'static str> {
    differing(folder).map(|(name, ..)| name).collect()
}

/// The documents in a folder that are not the generated ones: name, committed and generated text. A
/// document that is missing counts as empty.
fn differing(folder: &Path) -> impl Iterator<Item = (&'static str, String, String)> {
    generated().filter_map(|(name, text)| {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        (committed != text).then_some((name, committed, text))
    })
}

/// Writes the generated documents into a folder.
///
/// # Errors
/// [`Error::Write`] for the first file that cannot be written.
pub fn generate(folder: &Path) -> Result<(), Error> {
    for (name, text) in generated() {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

/// Checks that the documents in a folder are the generated ones, byte for byte. A document that is
/// missing counts as empty.
///
/// # Errors
/// [`Error::Stale`] with the difference.
pub fn check(folder: &Path) -> Result<(), Error> {
    let stale: Vec<String> = differing(folder)
        .map(|(name, committed, generated)| difference(name, &committed, &generated))
        .collect();
    if stale.is_empty() { Ok(()) } else { Err(Error::Stale { difference: stale.join("\n") }) }
}

fn difference(name: &str, committed: &str, generated: &str) -> String {
    TextDiff::from_lines(committed, generated)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&format!("openapi/{name} (committed)"), &format!("openapi/{name} (generated)"))
        .to_string()
}
