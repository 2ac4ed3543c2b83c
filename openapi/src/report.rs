//! The review of a change, in Markdown.

use std::fmt::{self, Display, Formatter};

use similar::TextDiff;

use crate::{
    finding::{Direction, Effect, Finding, Reach, Surface},
    version::TooLow,
    waivers::{Waiver, Waivers},
};

/// So many places are named; the rest is counted.
const PLACES: usize = 6;

/// Everything that is known of a change.
pub struct Report<'a> {
    /// What it is compared with, as it was asked for.
    pub base: &'a str,
    /// The version before.
    pub base_version: &'a str,
    /// The version now.
    pub version: &'a str,
    /// What changed.
    pub findings: &'a [Finding],
    /// What of it is meant.
    pub waivers: &'a Waivers,
    /// What the version should have been.
    pub too_low: Option<&'a TooLow>,
}

impl Report<'_> {
    /// Whether the change breaks clients without a waiver, or its version hides what it does.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.too_low.is_some() || self.breaks().next().is_some()
    }

    fn breaks(&self) -> impl Iterator<Item = &Finding> {
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
        let (breaks, waived, compatible) =
            (self.breaks().count(), self.waived().count(), self.compatible().count());
        writeln!(out, "# {}\n", title(breaks, waived, compatible))?;
        writeln!(
            out,
            "Against `{}`. Version {} → {}.{}",
            self.base,
            self.base_version,
            self.version,
            if self.findings.is_empty() { " At most its prose and examples changed." } else { "" },
        )?;
        if let Some(too_low) = self.too_low {
            writeln!(out, "\n> **The version is too low.** {too_low}")?;
        }
        if breaks > 0 {
            writeln!(out, "\n## Breaking")?;
            for finding in self.breaks() {
                section(out, finding)?;
                suggestion(out, finding)?;
            }
        }
        if waived > 0 {
            writeln!(out, "\n## Breaking, and meant")?;
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
        let idle: Vec<&Waiver> = self.waivers.idle(self.findings).collect();
        if !idle.is_empty() {
            writeln!(out, "\n## Waivers that can go\n")?;
            for waiver in idle {
                writeln!(out, "- until {}: {} (`{}`)", waiver.until(), waiver.change, waiver.rule)?;
            }
        }
        Ok(())
    }
}

fn title(breaks: usize, waived: usize, compatible: usize) -> String {
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what} change")),
        _ => Some(format!("{count} {what} changes")),
    };
    let parts: Vec<String> =
        [counted(breaks, "breaking"), counted(waived, "waived"), counted(compatible, "compatible")]
            .into_iter()
            .flatten()
            .collect();
    if parts.is_empty() {
        return "The contract: nothing that a client can notice".to_owned();
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
            .take(PLACES)
            .map(|(place, statuses)| {
                let id = place.id.as_ref().map(|id| format!("`{id}` ")).unwrap_or_default();
                let statuses: Vec<&str> = statuses.iter().map(String::as_str).collect();
                let answers = match statuses.join(", ") {
                    statuses if statuses.is_empty() => statuses,
                    statuses => format!(" ({statuses})"),
                };
                format!("{id}{}{answers}", place.at)
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
    let whom = match (finding.surface, finding.whom) {
        (Surface::Http, Direction::Request) => "the request",
        (Surface::Http, Direction::Response) => "the response",
        (Surface::Socket, Direction::Request) => "what the prospect sends",
        (Surface::Socket, Direction::Response) => "what the gateway sends",
        (Surface::Http, Direction::Both) => "the call itself",
        (Surface::Socket, Direction::Both) => "the socket itself",
    };
    match (finding.effect, finding.reach) {
        (Effect::Compatible, _) => format!("In {whom}; every client goes on working"),
        (Effect::Breaking, Reach::Wire) => {
            format!("Breaks clients **on the wire**, in {whom}: also those that are not built anew")
        }
        (Effect::Breaking, Reach::Source) => {
            format!(
                "Breaks **generated source**, in {whom}: clients no longer compile when built anew"
            )
        }
    }
}

/// How to say that a break is meant.
fn suggestion(out: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
    let mut places = finding.places.keys();
    let at = match (places.next(), places.next()) {
        (Some(place), None) => place.at.as_str(),
        _ => "*",
    };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    writeln!(
        out,
        "\n<details><summary>If it is meant</summary>\n\n```toml\n# in openapi/waivers.toml\n\
         [[waiver]]\nrule = {}\nchange = {}\nwhere = {}\nreason = \"\"\nuntil =   # a day, at most 90 days from now\n```\n\n\
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
