//! What git knows of the contract's past.

use std::{path::Path, process::Command};

use crate::error::Error;

/// The commit at which the working tree left a revision: what came to the revision later is no
/// part of this change.
///
/// # Errors
/// When git does not know the revision, or no commit is common to both.
pub fn base(folder: &Path, revision: &str) -> Result<String, Error> {
    let commit = git(
        folder,
        &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")],
    )?;
    let base = git(folder, &["merge-base", commit.trim(), "HEAD"]).map_err(|_| {
        Error::Git(format!("{revision} and HEAD have no common commit here; is the clone shallow?"))
    })?;
    Ok(base.trim().to_owned())
}

/// A file of the folder as it was in a commit.
///
/// # Errors
/// When it was not there.
pub fn show(folder: &Path, commit: &str, name: &str) -> Result<String, Error> {
    git(folder, &["show", &format!("{commit}:./{name}")])
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| Error::Git(format!("it cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Error::Git(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    String::from_utf8(output.stdout).map_err(|error| Error::Git(error.to_string()))
}
