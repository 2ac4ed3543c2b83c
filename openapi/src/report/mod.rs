//! The report of a review, in Markdown.

use std::fmt::{self, Display, Formatter};

use similar::TextDiff;

use crate::{
    finding::{Direction, Effect, Finding, Reach, Surface},
    version::TooLow,
    waivers::{Waiver, Waivers},
};

/// How many places a finding names; the rest is counted.
const NAMED_PLACES: usize = 6;

/// Everything that the report of a change says.
pub struct Report<'a> {
    /// The revision that the contract is compared with, as the command names it.
    pub base: &'a str,
    /// The version before.
    pub base_version: &'a str,
    /// The version now.
    pub version: &'a str,
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

    fn breaking(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| {
            finding.effect == Effect::Breaking && self.waivers.excusing(finding).is_none()
        })
    }

    fn waived(&self) -> impl Iterator<Item = (&Finding, &Waiver)> {
        self.findings
            .iter()
            .filter_map(|finding| self.waivers.excusing(finding).map(|waiver| (finding, waiver)))
    }

    fn compatible(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.effect == Effect::Compatible)
    }
}

impl Display for Report<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (breaking, waived, compatible) =
            (self.breaking().count(), self.waived().count(), self.compatible().count());
        writeln!(out, "# {}\n", title(breaking, waived, compatible))?;
        writeln!(
            out,
            "Against `{}`. Version {} → {}.{}",
            self.base,
            self.base_version,
            self.version,
            if self.findings.is_empty() {
                " Only prose and examples changed, if anything."
            } else {
                ""
            },
        )?;
        if let Some(too_low) = self.too_low {
            writeln!(out, "\n> **The version is too low.** {too_low}")?;
        }
        if breaking > 0 {
            writeln!(out, "\n## Breaking")?;
            for finding in self.breaking() {
                section(out, finding)?;
                suggested_waiver(out, finding)?;
            }
        }
        if waived > 0 {
            writeln!(out, "\n## Breaking, waived")?;
            for (finding, waiver) in self.waived() {
                section(out, finding)?;
                writeln!(out, "\nWaived until {}: {}", waiver.until(), waiver.reason.trim())?;
            }
        }
        if compatible > 0 {
            writeln!(out, "\n## Compatible")?;
            for finding in self.compatible() {
                section(out, finding)?;
            }
        }
        let unused: Vec<&Waiver> = self.waivers.unused(self.findings).collect();
        if !unused.is_empty() {
            writeln!(out, "\n## Unused waivers\n")?;
            for waiver in unused {
                writeln!(out, "- until {}: {} (`{}`)", waiver.until(), waiver.change, waiver.rule)?;
            }
        }
        Ok(())
    }
}

fn title(breaking: usize, waived: usize, compatible: usize) -> String {
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what} change")),
        _ => Some(format!("{count} {what} changes")),
    };
    let parts: Vec<String> = [
        counted(breaking, "breaking"),
        counted(waived, "waived"),
        counted(compatible, "compatible"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        return "The contract: no change that a client can notice".to_owned();
    }
    format!("The contract: {}", parts.join(", "))
}

fn section(out: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
    writeln!(out, "\n### {}\n", sentence(&finding.text))?;
    writeln!(out, "- {}", consequence(finding))?;
    if !finding.places.is_empty() {
        let named: Vec<String> = finding
            .places
            .iter()
            .take(NAMED_PLACES)
            .map(|(place, statuses)| {
                let id = place.id.as_ref().map(|id| format!("`{id}` ")).unwrap_or_default();
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
        writeln!(out, "- Used by {}{more}", named.join(", "))?;
    }
    writeln!(out, "- Rule `{}`", finding.rule)?;
    if finding.before.is_some() || finding.after.is_some() {
        writeln!(out, "\n```diff")?;
        let (before, after) = (finding.before.as_deref(), finding.after.as_deref());
        let ended = |side: Option<&str>| side.map(|text| format!("{text}\n")).unwrap_or_default();
        let (before, after) = (ended(before), ended(after));
        for change in TextDiff::from_lines(&before, &after).iter_all_changes() {
            write!(out, "{} {change}", change.tag())?;
        }
        writeln!(out, "```")?;
    }
    Ok(())
}

fn consequence(finding: &Finding) -> String {
    let part = match (finding.surface, finding.direction) {
        (Surface::Http, Direction::Request) => "the request",
        (Surface::Http, Direction::Response) => "the response",
        (Surface::Socket, Direction::Request) => "what the prospect sends",
        (Surface::Socket, Direction::Response) => "what the gateway sends",
        (Surface::Http, Direction::Both) => "the operation itself",
        (Surface::Socket, Direction::Both) => "the socket itself",
    };
    match (finding.effect, finding.reach) {
        (Effect::Compatible, _) => format!("In {part}; every client keeps working"),
        (Effect::Breaking, Reach::Wire) => {
            format!("Breaks clients **on the wire**, in {part}: even those that are not rebuilt")
        }
        (Effect::Breaking, Reach::Source) => {
            format!("Breaks **generated source**, in {part}: regenerated clients no longer compile")
        }
    }
}

/// The waiver to add if a breaking change is intended.
fn suggested_waiver(out: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
    let mut places = finding.places.keys();
    let at = match (places.next(), places.next()) {
        (Some(place), None) => place.at.as_str(),
        _ => "*",
    };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    writeln!(
        out,
        "\n<details><summary>If this is intended</summary>\n\n```toml\n# in openapi/waivers.toml\n\
         [[waiver]]\nrule = {}\nchange = {}\nwhere = {}\nreason = \"\"\nuntil =   # the last day, at most 90 days from now\n```\n\n\
         </details>",
        quoted(&finding.rule),
        quoted(&finding.text),
        quoted(at),
    )
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
