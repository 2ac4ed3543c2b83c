//! The report in Markdown.

use std::fmt::{self, Write};

use super::parts::{Report, changed_lines, consequence, sentence, suggested_waiver, users};
use crate::finding::Finding;

pub fn write(out: &mut String, report: &Report<'_>) -> fmt::Result {
    writeln!(out, "# {}\n", report.title())?;
    writeln!(out, "Against `{}`. {}", report.base, report.versions())?;
    if let Some(too_low) = report.too_low {
        writeln!(out, "\n> **The version is too low.** {too_low}")?;
    }
    let mut heading = Some("\n## Breaking\n");
    for finding in report.breaking() {
        out.push_str(heading.take().unwrap_or_default());
        section(out, finding)?;
        let waiver = fenced("toml", &suggested_waiver(finding));
        writeln!(out, "\n<details><summary>If this is intended</summary>\n\n{waiver}\n</details>")?;
    }
    let mut heading = Some("\n## Breaking, waived\n");
    for (finding, waiver) in report.waived() {
        out.push_str(heading.take().unwrap_or_default());
        section(out, finding)?;
        writeln!(out, "\nWaived until {}: {}", waiver.until(), waiver.reason.trim())?;
    }
    let mut heading = Some("\n## Compatible\n");
    for finding in report.compatible() {
        out.push_str(heading.take().unwrap_or_default());
        section(out, finding)?;
    }
    let mut heading = Some("\n## Unused waivers\n\n");
    for waiver in report.unused_waivers() {
        out.push_str(heading.take().unwrap_or_default());
        writeln!(out, "- until {}: {} (`{}`)", waiver.until(), waiver.change, waiver.rule)?;
    }
    Ok(())
}

fn section(out: &mut String, finding: &Finding) -> fmt::Result {
    writeln!(out, "\n### {}\n", sentence(&finding.text))?;
    let (before, stressed, after) = consequence(finding);
    let mark = if stressed.is_empty() { "" } else { "**" };
    writeln!(out, "- {before}{mark}{stressed}{mark}{after}")?;
    if let Some(users) = users(finding, |id| format!("`{id}`")) {
        writeln!(out, "- {users}")?;
    }
    writeln!(out, "- Rule `{}`", finding.rule)?;
    if let Some(lines) = changed_lines(finding) {
        write!(out, "\n{}", fenced("diff", &(lines.join("\n") + "\n")))?;
    }
    Ok(())
}

/// A block of code, fenced so that nothing in it can end it.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{text}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::fenced;

    #[test]
    fn a_fence_is_longer_than_any_in_its_text() {
        assert_eq!(fenced("diff", "+ 1\n"), "```diff\n+ 1\n```\n");
        assert_eq!(fenced("", "````\n"), "`````\n````\n`````\n");
    }
}
