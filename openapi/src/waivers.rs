//! `waivers.toml`: breaking changes that are intended, each with its reason and the last day on which
//! it is excused.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use toml::value::Datetime;

use crate::{
    error::Error,
    finding::{Effect, Finding},
};

/// The file's name.
pub const FILE: &str = "waivers.toml";

/// The longest time from now to a waiver's last day: a waiver is for a change that is being released, not
/// forever.
const LONGEST: Duration = Duration::from_hours(90 * 24);

/// As a waiver's place: all places of the change.
const EVERYWHERE: &str = "*";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    waiver: Vec<Waiver>,
}

/// One intended breaking change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The rule's id.
    pub rule: String,
    /// The change, as the heading in the report has it.
    pub change: String,
    /// The only place that the report names, or `*` for any number of places.
    #[serde(rename = "where")]
    pub at: String,
    /// Why the change is intended.
    pub reason: String,
    until: Datetime,
}

impl Waiver {
    /// The last day of the waiver, `2027-01-31`.
    #[must_use]
    pub fn until(&self) -> String {
        self.until.to_string()
    }

    fn excuses(&self, finding: &Finding) -> bool {
        let covers_places = self.at == EVERYWHERE || {
            let mut places = finding.places.keys();
            places.next().is_some_and(|place| place.at == self.at) && places.next().is_none()
        };
        covers_places && self.rule == finding.rule && self.change == finding.text
    }
}

/// All waivers, as of one day.
#[derive(Clone, Debug, Default)]
pub struct Waivers {
    live: Vec<Waiver>,
    expired: Vec<Waiver>,
}

impl Waivers {
    /// Reads the file of a folder. Without a file nothing is waived.
    ///
    /// # Errors
    /// When the file is invalid, or a waiver has no reason, no date, or one more than 90 days ahead.
    pub fn in_folder(folder: &Path, now: SystemTime) -> Result<Self, Error> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        Self::parse(&text, now)
    }

    /// Parses the text of the file.
    ///
    /// # Errors
    /// As [`Waivers::in_folder`].
    pub fn parse(text: &str, now: SystemTime) -> Result<Self, Error> {
        let file: File =
            toml::from_str(text).map_err(|source| Error::Toml { name: FILE, source })?;
        let mut waivers = Self::default();
        for waiver in file.waiver {
            if waiver.reason.trim().is_empty() {
                return Err(Error::WaiverWithoutReason { rule: waiver.rule });
            }
            let until = end_of(&waiver.until)
                .ok_or_else(|| Error::WaiverDate { until: waiver.until.to_string() })?;
            if until > now + LONGEST {
                let days = LONGEST.as_secs() / (24 * 60 * 60);
                return Err(Error::WaiverTooLong { rule: waiver.rule, days });
            }
            if until > now { &mut waivers.live } else { &mut waivers.expired }.push(waiver);
        }
        Ok(waivers)
    }

    /// The waivers that have not expired.
    pub fn live(&self) -> impl Iterator<Item = &Waiver> {
        self.live.iter()
    }

    /// The waiver that excuses a finding, where it is a breaking one.
    #[must_use]
    pub fn excusing(&self, finding: &Finding) -> Option<&Waiver> {
        let breaking = finding.effect == Effect::Breaking;
        self.live.iter().find(|waiver| breaking && waiver.excuses(finding))
    }

    /// The waivers that excuse none of the findings, and the expired ones: they can be removed.
    pub fn unused<'a>(&'a self, findings: &'a [Finding]) -> impl Iterator<Item = &'a Waiver> {
        let unused = |waiver: &&Waiver| !findings.iter().any(|finding| waiver.excuses(finding));
        self.expired.iter().chain(self.live.iter().filter(unused))
    }
}

/// The first instant after a day, in UTC. `None` for anything else than a date.
fn end_of(day: &Datetime) -> Option<SystemTime> {
    if day.date.is_none() || day.time.is_some() {
        return None;
    }
    let start = humantime::parse_rfc3339(&format!("{day}T00:00:00Z")).ok()?;
    Some(start + Duration::from_hours(24))
}
