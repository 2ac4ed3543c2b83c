//! oasdiff, the program that finds what changed between two OpenAPI documents.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::{error::Error, finding::Whom, levels::Levels};

/// The version that is asked for; its levels and rules are what the suite proves.
pub const VERSION: &str = include_str!("../oasdiff.version");

/// oasdiff with this contract's levels.
pub struct Oasdiff {
    program: PathBuf,
    /// Holds the levels, and an empty configuration: one that lies about is not read.
    settings: TempDir,
    /// Which way what a rule is about travels.
    directions: BTreeMap<String, Whom>,
}

/// One change, as oasdiff tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The rule's id.
    pub id: String,
    /// What changed, in a sentence.
    pub text: String,
    /// 3 breaks, 2 may break, 1 does not.
    pub level: u8,
    /// The operation's method.
    pub operation: Option<String>,
    /// The operation's id.
    pub operation_id: Option<String>,
    /// The operation's path.
    pub path: Option<String>,
    /// Where it was.
    pub base_source: Option<Source>,
    /// Where it is.
    pub revision_source: Option<Source>,
}

/// Lines of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// From 1; none where oasdiff knows the file alone.
    pub line: Option<usize>,
    /// The last one, where it is not the same.
    pub end_line: Option<usize>,
}

impl Oasdiff {
    /// The pinned oasdiff: this repository's own, or else the one in `PATH`.
    ///
    /// # Errors
    /// When there is none, or only another version.
    pub fn find(levels: &Levels) -> Result<Self, Error> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/oasdiff");
        let mut found = "there is none".to_owned();
        for program in [own, PathBuf::from("oasdiff")] {
            let Ok(output) = Command::new(&program).arg("--version").output() else { continue };
            let version = String::from_utf8_lossy(&output.stdout).into_owned();
            if version.trim().strip_prefix("oasdiff version ") == Some(VERSION.trim()) {
                return Self::with(program, levels);
            }
            found = format!("{} says \"{}\"", program.display(), version.trim());
        }
        Err(Error::ToolMissing { found })
    }

    fn with(program: PathBuf, levels: &Levels) -> Result<Self, Error> {
        let settings = folder()?;
        write(&settings.path().join("levels"), &levels.for_oasdiff())?;
        write(&settings.path().join("config.yaml"), "")?;
        let mut oasdiff = Self { program, settings, directions: BTreeMap::new() };
        let rules = oasdiff.output(Command::new(&oasdiff.program).args([
            "checks",
            "changelog",
            "--format",
            "json",
        ]))?;
        oasdiff.directions = parsed::<Vec<Rule>>(&rules)?
            .into_iter()
            .filter_map(|rule| {
                let whom = match rule.direction.as_str() {
                    "request" => Whom::Request,
                    "response" => Whom::Response,
                    _ => return None,
                };
                Some((rule.id, whom))
            })
            .collect();
        Ok(oasdiff)
    }

    /// What changed from one document to another, both as JSON.
    ///
    /// # Errors
    /// When oasdiff cannot read one of them.
    pub fn changes(&self, base: &Value, revision: &Value) -> Result<Vec<Change>, Error> {
        self.compared(&base.to_string(), &revision.to_string())
    }

    /// The same from the text of the documents, with the lines at which it changed.
    ///
    /// # Errors
    /// When oasdiff cannot read one of them.
    pub fn changes_with_lines(&self, base: &str, revision: &str) -> Result<Vec<Change>, Error> {
        // oasdiff knows lines only of what it reads as YAML, as it does where a comment begins it.
        let mut changes = self.compared(&format!("#\n{base}"), &format!("#\n{revision}"))?;
        let sources = changes.iter_mut().flat_map(|change| {
            [change.base_source.as_mut(), change.revision_source.as_mut()].into_iter().flatten()
        });
        for source in sources {
            source.line = source.line.map(|line| line.saturating_sub(1));
            source.end_line = source.end_line.map(|line| line.saturating_sub(1));
        }
        Ok(changes)
    }

    /// Which way what a rule is about travels.
    #[must_use]
    pub fn whom(&self, rule: &str) -> Whom {
        self.directions.get(rule).copied().unwrap_or(Whom::Both)
    }

    fn compared(&self, base: &str, revision: &str) -> Result<Vec<Change>, Error> {
        let folder = folder()?;
        let (base_file, revision_file) =
            (folder.path().join("base"), folder.path().join("revision"));
        write(&base_file, base)?;
        write(&revision_file, revision)?;
        let changes = self.output(
            Command::new(&self.program)
                .args(["changelog", "--format", "json", "--allow-external-refs=false"])
                .arg("--severity-levels")
                .arg(self.settings.path().join("levels"))
                .args([base_file, revision_file]),
        )?;
        parsed(&changes)
    }

    fn output(&self, command: &mut Command) -> Result<Vec<u8>, Error> {
        let Output { status, stdout, stderr } = command
            .arg("--config")
            .arg(self.settings.path().join("config.yaml"))
            .output()
            .map_err(|error| Error::Tool(error.to_string()))?;
        if !status.success() {
            return Err(Error::Tool(String::from_utf8_lossy(&stderr).trim().to_owned()));
        }
        Ok(stdout)
    }
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    direction: String,
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| Error::Tool(format!("what it says: {error}")))
}

fn folder() -> Result<TempDir, Error> {
    TempDir::new().map_err(|error| Error::File(env::temp_dir(), error))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|error| Error::File(path.to_owned(), error))
}
