//! Hands the commit of the sources to `--version`, and the compiler's version to the metrics.

use std::{env, process::Command};

/// What the binary is built from. A change here runs this program again; a commit that changes
/// nothing here does not, and the binary stays the same.
const SOURCES: [&str; 6] =
    ["build.rs", "src", "web", "engine", "../api-types/src", "../Cargo.lock"];

fn main() {
    for path in SOURCES {
        println!("cargo:rerun-if-changed={path}");
    }
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = match commit() {
        Some(commit) => format!("{version} ({commit})"),
        // An archive of the sources has no commit.
        None => version,
    };
    println!("cargo:rustc-env=CONNECT_SOCKET_VERSION={version}");
    println!("cargo:rustc-env=CONNECT_SOCKET_RUSTC={}", compiler().unwrap_or_default());
}

/// The current commit, with `-dirty` where the sources differ from it.
fn commit() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&[&["status", "--porcelain", "--"], SOURCES.as_slice()].concat())?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// The version of the compiler, such as `1.95.0`.
fn compiler() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split(' ').nth(1).map(str::to_owned)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
