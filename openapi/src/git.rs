//! Reads the contract's history with git.

use std::{path::Path, process::Command};

use crate::error::Error;

/// The commit at which HEAD branched off from a revision. Later commits of the revision are not
/// part of the change under review.
///
/// # Errors
/// When git does not know the revision, or [`Error::NoMergeBase`].
pub fn merge_base(folder: &Path, revision: &str) -> Result<String, Error> {
    let commit = git(
        folder,
        &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")],
    )?;
    let base = git(folder, &["merge-base", commit.trim(), "HEAD"])
        .map_err(|_| Error::NoMergeBase { revision: revision.to_owned() })?;
    Ok(base.trim().to_owned())
}

/// The path from the root of the repository to a folder, empty or with a slash at its end.
///
/// # Errors
/// When the folder is in no repository.
pub fn prefix(folder: &Path) -> Result<String, Error> {
    Ok(git(folder, &["rev-parse", "--show-prefix"])?.trim_end_matches('\n').to_owned())
}

/// The content that a file of the folder had in a commit.
///
/// # Errors
/// When the commit has no such file.
pub fn show(folder: &Path, commit: &str, name: &str) -> Result<String, Error> {
    git(folder, &["show", &format!("{commit}:./{name}")])
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|source| Error::Start { program: "git", source })?;
    if !output.status.success() {
        return Err(Error::GitFailed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    String::from_utf8(output.stdout).map_err(Error::GitOutput)
}
