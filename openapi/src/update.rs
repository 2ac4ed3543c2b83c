//! One command after a change of the contract: version, documents, lock files, snapshots and review.

use std::{env, fs, path::Path, process::Command, time::SystemTime};

use semver::Version;

use crate::{
    contract::Contract,
    documents,
    error::Error,
    report::Format,
    review::{self, Review},
    version,
};

/// Crates outside the workspace. Their lock files name the workspace's version too.
const NESTED_CRATES: [&str; 2] = ["tests/fuzz", "tests/clients/rust"];

/// The suites whose snapshots are derived from the contract.
const SNAPSHOT_TEST: [&str; 6] = ["test", "--quiet", "--package", "tests", "--test", "contract"];

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
            self.log(&format!("version {current} stays"));
        } else {
            self.log(&format!("version {current} -> {next} in Cargo.toml"));
            contract.openapi["info"]["version"] = next.to_string().into();
        }
        self.log("openapi/*.json: generate");
        self.log(&format!("Cargo.lock and those of {}: update", NESTED_CRATES.join(", ")));
        self.log("snapshots of tests/contract: accept");
        if self.dry_run {
            return review::review_contract(
                self.folder,
                &self.against,
                &contract,
                Format::Markdown,
                now,
            );
        }

        if next == current {
            documents::generate(self.folder)?;
        } else {
            self.write_version(&next)?;
            self.update_lock_file(".")?;
            // The documents contain the version that the program was compiled with.
            let folder = self.folder.to_string_lossy();
            let generate = ["run", "--quiet", "--package", "openapi", "--", "generate", "--folder"];
            self.cargo(&[&generate[..], &[&*folder]].concat(), &[])?;
        }
        for path in [&["."][..], &NESTED_CRATES].concat() {
            self.update_lock_file(path)?;
        }
        self.cargo(&SNAPSHOT_TEST, &[("INSTA_UPDATE", "always")])?;
        review::review(self.folder, &self.against, Format::Markdown, now)
    }

    fn next_version(&self, current: &Version, contract: &Contract) -> Result<Version, Error> {
        let comparison = review::compare(self.folder, &self.against, contract)?;
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
        let path = self.root.join("Cargo.toml");
        let text = fs::read_to_string(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let Some(text) = with_version(&text, version) else {
            return Err(Error::NoWorkspaceVersion { path });
        };
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
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(self.root)
            .args(arguments)
            .envs(variables.iter().copied())
            .status()
            .map_err(|source| Error::Start { program: "cargo", source })?;
        if status.success() { Ok(()) } else { Err(Error::Cargo { arguments: arguments.join(" ") }) }
    }

    fn log(&self, step: &str) {
        eprintln!("{}{step}", if self.dry_run { "would do: " } else { "" });
    }
}

/// A workspace's manifest with another version.
fn with_version(manifest: &str, version: &Version) -> Option<String> {
    let mut section = "";
    let mut found = false;
    let lines: Vec<String> = manifest
        .split_inclusive('\n')
        .map(|line| {
            if line.starts_with('[') {
                section = line.trim();
            }
            if section == "[workspace.package]" && line.starts_with("version = ") && !found {
                found = true;
                return format!("version = \"{version}\"\n");
            }
            line.to_owned()
        })
        .collect();
    found.then(|| lines.concat())
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
        let changed = with_version(&manifest("0.1.0"), &Version::new(0, 2, 0));
        assert_eq!(changed, Some(manifest("0.2.0")));
        assert_eq!(with_version("[package]\nversion = \"1.0.0\"\n", &Version::new(0, 2, 0)), None);
    }
}
