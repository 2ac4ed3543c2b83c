//! `levels.toml`: where a rule of oasdiff's weighs more or less for this contract's clients than
//! oasdiff thinks.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use serde::Deserialize;

use crate::{error::Error, finding::Reach};

/// The file's name.
pub const FILE: &str = "levels.toml";

/// The rules that weigh otherwise, by their id.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Levels(BTreeMap<String, Level>);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    #[serde(rename = "level")]
    weight: Weight,
    #[serde(default)]
    reach: Reached,
    #[expect(dead_code, reason = "for whoever reads the file, and so that none goes without")]
    why: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Weight {
    Err,
    Info,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reached {
    #[default]
    Wire,
    Source,
}

impl Levels {
    /// Reads the file of a folder.
    ///
    /// # Errors
    /// When it is not there or not of its form.
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).map_err(|error| Error::File(path, error))?;
        toml::from_str(&text).map_err(|error| Error::Form(FILE.to_owned(), error.to_string()))
    }

    /// As oasdiff reads them; it refuses a rule that it does not know.
    #[must_use]
    pub fn for_oasdiff(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (rule, level)| {
            let level = match level.weight {
                Weight::Err => "err",
                Weight::Info => "info",
                Weight::None => "none",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{rule} {level}");
            text
        })
    }

    /// The rules that weigh more than oasdiff thinks.
    pub fn raised(&self) -> impl Iterator<Item = &str> {
        let raised = self.0.iter().filter(|(_, level)| matches!(level.weight, Weight::Err));
        raised.map(|(rule, _)| rule.as_str())
    }

    /// What of a client a rule's change reaches.
    #[must_use]
    pub fn reach(&self, rule: &str) -> Reach {
        match self.0.get(rule).map(|level| level.reach) {
            Some(Reached::Source) => Reach::Source,
            Some(Reached::Wire) | None => Reach::Wire,
        }
    }
}
