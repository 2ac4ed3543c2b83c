//! Whether the version was raised as much as the change requires.

use semver::Version;

use crate::{
    error::Error,
    finding::{Effect, Finding},
};

/// A version that hides how much changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: after {base} comes {lowest} or higher, not {found}.", reason(*effect))]
pub struct TooLow {
    /// The gravest effect of the change; none where only prose changed.
    pub effect: Option<Effect>,
    /// The version before.
    pub base: Version,
    /// The version now.
    pub found: Version,
    /// The lowest version that the change allows.
    pub lowest: Version,
}

fn reason(effect: Option<Effect>) -> &'static str {
    match effect {
        Some(Effect::Breaking) => "This breaks clients",
        Some(Effect::Compatible) => "Clients can notice this",
        None => "A version never goes back",
    }
}

/// The lowest version that a change allows, waived or not.
///
/// Before 1.0.0 a breaking change raises the minor number and a compatible change the patch number;
/// from 1.0.0 on a breaking change raises the major number and a compatible change the minor
/// number. Prose raises nothing.
#[must_use]
pub fn lowest(base: &Version, findings: &[Finding]) -> Version {
    match (gravest(findings), base.major) {
        (None, _) => base.clone(),
        (Some(Effect::Breaking), 0) | (Some(Effect::Compatible), 1..) => {
            Version::new(base.major, base.minor + 1, 0)
        }
        (Some(Effect::Compatible), 0) => Version::new(0, base.minor, base.patch + 1),
        (Some(Effect::Breaking), 1..) => Version::new(base.major + 1, 0, 0),
    }
}

/// Checks the version of a change: `None` where it is high enough.
///
/// # Errors
/// [`Error::InvalidVersion`].
pub fn check(base: &str, revision: &str, findings: &[Finding]) -> Result<Option<TooLow>, Error> {
    let (base, found) = (parse(base)?, parse(revision)?);
    let lowest = lowest(&base, findings);
    let too_low = TooLow { effect: gravest(findings), base, found, lowest };
    Ok((too_low.found < too_low.lowest).then_some(too_low))
}

/// Parses a version.
///
/// # Errors
/// [`Error::InvalidVersion`].
pub fn parse(text: &str) -> Result<Version, Error> {
    Version::parse(text).map_err(|source| Error::InvalidVersion { text: text.to_owned(), source })
}

fn gravest(findings: &[Finding]) -> Option<Effect> {
    findings.iter().map(|finding| finding.effect).max()
}
