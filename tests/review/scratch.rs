//! A temporary repository with a contract to change, like a reviewer's clone. Beside it are the pages of
//! the documentation that have tables of the contract.

use std::{fs, path::PathBuf, process::Command, time::SystemTime};

use openapi::{
    error::Error,
    levels,
    report::Format,
    review::{Base, Review, review},
};
use serde_json::Value;
use tempfile::TempDir;
use tests::{gateway::root, tools::succeed};

pub struct Scratch {
    root: TempDir,
}

impl Scratch {
    /// The committed contract, in a first commit that is tagged `base`.
    pub fn new() -> Self {
        let scratch = Self { root: TempDir::new().expect("a folder") };
        for folder in ["openapi", "docs"] {
            fs::create_dir(scratch.root.path().join(folder)).expect("made");
        }
        for page in ["docs/guide.md", "docs/operations.md"] {
            fs::copy(root().join(page), scratch.root.path().join(page)).expect("copied");
        }
        for name in ["openapi.json", "asyncapi.json", levels::FILE] {
            fs::copy(root().join("openapi").join(name), scratch.path().join(name)).expect("copied");
        }
        scratch.git(&["init", "--quiet", "--initial-branch", "main"]);
        scratch.commit();
        scratch.git(&["tag", "base"]);
        scratch
    }

    pub fn path(&self) -> PathBuf {
        self.root.path().join("openapi")
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=A tester", "-c", "user.email=tester@example.com"];
        let mut command = Command::new("git");
        succeed(command.arg("-C").arg(self.path()).args(identity).args(arguments), "")
    }

    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "A change", "--no-gpg-sign"]);
    }

    /// Edits a document.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path().join(name);
        let text = fs::read_to_string(&path).expect("a document");
        let mut document = serde_json::from_str(&text).expect("JSON");
        change(&mut document);
        fs::write(path, format!("{document:#}\n")).expect("written");
    }

    /// Edits `openapi.json` and sets its version.
    pub fn edit_with_version(&self, version: &str, change: impl FnOnce(&mut Value)) {
        self.edit("openapi.json", |document| {
            document["info"]["version"] = version.into();
            change(document);
        });
    }

    pub fn waive(&self, waivers: &str) {
        fs::write(self.path().join(openapi::waivers::FILE), waivers).expect("written");
    }

    pub fn try_review(&self) -> Result<Review, Error> {
        self.review_as(Format::Markdown)
    }

    pub fn review_as(&self, format: Format) -> Result<Review, Error> {
        review(&self.path(), &Base::Revision("base"), format, SystemTime::now())
    }

    /// Reviews the folder against the tag `base`.
    pub fn review(&self) -> Review {
        self.try_review().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The version of the committed contract.
    pub fn version() -> semver::Version {
        let text = fs::read_to_string(root().join("openapi/openapi.json")).expect("a document");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        document["info"]["version"].as_str().expect("a version").parse().expect("a version")
    }

    /// The lowest version after a breaking change, before 1.0.0.
    pub fn version_after_breaking() -> String {
        let version = Self::version();
        semver::Version::new(version.major, version.minor + 1, 0).to_string()
    }
}
