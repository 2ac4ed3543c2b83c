//! The review of a change, from the files of a folder and their past to a report.

use std::{path::Path, time::SystemTime};

use crate::{
    contract::Contract, diff, error::Error, git, levels::Levels, oasdiff::Oasdiff, report::Report,
    version, waivers::Waivers,
};

/// A review.
#[derive(Debug)]
pub struct Review {
    /// What it says, in Markdown.
    pub report: String,
    /// Whether the change breaks clients without a waiver, or its version hides what it does.
    pub refused: bool,
}

/// Reviews the contract in a folder against the commit at which HEAD left a revision.
///
/// # Errors
/// When they cannot be compared.
pub fn review(folder: &Path, revision: &str, now: SystemTime) -> Result<Review, Error> {
    let levels = Levels::in_folder(folder)?;
    let waivers = Waivers::in_folder(folder, now)?;
    let base = Contract::at_revision(folder, &git::base(folder, revision)?)?;
    let contract = Contract::in_folder(folder)?;
    let findings = diff::compare(&Oasdiff::find(&levels)?, &levels, &base, &contract)?;
    let version = version::checked(base.version(), contract.version(), &findings)?;
    let report = Report {
        base: revision,
        base_version: base.version(),
        version: contract.version(),
        findings: &findings,
        waivers: &waivers,
        too_low: version.as_ref().err(),
    };
    Ok(Review { report: report.to_string(), refused: report.refuses() })
}
