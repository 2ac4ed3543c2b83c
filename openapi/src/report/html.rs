//! The report as one HTML page, without scripts and without anything from elsewhere.

use std::fmt::{self, Write};

use super::parts::{Report, changed_lines, consequence, sentence, suggested_waiver, users};
use crate::finding::Finding;

const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1f2328;--dim:#59636e;--line:#d1d9e0;--box:#f6f8fa;--page:#fff;\
--bad:#b3261e;--good:#1a7f37;--old:#ffebe9;--new:#dafbe1}\
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--dim:#9198a1;--line:#3d444d;--box:#151b23;\
--page:#0d1117;--bad:#ff8a80;--good:#56d364;--old:#4a1d1f;--new:#12381f}}\
body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;color:var(--text);\
background:var(--page)}\
article{border:1px solid var(--line);border-radius:.4rem;padding:0 1rem 1rem;margin:1rem 0}\
h3{font-size:1.05rem}ul{padding-left:1.2rem}code,pre{font:.875rem/1.45 ui-monospace,monospace}\
pre{background:var(--box);padding:.5rem 0;overflow-x:auto}pre span{display:block;padding:0 .75rem}\
.old{background:var(--old)}.new{background:var(--new)}.dim{color:var(--dim)}.bad{color:var(--bad)}\
.good{color:var(--good)}summary{cursor:pointer}";

pub fn write(out: &mut String, report: &Report<'_>) -> fmt::Result {
    let title = escaped(&report.title());
    let verdict = if report.refuses() {
        "<p class=\"bad\">This change is refused.</p>"
    } else {
        "<p class=\"good\">This change may be merged.</p>"
    };
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n{verdict}\n\
         <p>Against <code>{}</code>. {}</p>",
        escaped(report.base),
        escaped(&report.versions()),
    )?;
    if let Some(too_low) = report.too_low {
        let reason = escaped(&too_low.to_string());
        writeln!(out, "<p class=\"bad\"><strong>The version is too low.</strong> {reason}</p>")?;
    }
    let mut heading = Some("<h2>Breaking</h2>\n");
    for finding in report.breaking() {
        out.push_str(heading.take().unwrap_or_default());
        let waiver = escaped(&suggested_waiver(finding));
        let waiver = format!(
            "<details><summary>If this is intended</summary><pre><span>{waiver}</span></pre></details>\n"
        );
        article(out, report, finding, &waiver)?;
    }
    let mut heading = Some("<h2>Breaking, waived</h2>\n");
    for (finding, waiver) in report.waived() {
        out.push_str(heading.take().unwrap_or_default());
        let reason = with_code(waiver.reason.trim());
        let waiver = format!("<p>Waived until {}: {reason}</p>\n", escaped(&waiver.until()));
        article(out, report, finding, &waiver)?;
    }
    let mut heading = Some("<h2>Compatible</h2>\n");
    for finding in report.compatible() {
        out.push_str(heading.take().unwrap_or_default());
        article(out, report, finding, "")?;
    }
    let unused = report.unused_waivers();
    if !unused.is_empty() {
        writeln!(out, "<h2>Unused waivers</h2>\n<ul>")?;
        for waiver in unused {
            let (until, change) = (escaped(&waiver.until()), with_code(&waiver.change));
            let rule = escaped(&waiver.rule);
            writeln!(out, "<li>until {until}: {change} (<code>{rule}</code>)</li>")?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</html>")
}

fn article(out: &mut String, report: &Report<'_>, finding: &Finding, end: &str) -> fmt::Result {
    let (before, stressed, after) = consequence(finding);
    writeln!(
        out,
        "<article>\n<h3>{}</h3>\n<ul>\n<li>{before}<strong>{stressed}</strong>{}</li>",
        with_code(&sentence(&finding.text)),
        escaped(&after),
    )?;
    if let Some(users) = users(finding, |id| format!("`{id}`")) {
        writeln!(out, "<li>{}</li>", with_code(&users))?;
    }
    let (file, line) = report.line(finding);
    let rule = escaped(&finding.rule);
    writeln!(
        out,
        "<li class=\"dim\">Rule <code>{rule}</code>, at {}:{line}</li>\n</ul>",
        escaped(&file)
    )?;
    if let Some(lines) = changed_lines(finding) {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| {
                let class = match line.as_bytes().first() {
                    Some(b'-') => " class=\"old\"",
                    Some(b'+') => " class=\"new\"",
                    _ => "",
                };
                format!("<span{class}>{}</span>", escaped(line))
            })
            .collect();
        writeln!(out, "<pre>{}</pre>", lines.concat())?;
    }
    writeln!(out, "{end}</article>")
}

/// A sentence whose names between backticks become code.
fn with_code(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick quotes nothing.
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let parts = parts.iter().enumerate().map(|(index, part)| match index % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, letter| {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
        escaped
    })
}
