//! `waivers.toml`: breaks that are meant, each with its reason and the day on which it is no
//! longer excused.

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

/// A waiver is for one change on its way, not for good.
const LONGEST: Duration = Duration::from_hours(90 * 24);

/// Stands for every place.
const EVERYWHERE: &str = "*";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    waiver: Vec<Waiver>,
}

/// One deliberate break.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The rule's id.
    pub rule: String,
    /// What the report says in its heading.
    pub change: String,
    /// The one place that the report names, or `*` for all of them.
    #[serde(rename = "where")]
    pub at: String,
    /// Why it is meant.
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
        let here = self.at == EVERYWHERE || {
            let mut places = finding.places.keys();
            places.next().is_some_and(|place| place.at == self.at) && places.next().is_none()
        };
        here && self.rule == finding.rule && self.change == finding.text
    }
}

/// All waivers, on one day.
#[derive(Clone, Debug, Default)]
pub struct Waivers {
    live: Vec<Waiver>,
    expired: Vec<Waiver>,
}

impl Waivers {
    /// Reads the file of a folder; without one nothing is waived.
    ///
    /// # Errors
    /// When it is not of its form, or a waiver has no reason, no day, or one that is too far off.
    pub fn in_folder(folder: &Path, now: SystemTime) -> Result<Self, Error> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        Self::read(&fs::read_to_string(&path).map_err(|error| Error::File(path, error))?, now)
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// As `in_folder`.
    pub fn read(text: &str, now: SystemTime) -> Result<Self, Error> {
        let wrong = |error: String| Error::Form(FILE.to_owned(), error);
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let mut waivers = Self::default();
        for waiver in file.waiver {
            if waiver.reason.trim().is_empty() {
                return Err(wrong(format!("the waiver of {} has no reason", waiver.rule)));
            }
            let until = end_of(&waiver.until)
                .ok_or_else(|| wrong(format!("`until` is a day, not {}", waiver.until)))?;
            if until > now + LONGEST {
                let days = LONGEST.as_secs() / (24 * 60 * 60);
                return Err(wrong(format!(
                    "the waiver of {} is for longer than {days} days",
                    waiver.rule
                )));
            }
            if until > now { &mut waivers.live } else { &mut waivers.expired }.push(waiver);
        }
        Ok(waivers)
    }

    /// Those that have not expired.
    pub fn live(&self) -> impl Iterator<Item = &Waiver> {
        self.live.iter()
    }

    /// The waiver that excuses a break.
    #[must_use]
    pub fn excusing(&self, finding: &Finding) -> Option<&Waiver> {
        let breaks = finding.effect == Effect::Breaking;
        self.live.iter().find(|waiver| breaks && waiver.excuses(finding))
    }

    /// The waivers that excuse nothing of this any more: they can go.
    pub fn idle<'a>(&'a self, findings: &'a [Finding]) -> impl Iterator<Item = &'a Waiver> {
        let idle = |waiver: &&Waiver| !findings.iter().any(|finding| waiver.excuses(finding));
        self.expired.iter().chain(self.live.iter().filter(idle))
    }
}

/// The instant at which a day, in UTC, is over.
fn end_of(day: &Datetime) -> Option<SystemTime> {
    if day.date.is_none() || day.time.is_some() {
        return None;
    }
    let begins = humantime::parse_rfc3339(&format!("{day}T00:00:00Z")).ok()?;
    Some(begins + Duration::from_hours(24))
}
