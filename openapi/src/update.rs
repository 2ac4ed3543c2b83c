//! One command after a change of the contract: version, documents, tables, lock files and review.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    path::Path,
    process::Command,
    time::SystemTime,
};

use semver::Version;

use crate::{
    cargo::cargo,
    contract::Contract,
    documents,
    error::Error,
    pages,
    report::Format,
    review::{self, Base, Review},
    version,
};

/// The package of the client, which has the version of the contract.
const CLIENT_PACKAGE: &str = "server/web/package.json";

/// The workspace, and the crates outside of it. Their lock files name the workspace's version too.
const LOCKED: [&str; 3] = [".", "tests/fuzz", "tests/clients/rust"];

/// An update to perform.
pub struct Update<'a> {
    /// The root of the workspace.
    pub root: &'a Path,
    /// The folder of the documents.
    pub folder: &'a Path,
    /// The revision whose merge base with HEAD the contract is compared with.
    pub against: String,
    /// The new version; none for the lowest that the change allows.
    pub version: Option<Version>,
}

/// What an update does. No step compiles anything.
pub struct Plan<'a> {
    update: &'a Update<'a>,
    /// The version before the update.
    pub current: Version,
    /// The version after it.
    pub next: Version,
    /// The review of the contract after it.
    pub review: Review,
    contract: Contract,
    steps: Vec<Step>,
}

/// One step of an update.
enum Step {
    /// Raises the version of the workspace.
    Version,
    /// Writes the documents, of which these change.
    Documents(Vec<&'static str>),
    /// Writes the tables of the documentation, which change in these pages.
    Tables(Vec<&'static str>),
    /// Brings the lock file in a folder up to date.
    LockFile(&'static str),
}

impl Display for Step {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => write!(out, "write the version into Cargo.toml and {CLIENT_PACKAGE}"),
            Self::Documents(changed) => write!(out, "write openapi/{}", changed.join(", openapi/")),
            Self::Tables(pages) => write!(out, "write the tables of {}", pages.join(", ")),
            Self::LockFile(folder) => write!(out, "cargo update --workspace in {folder}"),
        }
    }
}

impl Update<'_> {
    /// Plans the update of everything that follows from the code's contract, and reviews the result.
    ///
    /// # Errors
    /// When the contracts cannot be compared, or the requested version is too low.
    pub fn plan(&self, now: SystemTime) -> Result<Plan<'_>, Error> {
        let mut contract = documents::contract(None)?;
        let current = version::parse(contract.version())?;
        let next = self.next_version(&current, &contract)?;
        if next != current {
            contract = documents::contract(Some(&next))?;
        }
        let base = Base::Revision(&self.against);
        let review = review::review_contract(self.folder, &base, &contract, Format::Markdown, now)?;
        let steps = self.steps(&current, &next, &contract)?;
        Ok(Plan { update: self, current, next, review, contract, steps })
    }

    /// The steps, in their order. What is up to date has none.
    fn steps(
        &self,
        current: &Version,
        next: &Version,
        contract: &Contract,
    ) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        let raised = next != current;
        if raised {
            steps.push(Step::Version);
        }
        let changed = documents::stale(self.folder, Some(next));
        if !changed.is_empty() {
            steps.push(Step::Documents(changed));
        }
        let changed = pages::stale(self.root, &pages::tables(contract))?;
        if !changed.is_empty() {
            steps.push(Step::Tables(changed));
        }
        for folder in LOCKED {
            if raised || !self.is_locked(folder)? {
                steps.push(Step::LockFile(folder));
            }
        }
        Ok(steps)
    }

    /// Whether the lock file in a folder is up to date.
    fn is_locked(&self, folder: &str) -> Result<bool, Error> {
        let manifest = format!("{folder}/Cargo.toml");
        let metadata = ["metadata", "--locked", "--offline", "--format-version", "1"];
        let output = self
            .command(&[&metadata[..], &["--manifest-path", &manifest]].concat())
            .output()
            .map_err(|source| Error::Start { program: "cargo", source })?;
        Ok(output.status.success())
    }

    fn next_version(&self, current: &Version, contract: &Contract) -> Result<Version, Error> {
        let base = Base::Revision(&self.against);
        let comparison = review::compare(self.folder, &base, contract)?;
        let base = version::parse(comparison.base.version())?;
        let lowest = version::lowest(&base, &comparison.findings);
        match &self.version {
            Some(version) if *version < lowest => {
                Err(Error::VersionTooLow { found: version.clone(), lowest })
            }
            Some(version) => Ok(version.clone()),
            None => Ok(lowest.max(current.clone())),
        }
    }

    fn write_version(&self, version: &Version) -> Result<(), Error> {
        self.rewrite("Cargo.toml", |text| with_workspace_version(text, version))?;
        self.rewrite(CLIENT_PACKAGE, |text| with_package_version(text, version))
    }

    fn rewrite(
        &self,
        file: &str,
        change: impl FnOnce(&str) -> Option<String>,
    ) -> Result<(), Error> {
        let path = self.root.join(file);
        let text = fs::read_to_string(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let Some(text) = change(&text) else { return Err(Error::NoVersion { path }) };
        fs::write(&path, text).map_err(|source| Error::Write { path, source })
    }

    /// Brings a lock file up to date with the manifests. Other packages keep their locked versions, so
    /// the registry is asked only where a manifest has a new dependency.
    fn update_lock_file(&self, path: &str) -> Result<(), Error> {
        let manifest = format!("{path}/Cargo.toml");
        let update = ["update", "--quiet", "--workspace", "--manifest-path", &manifest];
        self.cargo(&[&update[..], &["--offline"]].concat()).or_else(|_| self.cargo(&update))
    }

    fn cargo(&self, arguments: &[&str]) -> Result<(), Error> {
        let status = self
            .command(arguments)
            .status()
            .map_err(|source| Error::Start { program: "cargo", source })?;
        if status.success() { Ok(()) } else { Err(Error::Cargo { arguments: arguments.join(" ") }) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cargo();
        command.current_dir(self.root).args(arguments);
        command
    }
}

impl Plan<'_> {
    /// Takes the steps, and says each before it is taken.
    ///
    /// # Errors
    /// [`Error::Step`] with the first step that fails, and those that are left.
    pub fn perform(&self) -> Result<(), Error> {
        for (n, step) in self.steps.iter().enumerate() {
            eprintln!("{step}");
            self.take(step).map_err(|source| Error::Step {
                step: step.to_string(),
                source: Box::new(source),
                left: self.steps[n + 1..].iter().map(Step::to_string).collect(),
            })?;
        }
        Ok(())
    }

    /// The steps in words, one a line.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        self.steps.iter().map(Step::to_string).collect()
    }

    fn take(&self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Version => self.update.write_version(&self.next),
            Step::Documents(_) => documents::generate(self.update.folder, Some(&self.next)),
            Step::Tables(_) => pages::write(self.update.root, &pages::tables(&self.contract)),
            Step::LockFile(folder) => self.update.update_lock_file(folder),
        }
    }
}

/// A workspace's manifest with another version.
fn with_workspace_version(manifest: &str, version: &Version) -> Option<String> {
    let mut in_package = false;
    replace_line(manifest, |line| {
        if line.starts_with('[') {
            in_package = line.trim() == "[workspace.package]";
        }
        (in_package && line.starts_with("version = ")).then(|| format!("version = \"{version}\"\n"))
    })
}

/// A `package.json` with another version.
fn with_package_version(package: &str, version: &Version) -> Option<String> {
    replace_line(package, |line| {
        line.starts_with("  \"version\": ").then(|| format!("  \"version\": \"{version}\",\n"))
    })
}

/// The text with another line in place of the first that has one.
fn replace_line(text: &str, mut other: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut found = false;
    let lines = text.split_inclusive('\n').map(|line| match other(line) {
        Some(other) if !found => {
            found = true;
            other
        }
        _ => line.to_owned(),
    });
    let text = lines.collect();
    found.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_of_the_workspace_changes() {
        let manifest = |version: &str| {
            format!(
                "[package]\nversion = \"9.0.0\"\n\n[workspace.package]\nversion = \"{version}\"\n\
                 edition = \"2024\"\n\n[profile.dev]\nversion = \"8.0.0\"\n"
            )
        };
        let next = Version::new(0, 2, 0);
        assert_eq!(with_workspace_version(&manifest("0.1.0"), &next), Some(manifest("0.2.0")));
        assert_eq!(with_workspace_version("[package]\nversion = \"1.0.0\"\n", &next), None);
    }

    #[test]
    fn only_the_version_of_the_package_changes() {
        let package = |version: &str| {
            format!(
                "{{\n  \"name\": \"x\",\n  \"version\": \"{version}\",\n  \"type\": \"module\"\n}}\n"
            )
        };
        let next = Version::new(0, 2, 0);
        assert_eq!(with_package_version(&package("0.1.0"), &next), Some(package("0.2.0")));
        assert_eq!(with_package_version("{}", &next), None);
    }
}
