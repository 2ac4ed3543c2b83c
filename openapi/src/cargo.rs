//! Cargo, run by a program that Cargo runs.

use std::{env, process::Command};

/// Cargo as from a terminal. What it tells the program that it runs, build scripts of dependencies
/// (such as ring's) take for a change of theirs: everything above them would be rebuilt each time.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if name.to_str().is_some_and(|name| told.iter().any(|told| name.starts_with(told))) {
            command.env_remove(name);
        }
    }
    command
}
