//! Runs oasdiff, the program that finds the changes between two OpenAPI documents.

mod document;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

pub use document::Source;

use crate::{
    error::Error,
    finding::{Direction, Pointers},
    levels::Levels,
    pointer,
};

/// The only version that is accepted. `tests/review` verifies the rules and levels of this one.
const VERSION: &str = include_str!("../../oasdiff.version");

/// The [`Change::level`] of a change that breaks no client. 2 may break clients, 3 does.
pub const COMPATIBLE: u8 = 1;

/// oasdiff with the levels of this contract.
pub struct Oasdiff {
    program: PathBuf,
    /// Holds the levels and an empty configuration, so that oasdiff reads no other one.
    settings: TempDir,
    /// The direction of each rule that has one.
    directions: BTreeMap<String, Direction>,
}

/// One change, as oasdiff reports it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The rule's id.
    pub id: String,
    /// What changed, in one sentence.
    pub text: String,
    /// The severity, from 1 ([`COMPATIBLE`]) to 3.
    pub level: u8,
    /// The operation's method.
    pub operation: Option<String>,
    /// The operation's id.
    pub operation_id: Option<String>,
    /// The operation's path.
    pub path: Option<String>,
    /// The line of the changed part before.
    pub base_source: Option<Source>,
    /// The line of the changed part after.
    pub revision_source: Option<Source>,
    /// The changed lines before. Only [`Oasdiff::changes_with_lines`] sets them.
    #[serde(skip)]
    pub before: Option<String>,
    /// The changed lines after. Only [`Oasdiff::changes_with_lines`] sets them.
    #[serde(skip)]
    pub after: Option<String>,
    /// Where the changed part is. Only [`Oasdiff::changes_with_lines`] sets them.
    #[serde(skip)]
    pub pointers: Pointers,
}

/// A rule, as `oasdiff checks` lists it.
#[derive(Deserialize)]
struct Rule {
    id: String,
    direction: String,
}

impl Oasdiff {
    /// Finds the pinned oasdiff: first in `target/tools`, then in `PATH`.
    ///
    /// # Errors
    /// [`Error::OasdiffMissing`] when there is none, or only another version.
    pub fn find(levels: &Levels) -> Result<Self, Error> {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/oasdiff");
        let mut found = "none is installed".to_owned();
        for program in [installed, PathBuf::from("oasdiff")] {
            let Ok(output) = Command::new(&program).arg("--version").output() else { continue };
            let version = String::from_utf8_lossy(&output.stdout).into_owned();
            if version.trim().strip_prefix("oasdiff version ") == Some(VERSION.trim()) {
                return Self::with(program, levels);
            }
            found = format!("{} reports {:?}", program.display(), version.trim());
        }
        Err(Error::OasdiffMissing { required: VERSION.trim(), found })
    }

    fn with(program: PathBuf, levels: &Levels) -> Result<Self, Error> {
        let settings = temporary_folder()?;
        write(&settings.path().join("levels"), &levels.for_oasdiff())?;
        write(&settings.path().join("config.yaml"), "")?;
        let mut oasdiff = Self { program, settings, directions: BTreeMap::new() };
        let rules = oasdiff.output(Command::new(&oasdiff.program).args([
            "checks",
            "changelog",
            "--format",
            "json",
        ]))?;
        oasdiff.directions = parse::<Vec<Rule>>(&rules)?
            .into_iter()
            .filter_map(|rule| {
                let direction = match rule.direction.as_str() {
                    "request" => Direction::Request,
                    "response" => Direction::Response,
                    _ => return None,
                };
                Some((rule.id, direction))
            })
            .collect();
        Ok(oasdiff)
    }

    /// The changes from one document to another.
    ///
    /// # Errors
    /// When oasdiff cannot read one of them.
    pub fn changes(&self, base: &Value, revision: &Value) -> Result<Vec<Change>, Error> {
        let (base, revision) = (document::prepare(base), document::prepare(revision));
        self.compare(&base.to_string(), &revision.to_string())
    }

    /// The same with the changed lines of the documents. It takes several times as long.
    ///
    /// # Errors
    /// When oasdiff cannot read one of the documents.
    pub fn changes_with_lines(&self, base: &Value, revision: &Value) -> Result<Vec<Change>, Error> {
        // oasdiff reports lines only for YAML, and takes a file that begins with a comment for YAML.
        let prepared = [base, revision].map(document::prepare);
        let [base, revision] = prepared.each_ref().map(|document| format!("#\n{document:#}"));
        let mut changes = self.compare(&base, &revision)?;
        for change in &mut changes {
            let excerpt = |text: &str, source: &Option<Source>| {
                source.as_ref().and_then(|source| document::excerpt(text, source))
            };
            change.before = excerpt(&base, &change.base_source);
            change.after = excerpt(&revision, &change.revision_source);
            let pointer = |document: &Value, source: &Option<Source>| {
                // Less the comment.
                let line = source.as_ref()?.line?.checked_sub(1)?;
                Some(document::original_pointer(&pointer::at_line(document, line)?))
            };
            change.pointers = Pointers {
                base: pointer(&prepared[0], &change.base_source),
                revision: pointer(&prepared[1], &change.revision_source),
            };
        }
        Ok(changes)
    }

    /// The direction in which the subject of a rule travels.
    #[must_use]
    pub fn direction(&self, rule: &str) -> Direction {
        self.directions.get(rule).copied().unwrap_or(Direction::Both)
    }

    fn compare(&self, base: &str, revision: &str) -> Result<Vec<Change>, Error> {
        let folder = temporary_folder()?;
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
        let mut changes: Vec<Change> = parse(&changes)?;
        for change in &mut changes {
            // oasdiff's own opinion, which the levels may contradict.
            let text = change.text.replace(" (backward compatible)", "");
            change.text = document::original_names(&text);
        }
        Ok(changes)
    }

    fn output(&self, command: &mut Command) -> Result<Vec<u8>, Error> {
        let Output { status, stdout, stderr } = command
            .arg("--config")
            .arg(self.settings.path().join("config.yaml"))
            .output()
            .map_err(|source| Error::Start { program: "oasdiff", source })?;
        if !status.success() {
            return Err(Error::OasdiffFailed(String::from_utf8_lossy(&stderr).trim().to_owned()));
        }
        Ok(stdout)
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(Error::OasdiffOutput)
}

fn temporary_folder() -> Result<TempDir, Error> {
    TempDir::new().map_err(|source| Error::Write { path: env::temp_dir(), source })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}
