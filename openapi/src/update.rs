//! One command after a change of the contract: version, documents, lock files, snapshots, tables and review.

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
    report::Format,
    review::{self, Base, Review},
    version,
};

/// The package of the client, which has the version of the contract.
const CLIENT_PACKAGE: &str = "server/web/package.json";

/// Crates outside the workspace. Their lock files name the workspace's version too.
const NESTED_CRATES: [&str; 2] = ["tests/fuzz", "tests/clients/rust"];

/// The suites whose snapshots are derived from the contract.
const SNAPSHOT_TEST: [&str; 6] = ["test", "--quiet", "--package", "tests", "--test", "contract"];

/// The tables of the documentation that are derived from it. Two of them are in one file.
const TABLE_TEST: [&str; 10] = [
    "test",
    "--quiet",
    "--package",
    "tests",
    "--test",
    "docs",
    "tables",
    "--",
    "--test-threads",
    "1",
];

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
    /// Whether to print the steps instead of taking them.
    pub dry_run: bool,
}

/// One step of an update.
enum Step<'a> {
    /// Raises the version of the workspace.
    Version(Version),
    /// Writes the documents, of which these change.
    Documents(Vec<&'static str>),
    /// Brings the lock file in a folder up to date.
    LockFile(&'a str),
    /// Accepts the snapshots.
    Snapshots,
    /// Writes the tables of the documentation.
    Tables,
}

impl Display for Step<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(next) => {
                let current = server::contract::VERSION;
                write!(out, "version {current} -> {next} in Cargo.toml and {CLIENT_PACKAGE}")
            }
            Self::Documents(changed) => write!(out, "write openapi/{}", changed.join(", openapi/")),
            Self::LockFile(folder) => write!(out, "cargo update --workspace in {folder}"),
            Self::Snapshots => write!(out, "INSTA_UPDATE=always cargo {}", SNAPSHOT_TEST.join(" ")),
            Self::Tables => write!(out, "DOCS=write cargo {}", TABLE_TEST.join(" ")),
        }
    }
}

impl Update<'_> {
    /// Updates everything that follows from the code's contract, and reviews the result.
    ///
    /// # Errors
    /// When the contracts cannot be compared, the requested version is too low (both before any file
    /// is changed), or a step fails.
    pub fn run(&self, now: SystemTime) -> Result<Review, Error> {
        let mut contract = documents::contract()?;
        let current = version::parse(contract.version())?;
        let next = self.next_version(&current, &contract)?;
        if next == current {
            eprintln!("version {current} stays");
        }
        for step in self.plan(&current, &next)? {
            eprintln!("{}{step}", if self.dry_run { "would do: " } else { "" });
            if !self.dry_run {
                self.take(&step, next == current)?;
            }
        }
        contract.openapi["info"]["version"] = next.to_string().into();
        let base = Base::Revision(&self.against);
        review::review_contract(self.folder, &base, &contract, Format::Markdown, now)
    }

    /// The steps, in their order. What is up to date has none.
    fn plan(&self, current: &Version, next: &Version) -> Result<Vec<Step<'static>>, Error> {
        let mut steps = Vec::new();
        let raised = next != current;
        if raised {
            steps.push(Step::Version(next.clone()));
        }
        // All of them contain the version.
        let changed = if raised { documents::names() } else { documents::stale(self.folder) };
        if !changed.is_empty() {
            steps.push(Step::Documents(changed));
        }
        for folder in [&["."][..], &NESTED_CRATES].concat() {
            if raised || !self.is_locked(folder)? {
                steps.push(Step::LockFile(folder));
            }
        }
        steps.extend([Step::Snapshots, Step::Tables]);
        Ok(steps)
    }

    fn take(&self, step: &Step<'_>, same_version: bool) -> Result<(), Error> {
        match step {
            Step::Version(next) => {
                self.write_version(next)?;
                self.update_lock_file(".")
            }
            Step::Documents(_) if same_version => documents::generate(self.folder),
            // The documents contain the version that the program was compiled with.
            Step::Documents(_) => {
                let folder = self.folder.to_string_lossy();
                let generate =
                    ["run", "--quiet", "--package", "openapi", "--", "generate", "--folder"];
                self.cargo(&[&generate[..], &[&*folder]].concat(), &[])
            }
            Step::LockFile(folder) => self.update_lock_file(folder),
            Step::Snapshots => self.cargo(&SNAPSHOT_TEST, &[("INSTA_UPDATE", "always")]),
            Step::Tables => self.cargo(&TABLE_TEST, &[("DOCS", "write")]),
        }
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
        self.cargo(&[&update[..], &["--offline"]].concat(), &[])
            .or_else(|_| self.cargo(&update, &[]))
    }

    fn cargo(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), Error> {
        let status = self
            .command(arguments)
            .envs(variables.iter().copied())
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
