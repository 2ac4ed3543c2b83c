//! The report as workflow commands of GitHub: annotations on lines of the committed documents.

use std::fmt::{self, Write};

use super::parts::{Report, consequence, sentence, users};
use crate::{finding::Finding, pointer};

/// GitHub shows this many annotations of each level in a step, and drops the others.
const SHOWN: usize = 10;

pub fn write(out: &mut String, report: &Report<'_>) -> fmt::Result {
    let version = pointer::line(&report.contract.openapi, "/info/version").unwrap_or(1);
    let version = (format!("{}openapi.json", report.prefix), version);
    let mut errors: Vec<Annotation> = report
        .too_low
        .iter()
        .map(|too_low| Annotation {
            at: version.clone(),
            title: "The version is too low".to_owned(),
            message: too_low.to_string(),
        })
        .collect();
    errors.extend(report.breaking().map(|finding| annotation(report, finding, None)));
    let waived = report.waived().map(|(finding, waiver)| {
        let why = format!("Waived until {}: {}", waiver.until(), waiver.reason.trim());
        annotation(report, finding, Some(why))
    });
    let compatible = report.compatible().map(|finding| annotation(report, finding, None));
    for (level, mut annotations) in
        [("error", errors), ("warning", waived.collect()), ("notice", compatible.collect())]
    {
        let all = annotations.len();
        if all > SHOWN {
            annotations.truncate(SHOWN - 1);
            annotations.push(Annotation {
                at: version.clone(),
                title: format!("{} more", all + 1 - SHOWN),
                message: "The report in the summary of this run has all changes.".to_owned(),
            });
        }
        for Annotation { at: (file, line), title, message } in annotations {
            let (file, title) = (property(&file), property(&title));
            writeln!(out, "::{level} file={file},line={line},title={title}::{}", data(&message))?;
        }
    }
    Ok(())
}

/// A message on a line of a file.
struct Annotation {
    at: (String, usize),
    title: String,
    message: String,
}

fn annotation(report: &Report<'_>, finding: &Finding, why: Option<String>) -> Annotation {
    let (before, stressed, after) = consequence(finding);
    let mut message = vec![format!("{before}{stressed}{after}.")];
    message.extend(users(finding, ToOwned::to_owned).map(|users| format!("{users}.")));
    message.push(format!("Rule {}.", finding.rule));
    message.extend(why);
    Annotation {
        at: report.line(finding),
        title: sentence(&finding.text),
        message: message.join("\n"),
    }
}

/// A text after the second `::`, escaped so that it stays one line and one command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text before it, which also ends with a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
