//! The folder below `target/` in which a client is generated and compiled; it is emptied each time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;
use tests::{gateway::root, tools::succeed};

/// How long a generator, a compiler or a driver may take, in seconds.
const PATIENCE: &str = "600";

/// For a JVM that lives for seconds: what it does for the long run costs more than it brings.
pub const SHORT_LIVED_JVM: &str = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

/// A committed document, named by its version of `OpenAPI`.
#[derive(Clone, Copy)]
pub enum Document {
    /// `openapi-3.0.json`
    V30,
    /// `openapi.json`
    V31,
}

impl Document {
    /// The version.
    pub fn version(self) -> &'static str {
        match self {
            Self::V30 => "3.0",
            Self::V31 => "3.1",
        }
    }

    /// The file.
    pub fn path(self) -> PathBuf {
        let name = match self {
            Self::V30 => "openapi-3.0.json",
            Self::V31 => "openapi.json",
        };
        root().join("openapi").join(name)
    }
}

/// The folder of one client.
pub struct Workshop {
    /// What is committed for its language.
    source: PathBuf,
    /// Where it is made.
    folder: PathBuf,
}

impl Workshop {
    /// A folder with a copy of the files that are committed for a language.
    pub fn new(language: &str, client: &str) -> Self {
        let source = root().join("tests/clients").join(language);
        let folder = below_target(client);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the last run's folder goes");
        }
        fs::create_dir_all(&folder).expect("a folder");
        for entry in fs::read_dir(&source).expect("a language's folder") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("its type").is_file() {
                fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
            }
        }
        Self { source, folder }
    }

    /// Copies a file of another language's folder, too.
    pub fn with(self, file: &str) -> Self {
        let source = root().join("tests/clients").join(file);
        fs::copy(&source, self.path("").join(source.file_name().expect("a name"))).expect("copied");
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A path among what is committed or installed for the language.
    pub fn source(&self, name: &str) -> PathBuf {
        self.source.join(name)
    }

    /// Runs a program in the folder. It is to succeed; what it printed is given.
    pub fn run(&self, command: &mut Command) -> String {
        succeed(bounded(command).current_dir(&self.folder), "")
    }

    /// Generates the client with openapi-generator and the language's `openapi-generator.yaml`.
    pub fn openapi_generator(&self, document: Document) {
        let generator = root().join("tests/python/.venv/bin/openapi-generator-cli");
        self.run(
            Command::new(generator)
                .env("JAVA_TOOL_OPTIONS", SHORT_LIVED_JVM)
                .args(["generate", "-c", "openapi-generator.yaml", "-o", "generated", "-i"])
                .arg(document.path()),
        );
    }
}

/// A folder that outlives a run, for what would only be compiled again.
pub fn below_target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(name)
}

/// Every file below a folder that has this extension.
pub fn files(folder: &Path, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// The same command, ended when it takes too long.
fn bounded(command: &Command) -> Command {
    let mut bounded = Command::new("timeout");
    bounded.arg(PATIENCE).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    bounded
}

/// `name version`, by the file of `tests/clients` that pins it.
pub fn pinned(file: &str, name: &str) -> String {
    let text = fs::read_to_string(root().join("tests/clients").join(file)).expect("a file");
    let pin = format!(r#"(?m)^\W*{}["\s=:{{][^\d\n]*(\d[\w.]*)"#, regex::escape(name));
    let pin = Regex::new(&pin).expect("a pattern");
    let version = &pin.captures(&text).unwrap_or_else(|| panic!("no {name} in {file}"))[1];
    format!("{name} {version}")
}
