//! The tables of the documentation that follow from the contract and from the settings.

use std::{fs, path::Path};

use serde_json::Value;
use server::config::Config;

use crate::{contract::Contract, error::Error};

/// A table of a page, between the marks of its name.
pub struct Table {
    /// The page, from the root of the workspace.
    pub page: &'static str,
    /// The name in its marks.
    pub name: &'static str,
    /// Its lines.
    pub text: String,
}

/// Every table.
#[must_use]
pub fn tables(contract: &Contract) -> Vec<Table> {
    let socket = &contract.asyncapi["channels"]["socket"];
    let rules = &socket["x-client-rules"];
    let guide = "docs/guide.md";
    vec![
        Table { page: guide, name: "operations", text: operations(&contract.openapi) },
        Table { page: guide, name: "close codes", text: close_codes(&socket["x-close-codes"]) },
        Table { page: guide, name: "client rules", text: client_rules(rules) },
        Table { page: guide, name: "persist", text: persist(&rules["persist"]) },
        Table { page: "docs/operations.md", name: "settings", text: settings() },
    ]
}

/// The pages below `root` in which a table is out of date.
///
/// # Errors
/// When a page cannot be read, or has no place for its table.
pub fn stale(root: &Path, tables: &[Table]) -> Result<Vec<&'static str>, Error> {
    let mut stale = Vec::new();
    for table in tables {
        let (before, after) = table.in_page(root)?;
        if before != after && !stale.contains(&table.page) {
            stale.push(table.page);
        }
    }
    Ok(stale)
}

/// Writes the tables into the pages below `root`.
///
/// # Errors
/// When a page cannot be read or written, or has no place for its table.
pub fn write(root: &Path, tables: &[Table]) -> Result<(), Error> {
    for table in tables {
        let (_, text) = table.in_page(root)?;
        let path = root.join(table.page);
        fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

impl Table {
    /// The page as it is, and with this table between its marks.
    fn in_page(&self, root: &Path) -> Result<(String, String), Error> {
        let path = root.join(self.page);
        let page = fs::read_to_string(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let Self { name, text, .. } = self;
        let (first, last) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let around = page.split_once(&first).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(&last)?;
            Some((before, after))
        });
        let Some((before, after)) = around else { return Err(Error::NoTable { path, name }) };
        let updated = format!("{before}{first}{text}{last}{after}");
        Ok((page, updated))
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&head.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>());
    text.extend(["|", &"---|".repeat(head.len()), "\n"]);
    text.extend(rows.map(|cells| line(&cells)));
    text
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn operations(openapi: &Value) -> String {
    let paths = openapi["paths"].as_object().into_iter().flatten();
    let rows = paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(method, operation)| {
            vec![
                format!("`{} {path}`", method.to_uppercase()),
                format!("`{}`", text(&operation["operationId"])),
                text(&operation["tags"][0]),
                text(&operation["summary"]),
            ]
        })
    });
    table(&["operation", "id", "who", "what"], rows)
}

fn close_codes(codes: &Value) -> String {
    let rows = codes.as_array().into_iter().flatten().map(|code| {
        let retry = &code["retryAfterMs"];
        let back = match code["policy"].as_str().unwrap_or_default() {
            "never" => "no".to_owned(),
            "back-off" => "after a back-off".to_owned(),
            _ if retry["maximum"] == 0 => "at once (`retryAfterMs` is 0)".to_owned(),
            _ => format!("after `retryAfterMs`, {} to {}", retry["minimum"], retry["maximum"]),
        };
        let bye = if code["bye"] == true { "yes" } else { "no" };
        vec![code["code"].to_string(), text(&code["description"]), bye.to_owned(), back]
    });
    table(&["code", "when", "`bye`", "should the client come back by itself?"], rows)
}

fn client_rules(rules: &Value) -> String {
    let rows = ["reconnecting", "ping", "resending"].into_iter().map(|name| {
        let rule = &rules[name];
        let mut numbers = Vec::new();
        for (name, value) in rule.as_object().into_iter().flatten() {
            match value {
                Value::Object(members) => {
                    numbers.extend(members.iter().map(|(name, value)| format!("`{name}` {value}")));
                }
                Value::Number(number) => numbers.push(format!("`{name}` {number}")),
                Value::String(text) if name != "description" => {
                    numbers.push(format!("`{name}` `{text}`"));
                }
                _ => {}
            }
        }
        vec![format!("**{name}**: {}", text(&rule["description"])), numbers.join(", ")]
    });
    table(&["rule", "numbers"], rows)
}

fn persist(kept: &Value) -> String {
    let kept = kept.as_array().into_iter().flatten();
    table(&["what", "why"], kept.map(|kept| vec![text(&kept["what"]), text(&kept["why"])]))
}

fn settings() -> String {
    let command = Config::command();
    let rows = command.get_arguments().filter_map(|argument| {
        let default: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default =
            if default.is_empty() { String::new() } else { format!("`{}`", default.join(",")) };
        Some(vec![
            format!("`--{}`", argument.get_long()?),
            format!("`{}`", argument.get_env()?.to_string_lossy()),
            default,
            argument.get_help()?.to_string(),
        ])
    });
    table(&["flag", "variable", "default", "what"], rows)
}
