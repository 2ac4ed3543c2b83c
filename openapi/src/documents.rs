//! Generates the committed documents of the contract, and checks that they are up to date.

use std::{collections::BTreeMap, fs, path::Path};

use semver::Version;
use similar::TextDiff;

use crate::{contract::Contract, error::Error, properties};

/// Lines of context around each change that `check` prints.
const CONTEXT: usize = 6;

/// The file of the property tables, which is no document that is served.
const PROPERTIES: &str = "properties.md";

/// The file names of the documents and their generated texts, with another version than the code's where
/// it is to be raised.
fn generated(version: Option<&Version>) -> Vec<(&'static str, String)> {
    let mut contract = server::routes::contract();
    if let Some(version) = version {
        contract.info.version = version.to_string();
    }
    let mut files: Vec<_> = server::contract::documents(&contract).into_iter().collect();
    let parsed = |name| {
        let text = files.iter().find(|(found, _)| *found == name).map(|(_, text)| text.as_str());
        serde_json::from_str(text.unwrap_or_default()).unwrap_or_default()
    };
    let properties = properties::tables(&parsed("openapi.json"), &parsed("openapi-3.0.json"));
    files.push((PROPERTIES, properties));
    files
}

/// The contract of the code, whatever is committed, with another version where it is to be raised.
///
/// # Errors
/// [`Error::Json`] when a generated document is not JSON.
pub fn contract(version: Option<&Version>) -> Result<Contract, Error> {
    let mut documents: BTreeMap<_, _> = generated(version).into_iter().collect();
    let mut take = |name| documents.remove(name).unwrap_or_default();
    Contract::new(&take("openapi.json"), &take("asyncapi.json"))
}

/// The documents in a folder that are not the generated ones.
#[must_use]
pub fn stale(folder: &Path, version: Option<&Version>) -> Vec<&'static str> {
    differing(folder, version).map(|(name, ..)| name).collect()
}

/// The documents in a folder that are not the generated ones: name, committed and generated text. A
/// document that is missing counts as empty.
fn differing(
    folder: &Path,
    version: Option<&Version>,
) -> impl Iterator<Item = (&'static str, String, String)> {
    generated(version).into_iter().filter_map(|(name, text)| {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        (committed != text).then_some((name, committed, text))
    })
}

/// Writes the generated documents into a folder, with another version where it is to be raised.
///
/// # Errors
/// [`Error::Write`] for the first file that cannot be written.
pub fn generate(folder: &Path, version: Option<&Version>) -> Result<(), Error> {
    for (name, text) in generated(version) {
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
    let stale: Vec<String> = differing(folder, None)
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
