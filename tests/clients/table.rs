//! The table of `docs/clients.md`: each run compares what it finds with its row.

use std::{fs, sync::Mutex};

use tests::gateway::root;

use crate::workshop::Document;

const HEAD: &str = "\
| language | generator | from | generates | compiles | types the problem | tells absent from null | reads events | works live |
|---|---|---|---|---|---|---|---|---|
";

/// Every client, in the order of the table: language and the first word of its generator.
const CLIENTS: &[(&str, &str)] = &[
    ("TypeScript", "openapi-typescript"),
    ("TypeScript", "@hey-api/openapi-ts"),
    ("TypeScript", "orval"),
    ("TypeScript", "openapi-generator-cli"),
    ("Python", "openapi-generator-cli"),
    ("Python", "openapi-python-client"),
    ("Go", "openapi-generator-cli"),
    ("Go", "oapi-codegen"),
    ("Go", "ogen"),
    ("Java", "openapi-generator-cli"),
    ("Rust", "progenitor"),
    ("C#", "openapi-generator-cli"),
    ("Kotlin", "openapi-generator-cli"),
    ("PHP", "openapi-generator-cli"),
    ("Ruby", "openapi-generator-cli"),
];

/// A yes with nothing to add.
pub const YES: &str = "yes";

/// A no without a reason.
pub const NO: &str = "no";

/// The cell of a question that no driver tried.
pub const NOT_TRIED: &str = "not tried";

/// The cell of an observation: a bare yes, or what there is to add.
pub fn told(seen: bool, otherwise: &'static str) -> &'static str {
    if seen { YES } else { otherwise }
}

/// One client, as a run found it.
pub struct Row {
    /// The language.
    pub language: &'static str,
    /// The generator, with its version.
    pub generator: String,
    /// The document that it was given.
    pub from: Document,
    /// How it compiles.
    pub compiles: &'static str,
    /// Whether its own errors hold a `Problem`.
    pub types_the_problem: &'static str,
    /// Whether it can leave a nullable member out and can send null.
    pub tells_absent_from_null: &'static str,
    /// Whether it has types for the event stream, and its driver read it.
    pub reads_events: &'static str,
    /// Whether its driver did all that a driver does.
    pub works_live: &'static str,
}

impl Row {
    fn text(&self) -> String {
        let cells = [
            self.language,
            &self.generator,
            self.from.version(),
            // A client that is not generated has no row: its test fails.
            YES,
            self.compiles,
            self.types_the_problem,
            self.tells_absent_from_null,
            self.reads_events,
            self.works_live,
        ];
        format!("| {} |", cells.join(" | "))
    }

    /// Compares the row with the page's; `DOCS=write` writes it.
    pub fn hold(&self) {
        // Tests run side by side, and each writes its row into the same file.
        static PAGE: Mutex<()> = Mutex::new(());
        let _one_at_a_time = PAGE.lock();
        let path = root().join("docs/clients.md");
        let text = fs::read_to_string(&path).expect("the page of clients");
        let start = format!("| {} | {} ", self.language, first_word(&self.generator));
        let found = text.lines().find(|line| line.starts_with(&start));
        let found = found.unwrap_or_else(|| panic!("no row {start}"));
        if std::env::var_os("DOCS").is_some_and(|value| value == "write") {
            fs::write(path, text.replace(found, &self.text())).expect("written");
            return;
        }
        assert_eq!(
            found,
            self.text(),
            "DOCS=write cargo test -p tests --test clients -- --include-ignored"
        );
    }
}

fn first_word(generator: &str) -> &str {
    generator.split(' ').next().unwrap_or_default()
}

#[test]
fn the_table_of_clients_has_a_row_for_each() {
    let text = fs::read_to_string(root().join("docs/clients.md")).expect("the page of clients");
    let table = text.split("<!-- clients -->\n").nth(1).expect("its first mark");
    let table = table.split("<!-- /clients -->").next().expect("its last mark");
    let rows = table.strip_prefix(HEAD).expect("its head").lines();
    let found: Vec<_> = rows
        .map(|row| {
            let mut cells = row.trim_start_matches("| ").split(" | ");
            (cells.next().unwrap_or_default(), first_word(cells.next().unwrap_or_default()))
        })
        .collect();
    assert_eq!(found, CLIENTS);
}
