//! What every form of the report says.

use crate::{
    contract::Contract,
    finding::{Direction, Effect, Finding, Reach, Surface},
    pointer,
    version::TooLow,
    waivers::{Waiver, Waivers},
};

/// How many places a finding names; the rest is counted.
const NAMED_PLACES: usize = 6;

/// Everything that the report of a change says.
pub struct Report<'a> {
    /// What the contract is compared with, as the command names it.
    pub base: &'a str,
    /// The version before.
    pub base_version: &'a str,
    /// The contract now.
    pub contract: &'a Contract,
    /// The path from the root of the repository to the folder of the documents, empty or with a slash at
    /// its end.
    pub prefix: &'a str,
    /// The changes.
    pub findings: &'a [Finding],
    /// The changes that are intended.
    pub waivers: &'a Waivers,
    /// Set where the version is too low for the changes.
    pub too_low: Option<&'a TooLow>,
}

impl Report<'_> {
    /// Whether the change breaks clients without a waiver, or its version is too low.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.too_low.is_some() || self.breaking().next().is_some()
    }

    pub(super) fn breaking(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| {
            finding.effect == Effect::Breaking && self.waivers.excusing(finding).is_none()
        })
    }

    pub(super) fn waived(&self) -> impl Iterator<Item = (&Finding, &Waiver)> {
        self.findings
            .iter()
            .filter_map(|finding| self.waivers.excusing(finding).map(|waiver| (finding, waiver)))
    }

    pub(super) fn compatible(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.effect == Effect::Compatible)
    }

    pub(super) fn unused_waivers(&self) -> Vec<&Waiver> {
        self.waivers.unused(self.findings).collect()
    }

    pub(super) fn title(&self) -> String {
        let counted = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what} change")),
            _ => Some(format!("{count} {what} changes")),
        };
        let parts: Vec<String> = [
            counted(self.breaking().count(), "breaking"),
            counted(self.waived().count(), "waived"),
            counted(self.compatible().count(), "compatible"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.is_empty() {
            return "The contract: no change that a client can notice".to_owned();
        }
        format!("The contract: {}", parts.join(", "))
    }

    /// The versions that are compared, and whether clients can notice anything.
    pub(super) fn versions(&self) -> String {
        let (before, after) = (self.base_version, self.contract.version());
        let prose = if self.findings.is_empty() {
            " Only prose and examples changed, if anything."
        } else {
            ""
        };
        format!("Version {before} → {after}.{prose}")
    }

    /// The file and the line of a committed document that a finding is about: the changed part, or what
    /// held a part that was removed.
    pub(super) fn line(&self, finding: &Finding) -> (String, usize) {
        let (name, document) = match finding.surface {
            Surface::Http => ("openapi.json", &self.contract.openapi),
            Surface::Socket => ("asyncapi.json", &self.contract.asyncapi),
        };
        let target = match (&finding.pointers.revision, &finding.pointers.base) {
            (Some(changed), _) => changed,
            (None, Some(removed)) => pointer::parent(removed),
            (None, None) => "",
        };
        let line = pointer::line(document, pointer::nearest(document, target)).unwrap_or(1);
        (format!("{}{name}", self.prefix), line)
    }
}

/// The operations or frames that use the changed part, in one line.
pub fn users(finding: &Finding, code: impl Fn(&str) -> String) -> Option<String> {
    if finding.places.is_empty() {
        return None;
    }
    let named: Vec<String> = finding
        .places
        .iter()
        .take(NAMED_PLACES)
        .map(|(place, statuses)| {
            let id = place.id.as_ref().map(|id| format!("{} ", code(id))).unwrap_or_default();
            let statuses: Vec<&str> = statuses.iter().map(String::as_str).collect();
            let statuses = match statuses.join(", ") {
                statuses if statuses.is_empty() => statuses,
                statuses => format!(" ({statuses})"),
            };
            format!("{id}{}{statuses}", place.at)
        })
        .collect();
    let more = finding.places.len() - named.len();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    Some(format!("Used by {}{more}", named.join(", ")))
}

/// What the finding does to clients, with the part that a form stresses in the middle.
pub fn consequence(finding: &Finding) -> (&'static str, &'static str, String) {
    let part = match (finding.surface, finding.direction) {
        (Surface::Http, Direction::Request) => "the request",
        (Surface::Http, Direction::Response) => "the response",
        (Surface::Socket, Direction::Request) => "what the prospect sends",
        (Surface::Socket, Direction::Response) => "what the gateway sends",
        (Surface::Http, Direction::Both) => "the operation itself",
        (Surface::Socket, Direction::Both) => "the socket itself",
    };
    match (finding.effect, finding.reach) {
        (Effect::Compatible, _) => ("", "", format!("In {part}; every client keeps working")),
        (Effect::Breaking, Reach::Wire) => (
            "Breaks clients ",
            "on the wire",
            format!(", in {part}: even those that are not rebuilt"),
        ),
        (Effect::Breaking, Reach::Source) => (
            "Breaks ",
            "generated source",
            format!(", in {part}: regenerated clients no longer compile"),
        ),
    }
}

/// The waiver to add if a breaking change is intended.
pub fn suggested_waiver(finding: &Finding) -> String {
    let mut places = finding.places.keys();
    let at = match (places.next(), places.next()) {
        (Some(place), None) => place.at.as_str(),
        _ => "*",
    };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    format!(
        "# in openapi/waivers.toml\n\
         [[waiver]]\nrule = {}\nchange = {}\nwhere = {}\nreason = \"\"\nuntil =   # the last day, at most 90 days from now\n",
        quoted(&finding.rule),
        quoted(&finding.text),
        quoted(at),
    )
}

/// The changed lines, each with its mark: `-`, `+` or a space. `None` where they are not known.
pub fn changed_lines(finding: &Finding) -> Option<Vec<String>> {
    if finding.before.is_none() && finding.after.is_none() {
        return None;
    }
    let ended = |side: Option<&str>| side.map(|text| format!("{text}\n")).unwrap_or_default();
    let (before, after) = (ended(finding.before.as_deref()), ended(finding.after.as_deref()));
    let difference = similar::TextDiff::from_lines(&before, &after);
    let lines = difference.iter_all_changes();
    Some(lines.map(|line| format!("{} {}", line.tag(), line.value().trim_end())).collect())
}

pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
