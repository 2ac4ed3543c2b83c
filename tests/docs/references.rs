//! Every link, path, test, suite and flag that the documentation names exists.

use std::{collections::BTreeSet, fs};

use regex::Regex;
use server::config::Config;
use tests::gateway::root;

use crate::{page, pages};

/// Folders and files of the top folder with which a path begins, when it is one of the project.
const TOP: &[&str] =
    &[".cargo", ".ci", ".github", "api-types", "docs", "openapi", "server", "tests"];

/// Everything on a page that is wrong, as `page: what`.
fn problems(check: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    pages()
        .iter()
        .flat_map(|path| {
            let found = check(path, &page(path));
            found.into_iter().map(move |what| format!("{path}: {what}"))
        })
        .collect()
}

/// A page without its blocks of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !fence && !inside
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The spans of code in the prose of a page.
pub fn spans(text: &str) -> Vec<String> {
    let span = Regex::new("`([^`\n]+)`").expect("a pattern");
    span.captures_iter(&prose(text)).map(|found| found[1].to_owned()).collect()
}

/// How a heading is named in a link: as GitHub does it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_to_a_file_or_a_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let wrong = problems(|path, text| {
        let folder = root().join(path).parent().expect("a folder").to_owned();
        let text = prose(text);
        let targets = link.captures_iter(&text).map(|found| found[1].to_owned());
        targets
            .filter(|target| !target.starts_with("http://") && !target.starts_with("https://"))
            .filter(|target| {
                let (file, heading) = target.split_once('#').unwrap_or((target, ""));
                let file = if file.is_empty() { root().join(path) } else { folder.join(file) };
                let found = file.exists()
                    && (heading.is_empty() || {
                        let text = prose(&fs::read_to_string(&file).unwrap_or_default());
                        let headings = text.lines().filter(|line| line.starts_with('#'));
                        headings
                            .map(|line| anchor(line.trim_start_matches('#')))
                            .any(|it| it == heading)
                    });
                !found
            })
            .collect()
    });
    assert!(wrong.is_empty(), "dead links: {wrong:#?}");
}

#[test]
fn every_path_exists() {
    let path_like = Regex::new(r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.*-]+)+/?$").expect("a pattern");
    let wrong = problems(|_, text| {
        let paths = spans(text).into_iter().filter(|span| path_like.is_match(span));
        paths
            .filter(|path| TOP.contains(&path.split('/').next().unwrap_or_default()))
            .filter(|path| !exists(path))
            .collect()
    });
    assert!(wrong.is_empty(), "no such path: {wrong:#?}");
}

/// Whether a path of the project exists; `*` stands for any part of the last name.
fn exists(path: &str) -> bool {
    let Some((before, after)) = path.split_once('*') else { return root().join(path).exists() };
    let (folder, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.into_iter().any(|name| name.starts_with(prefix) && name.ends_with(after))
}

/// Whether a test is there that is named `suite::module::name`, as
/// `cargo test -p tests --test suite module::name` runs it, or a file of tests, as `suite::module`.
pub fn is_test(name: &str) -> bool {
    let path = root().join("tests").join(name.replace("::", "/"));
    if path.with_extension("rs").exists() || path.join("mod.rs").exists() {
        return true;
    }
    let module = path.parent().expect("a folder");
    let name = path.file_name().expect("a name").to_string_lossy();
    let files = [module.with_extension("rs"), module.join("mod.rs"), module.join("main.rs")];
    let declared = Regex::new(&format!(r"\b(fn |conformance!\(){name}\b")).expect("a pattern");
    files.iter().any(|file| declared.is_match(&fs::read_to_string(file).unwrap_or_default()))
}

#[test]
fn every_test_that_is_named_exists() {
    let test_like = Regex::new(r"^([a-z]+)(::[a-z0-9_]+)+$").expect("a pattern");
    let wrong = problems(|_, text| {
        spans(text)
            .into_iter()
            .filter(|span| {
                let Some(found) = test_like.captures(span) else { return false };
                root().join("tests").join(&found[1]).join("main.rs").exists() && !is_test(span)
            })
            .collect()
    });
    assert!(wrong.is_empty(), "no such test: {wrong:#?}");
}

#[test]
fn every_suite_and_program_in_a_command_exists() {
    let argument = Regex::new(r"--(test|bin|package) ([a-z_-]+)").expect("a pattern");
    let wrong = problems(|_, text| {
        argument
            .captures_iter(text)
            .filter(|found| !match &found[1] {
                "test" => root().join("tests").join(&found[2]).join("main.rs").exists(),
                "bin" => {
                    root().join(format!("tests/decisions/src/bin/{}.rs", &found[2])).exists()
                        || &found[2] == "connect-socket"
                }
                _ => root().join(&found[2]).join("Cargo.toml").exists(),
            })
            .map(|found| found[0].to_owned())
            .collect()
    });
    assert!(wrong.is_empty(), "no such suite or program: {wrong:#?}");
}

/// A span such as `--data-dir data` names a setting of the gateway; flags of other programs stand
/// after the program's name.
#[test]
fn every_setting_exists() {
    let command = Config::command();
    let flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let wrong = problems(|_, text| {
        let names = spans(text)
            .into_iter()
            .filter_map(|span| Some(span.strip_prefix("--")?.split([' ', '=']).next()?.to_owned()));
        names
            .filter(|name| {
                !name.is_empty()
                    && !flags.contains(&name.as_str())
                    && name != "help"
                    && name != "version"
            })
            .collect()
    });
    assert!(wrong.is_empty(), "no such setting: {wrong:#?}");
}

#[test]
fn the_readme_is_short() {
    let lines = page("README.md").lines().count();
    assert!(lines <= 150, "{lines} lines: move what not every reader needs to docs/");
}

/// The numbers that the README gives for other pages.
#[test]
fn the_counts_of_the_readme_are_true() {
    const WORDS: [&str; 13] = [
        "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let (clients, contributing) = (page("docs/clients.md"), page("CONTRIBUTING.md"));
    let rows = clients.lines().skip_while(|line| !line.starts_with("| language |")).skip(2);
    let languages = rows.map_while(|row| row.strip_prefix("| ")?.split(" |").next());
    let languages = languages.collect::<BTreeSet<_>>().len();
    let examples = contributing.lines().filter(|line| line.starts_with("### Add ")).count();
    let readme = page("README.md");
    for count in [
        format!("what works in {} languages", WORDS[languages]),
        format!("with {} worked examples", WORDS[examples]),
    ] {
        assert!(readme.contains(&count), "the README does not say: {count}");
    }
}
