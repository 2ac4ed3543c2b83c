//! oasdiff, the program that finds what changed between two OpenAPI documents.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{error::Error, finding::Direction, levels::Levels};

/// The version that is asked for; its levels and rules are what the suite proves.
pub const VERSION: &str = include_str!("../oasdiff.version");

/// So many lines of a document show a change; the rest is in the document.
const LINES: usize = 14;

/// What says of the members that an object does not name whether there may be any, and what they
/// are. oasdiff has no rule for it, but has one for what says the same wherever no `allOf` is
/// beside it, as in this contract.
const OTHERS: &str = "additionalProperties";
const SEEN_OTHERS: &str = "unevaluatedProperties";

/// The name of the members that have none.
const ANY_NAME: &str = "*";

/// oasdiff with this contract's levels.
pub struct Oasdiff {
    program: PathBuf,
    /// Holds the levels, and an empty configuration: one that lies about is not read.
    settings: TempDir,
    /// Which way what a rule is about travels.
    directions: BTreeMap<String, Direction>,
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
    /// What stood there, where lines were asked for.
    #[serde(skip)]
    pub before: Option<String>,
    /// What stands there, where lines were asked for.
    #[serde(skip)]
    pub after: Option<String>,
}

/// A line of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Source {
    /// From 1; none where oasdiff knows the file alone.
    pub line: Option<usize>,
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
                    "request" => Direction::Request,
                    "response" => Direction::Response,
                    _ => return None,
                };
                Some((rule.id, whom))
            })
            .collect();
        Ok(oasdiff)
    }

    /// What changed from one document to another.
    ///
    /// # Errors
    /// When oasdiff cannot read one of them.
    pub fn changes(&self, base: &Value, revision: &Value) -> Result<Vec<Change>, Error> {
        self.compared(&prepared(base).to_string(), &prepared(revision).to_string())
    }

    /// The same, with the lines of the documents that changed. It takes several times as long.
    ///
    /// # Errors
    /// When oasdiff cannot read one of them.
    pub fn changes_with_lines(&self, base: &Value, revision: &Value) -> Result<Vec<Change>, Error> {
        // oasdiff knows lines only of what it reads as YAML, as it does where a comment begins it.
        let [base, revision] =
            [base, revision].map(|document| format!("#\n{:#}", prepared(document)));
        let mut changes = self.compared(&base, &revision)?;
        for change in &mut changes {
            change.before = change.base_source.as_ref().and_then(|source| lines(&base, source));
            change.after =
                change.revision_source.as_ref().and_then(|source| lines(&revision, source));
        }
        Ok(changes)
    }

    /// Which way what a rule is about travels.
    #[must_use]
    pub fn whom(&self, rule: &str) -> Direction {
        self.directions.get(rule).copied().unwrap_or(Direction::Both)
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
        let mut changes: Vec<Change> = parsed(&changes)?;
        for change in &mut changes {
            // How it weighs is for the levels to say.
            let text = change.text.replace(" (backward compatible)", "");
            change.text = text.replace(SEEN_OTHERS, OTHERS);
        }
        Ok(changes)
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

/// A document with what oasdiff does not see said in words that it does.
fn prepared(document: &Value) -> Value {
    match document {
        Value::Array(items) => items.iter().map(prepared).collect(),
        Value::Object(members) => {
            let mut seen: Map<String, Value> = members
                .iter()
                .map(|(name, member)| match (name.as_str(), member) {
                    // oasdiff takes `false` for nothing.
                    (OTHERS, Value::Bool(false)) => (SEEN_OTHERS.to_owned(), json!({"not": {}})),
                    (OTHERS, Value::Object(_)) => (SEEN_OTHERS.to_owned(), prepared(member)),
                    // Data stays as it is.
                    ("example" | "examples", _) => (name.clone(), member.clone()),
                    _ => (name.clone(), prepared(member)),
                })
                .collect();
            // oasdiff looks at what members are where they have a name.
            if let Some(others @ Value::Object(_)) = members.get(OTHERS) {
                let named = seen.entry("properties").or_insert_with(|| json!({}));
                named[ANY_NAME] = prepared(others);
            }
            Value::Object(seen)
        }
        _ => document.clone(),
    }
}

/// What stands at a place of a pretty-printed document, to the end of what begins there.
fn lines(document: &str, source: &Source) -> Option<String> {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let mut rest = document.lines().skip(source.line?.checked_sub(1)?);
    let first = rest.next()?;
    let depth = indent(&first);
    let mut shown = vec![first];
    if first.ends_with(['{', '[']) {
        let mut rest = rest.peekable();
        shown.extend(std::iter::from_fn(|| rest.next_if(|line| indent(line) > depth)));
        shown.extend(rest.next());
    }
    let more = shown.len().saturating_sub(LINES);
    shown.truncate(LINES);
    let shown: Vec<&str> = shown.iter().map(|line| line.get(depth..).unwrap_or_default()).collect();
    let closed = Regex::new(r#""unevaluatedProperties": \{\s*"not": \{\}\s*\}"#)
        .expect("a pattern that the suite runs");
    let text = shown.join("\n");
    let text = closed.replace_all(&text, r#""additionalProperties": false"#);
    let mut text = text.replace(SEEN_OTHERS, OTHERS);
    if more > 0 {
        text.push_str("\n  …");
    }
    Some(text.trim_end_matches(',').to_owned())
}
