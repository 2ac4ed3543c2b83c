//! The review of a change: compares the contract of a folder with its history and writes a report.

use std::{path::Path, time::SystemTime};

use crate::{
    contract::Contract,
    diff,
    error::Error,
    finding::Finding,
    git,
    levels::Levels,
    oasdiff::Oasdiff,
    report::{Format, Report},
    version,
    waivers::Waivers,
};

/// A review.
#[derive(Debug)]
pub struct Review {
    /// The report, in the form that was asked for.
    pub report: String,
    /// Whether the change breaks clients without a waiver, or its version is too low.
    pub refused: bool,
}

/// What a contract is compared with, and the differences.
pub struct Comparison {
    /// The contract at the merge base.
    pub base: Contract,
    /// The differences, the gravest first.
    pub findings: Vec<Finding>,
}

/// Compares a contract with the committed one at the merge base of HEAD and a revision.
///
/// # Errors
/// When there is no such commit, it has no contract, or oasdiff is missing.
pub fn compare(folder: &Path, revision: &str, contract: &Contract) -> Result<Comparison, Error> {
    let levels = Levels::in_folder(folder)?;
    let base = Contract::at_commit(folder, &git::merge_base(folder, revision)?)?;
    let findings = diff::compare(&Oasdiff::find(&levels)?, &levels, &base, contract)?;
    Ok(Comparison { base, findings })
}

/// Reviews the contract in a folder against the merge base of HEAD and a revision.
///
/// # Errors
/// When the two cannot be compared.
pub fn review(
    folder: &Path,
    revision: &str,
    format: Format,
    now: SystemTime,
) -> Result<Review, Error> {
    review_contract(folder, revision, &Contract::in_folder(folder)?, format, now)
}

/// Reviews a contract as if it were the one in the folder.
///
/// # Errors
/// When the two cannot be compared.
pub fn review_contract(
    folder: &Path,
    revision: &str,
    contract: &Contract,
    format: Format,
    now: SystemTime,
) -> Result<Review, Error> {
    let waivers = Waivers::in_folder(folder, now)?;
    let Comparison { base, findings } = compare(folder, revision, contract)?;
    let too_low = version::check(base.version(), contract.version(), &findings)?;
    let prefix = git::prefix(folder)?;
    let report = Report {
        base: revision,
        base_version: base.version(),
        contract,
        prefix: &prefix,
        findings: &findings,
        waivers: &waivers,
        too_low: too_low.as_ref(),
    };
    Ok(Review { report: report.in_format(format), refused: report.refuses() })
}
