//! The files of `docs/deploy`, with the programs that read them.

mod service_manager;

use std::fs;

use tests::gateway::root;

/// A file of the project.
fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
