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
    source, version,
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

/// What a contract is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// The committed contract at the merge base of HEAD and a revision.
    Revision(&'a str),
    /// The contract at a place, see [`source::contract`].
    Source(&'a str),
}

/// What a contract is compared with, and the differences.
pub struct Comparison {
    /// The contract at the merge base.
    pub base: Contract,
    /// The differences, the gravest first.
    pub findings: Vec<Finding>,
}

/// Compares a contract with another.
///
/// # Errors
/// When there is no such commit, it has no contract, the other cannot be read, or oasdiff is missing.
pub fn compare(folder: &Path, base: &Base<'_>, contract: &Contract) -> Result<Comparison, Error> {
    let levels = Levels::in_folder(folder)?;
    let base = match base {
        Base::Revision(revision) => {
            Contract::at_commit(folder, &git::merge_base(folder, revision)?)?
        }
        Base::Source(place) => source::contract(place)?,
    };
    let findings = diff::compare(&Oasdiff::find(&levels)?, &levels, &base, contract)?;
    Ok(Comparison { base, findings })
}

/// Reviews the contract in a folder against another.
///
/// # Errors
/// When the two cannot be compared.
pub fn review(
    folder: &Path,
    against: &Base<'_>,
    format: Format,
    now: SystemTime,
) -> Result<Review, Error> {
    review_contract(folder, against, &Contract::in_folder(folder)?, format, now)
}

/// Reviews a contract as if it were the one in the folder.
///
/// # Errors
/// When the two cannot be compared.
pub fn review_contract(
    folder: &Path,
    against: &Base<'_>,
    contract: &Contract,
    format: Format,
    now: SystemTime,
) -> Result<Review, Error> {
    let waivers = Waivers::in_folder(folder, now)?;
    let Comparison { base, findings } = compare(folder, against, contract)?;
    let too_low = version::check(base.version(), contract.version(), &findings)?;
    let (name, prefix) = match against {
        Base::Revision(revision) => (revision, git::prefix(folder)?),
        // The folder need not be in a repository.
        Base::Source(place) => (place, git::prefix(folder).unwrap_or_default()),
    };
    let report = Report {
        base: name,
        base_version: base.version(),
        contract,
        prefix: &prefix,
        findings: &findings,
        waivers: &waivers,
        too_low: too_low.as_ref(),
    };
    Ok(Review { report: report.in_format(format), refused: report.refuses() })
}
