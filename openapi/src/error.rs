//! Why a command on the contract fails, with what to do about it.

use std::{io, path::PathBuf, string::FromUtf8Error};

use semver::Version;
use thiserror::Error;

/// Why a command on the contract fails.
#[derive(Debug, Error)]
pub enum Error {
    /// oasdiff is not installed, or only in another version.
    #[error(
        "oasdiff {required} is required, but {found}.\n\
         Install it into target/tools with openapi/install-oasdiff, which needs Go."
    )]
    OasdiffMissing {
        /// The pinned version.
        required: &'static str,
        /// What was found instead.
        found: String,
    },

    /// oasdiff ended with a failure; the text is what it printed.
    #[error("oasdiff cannot compare the documents: {0}")]
    OasdiffFailed(String),

    /// oasdiff printed something else than the expected JSON.
    #[error("cannot read the output of oasdiff: {0}")]
    OasdiffOutput(#[source] serde_json::Error),

    /// git ended with a failure; the text is what it printed.
    #[error("git: {0}")]
    GitFailed(String),

    /// git printed something that is not UTF-8.
    #[error("git: the file is not UTF-8: {0}")]
    GitOutput(#[source] FromUtf8Error),

    /// The history has no commit to compare with.
    #[error("git: {revision} and HEAD have no common commit; is the clone shallow?")]
    NoMergeBase {
        /// The revision that was asked for.
        revision: String,
    },

    /// A program cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program's name.
        program: &'static str,
        /// Why not.
        source: io::Error,
    },

    /// A step of an update failed.
    #[error("this step failed: {step}\n{source}\n{}", left_over(left))]
    Step {
        /// The step.
        step: String,
        /// Why.
        source: Box<Error>,
        /// The steps behind it.
        left: Vec<String>,
    },

    /// A step that runs cargo ended with a failure. cargo has printed the reason.
    #[error("`cargo {arguments}` failed")]
    Cargo {
        /// The arguments, separated by spaces.
        arguments: String,
    },

    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// A document cannot be fetched.
    #[error("cannot fetch {url}: {reason}")]
    Fetch {
        /// Where from.
        url: String,
        /// Why not.
        reason: String,
    },

    /// A URL has a user, a query or a fragment.
    #[error("the URL has a user, a query or a fragment, where secrets may be: leave them out")]
    SecretInUrl,

    /// A document is not JSON.
    #[error("{name} is not JSON: {source}")]
    Json {
        /// The document's file name.
        name: &'static str,
        /// Where it stops being JSON.
        source: serde_json::Error,
    },

    /// A settings file has a syntax error, an unknown field or a missing one.
    #[error("{name} is invalid: {source}")]
    Toml {
        /// The file's name.
        name: &'static str,
        /// What is wrong, and where.
        source: toml::de::Error,
    },

    /// A waiver lacks its reason.
    #[error("waivers.toml is invalid: the waiver of {rule} has no reason")]
    WaiverWithoutReason {
        /// The rule that it waives.
        rule: String,
    },

    /// A waiver's last day is something else than a date.
    #[error("waivers.toml is invalid: `until` is a date such as 2027-01-31, not {until}")]
    WaiverDate {
        /// What stands there.
        until: String,
    },

    /// A waiver's last day is too far in the future.
    #[error("waivers.toml is invalid: the waiver of {rule} is for longer than {days} days")]
    WaiverTooLong {
        /// The rule that it waives.
        rule: String,
        /// How long a waiver may be.
        days: u64,
    },

    /// A contract has no valid version (semver.org).
    #[error("info.version {text:?} is not a semantic version: {source}")]
    InvalidVersion {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        source: semver::Error,
    },

    /// The version that was asked for hides how much changed.
    #[error("version {found} is too low: this change needs {lowest} or higher")]
    VersionTooLow {
        /// The version that was asked for.
        found: Version,
        /// The lowest possible version.
        lowest: Version,
    },

    /// A manifest has no version to change.
    #[error("{} has no version of its own", path.display())]
    NoVersion {
        /// The manifest.
        path: PathBuf,
    },

    /// A page has no place for a table.
    #[error("{} has no marks <!-- {name} --> and <!-- /{name} --> for its table", path.display())]
    NoTable {
        /// The page.
        path: PathBuf,
        /// The name of the table.
        name: &'static str,
    },

    /// A committed document differs from the one that the code generates.
    #[error(
        "{difference}\nThe committed contract differs from the one that the code generates.\n\
         Read the difference; if it is intended, run: cargo contract update"
    )]
    Stale {
        /// The difference, as a unified diff of each document.
        difference: String,
    },
}

fn left_over(steps: &[String]) -> String {
    let left = match steps {
        [] => "No step is left.".to_owned(),
        _ => format!("Not taken: {}.", steps.join("; ")),
    };
    format!("{left} To take all of them, run this again.")
}
