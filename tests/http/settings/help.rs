//! `--help` and `--version`.

use std::process::Command;

use server::config::Config;
use tests::gateway::{binary, root};

use crate::OPERATOR_KEY;

fn help() -> String {
    let output = Command::new(binary()).arg("--help").output().expect("help");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn help_names_every_flag_its_variable_and_its_default() {
    let help = help();
    for argument in Config::command().get_arguments() {
        let flag = argument.get_long().expect("a flag");
        assert!(help.contains(&format!("--{flag}")), "{flag}");
        if let Some(variable) = argument.get_env() {
            assert!(help.contains(&format!("[env: {}", variable.display())), "{flag}");
        }
        for default in argument.get_default_values() {
            assert!(help.contains(&format!("[default: {}]", default.display())), "{flag}");
        }
    }
}

#[test]
fn help_explains_every_flag() {
    for argument in Config::command().get_arguments() {
        assert!(argument.get_help().is_some(), "{argument}");
    }
}

#[test]
fn help_does_not_show_the_operator_key_of_the_environment() {
    let output = Command::new(binary())
        .arg("--help")
        .env("CONNECTSOCKET_OPERATOR_KEY", OPERATOR_KEY)
        .output()
        .expect("help");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("CONNECTSOCKET_OPERATOR_KEY"));
    assert!(!help.contains(OPERATOR_KEY));
}

#[test]
fn version_prints_name_version_and_commit() {
    let output = Command::new(binary()).arg("--version").output();
    let printed = String::from_utf8(output.expect("a version").stdout).expect("UTF-8");
    let start = format!("connect-socket {} (", env!("CARGO_PKG_VERSION"));
    let commit = printed.strip_prefix(&start).and_then(|rest| rest.strip_suffix(")\n"));
    let commit = commit.unwrap_or_else(|| panic!("{printed}")).trim_end_matches("-dirty");
    let known = Command::new("git")
        .args(["cat-file", "-e", &format!("{commit}^{{commit}}")])
        .current_dir(root())
        .status();
    assert!(known.expect("git runs").success(), "{commit}");
}
