//! Programs that are not Rust: Node, Python and what comes with them. `tests/run` installs them.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use crate::gateway::root;

/// A script of `tests/node`.
#[must_use]
pub fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.current_dir(root().join("tests/node")).arg(script);
    command
}

/// A script of `tests/python`.
#[must_use]
pub fn python(script: &str) -> Command {
    let folder = root().join("tests/python");
    let mut command = Command::new(folder.join(script));
    command.current_dir(folder);
    command
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("written");
    drop(stdin);
    child.wait_with_output().expect("its output")
}

/// Runs a program that must succeed, and gives its standard output.
///
/// # Panics
/// With its output, when it fails.
pub fn succeed(command: &mut Command, input: &str) -> String {
    let output = run(command, input);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed\n{out}\n{err}");
    out.into_owned()
}
