//! `levels.toml`: where a rule of oasdiff matters more or less to the clients of this contract than
//! oasdiff assumes.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use serde::Deserialize;

use crate::{error::Error, finding::Reach};

/// The file's name.
pub const FILE: &str = "levels.toml";

/// The overridden rules, by their id.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Levels(BTreeMap<String, Override>);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    level: Level,
    #[serde(default)]
    reach: FileReach,
    #[expect(dead_code, reason = "for readers of the file; required, so that each rule has one")]
    why: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Err,
    Info,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileReach {
    #[default]
    Wire,
    Source,
}

impl Levels {
    /// Reads the file of a folder.
    ///
    /// # Errors
    /// When it is missing or invalid.
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        toml::from_str(&text).map_err(|source| Error::Toml { name: FILE, source })
    }

    /// The content of oasdiff's own `--severity-levels` file. oasdiff refuses unknown rules.
    #[must_use]
    pub fn for_oasdiff(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (rule, entry)| {
            let level = match entry.level {
                Level::Err => "err",
                Level::Info => "info",
                Level::None => "none",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{rule} {level}");
            text
        })
    }

    /// The rules that are raised to breaking.
    pub fn raised(&self) -> impl Iterator<Item = &str> {
        let raised = self.0.iter().filter(|(_, entry)| matches!(entry.level, Level::Err));
        raised.map(|(rule, _)| rule.as_str())
    }

    /// Which clients a rule's change affects.
    #[must_use]
    pub fn reach(&self, rule: &str) -> Reach {
        match self.0.get(rule).map(|entry| entry.reach) {
            Some(FileReach::Source) => Reach::Source,
            Some(FileReach::Wire) | None => Reach::Wire,
        }
    }
}
