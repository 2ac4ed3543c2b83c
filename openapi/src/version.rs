//! Whether the version moved as the change asks for.

use std::fmt;

use semver::Version;

use crate::{
    error::Error,
    finding::{Effect, Finding},
};

/// The version's rule, broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLow {
    /// What the change is: none where only its prose changed.
    pub effect: Option<Effect>,
    /// The version before.
    pub base: Version,
    /// The version now.
    pub found: Version,
    /// The lowest that says what kind of change this is.
    pub lowest: Version,
}

impl fmt::Display for TooLow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { effect, base, found, lowest } = self;
        let what = match effect {
            Some(Effect::Breaking) => "This breaks clients",
            Some(Effect::Compatible) => "Clients can notice this",
            None => "No version goes back",
        };
        write!(formatter, "{what}: after {base} comes {lowest} or higher, not {found}.")
    }
}

/// Holds the version against what changed, waived or not.
///
/// Before 1.0.0 a break moves the minor number and whatever else can be noticed the patch number;
/// from then on a break moves the major and the rest the minor number. Prose moves nothing.
///
/// # Errors
/// When one is no version (semver.org).
pub fn checked(
    base: &str,
    revision: &str,
    findings: &[Finding],
) -> Result<Result<(), TooLow>, Error> {
    let parsed = |text: &str| {
        Version::parse(text)
            .map_err(|error| Error::Form("info.version".to_owned(), format!("{text}: {error}")))
    };
    let (base, found) = (parsed(base)?, parsed(revision)?);
    let effect = findings.iter().map(|finding| finding.effect).max();
    let lowest = match (effect, base.major) {
        (None, _) => base.clone(),
        (Some(Effect::Breaking), 0) | (Some(Effect::Compatible), 1..) => {
            Version::new(base.major, base.minor + 1, 0)
        }
        (Some(Effect::Compatible), 0) => Version::new(0, base.minor, base.patch + 1),
        (Some(Effect::Breaking), 1..) => Version::new(base.major + 1, 0, 0),
    };
    Ok(if found < lowest { Err(TooLow { effect, base, found, lowest }) } else { Ok(()) })
}
