//! The committed documents and the program that writes them.

use std::{fs, process::Command};

use tempfile::TempDir;
use tests::{
    Gateway,
    gateway::{binary, root},
};

use crate::served::PATHS;

fn openapi(arguments: &[&str]) -> std::process::Output {
    let program = binary().with_file_name("openapi");
    Command::new(program).args(arguments).output().expect("it runs")
}

#[test]
fn served_and_committed_documents_are_the_same_bytes() {
    let gateway = Gateway::trial();
    for path in PATHS.into_iter().chain(["/asyncapi.json"]) {
        let committed = fs::read(root().join(format!("openapi{path}"))).expect("a document");
        assert!(gateway.get(path).body == committed, "{path}: cargo contract generate");
    }
}

#[test]
fn what_is_committed_is_what_the_code_generates() {
    let checked = openapi(&["check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn check_accepts_what_generate_writes() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path().to_str().expect("a path");
    assert!(openapi(&["--folder", folder, "generate"]).status.success());
    assert!(openapi(&["--folder", folder, "check"]).status.success());
}

#[test]
fn check_shows_the_difference_of_a_stale_document() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    assert!(openapi(&["--folder", path, "generate"]).status.success());
    let file = folder.path().join("openapi.json");
    let stale =
        fs::read_to_string(&file).expect("written").replace("A link to another user", "A link");
    fs::write(&file, stale).expect("changed");

    let checked = openapi(&["--folder", path, "check"]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success());
    assert!(
        said.contains(r#"-                        "description": "A link","#)
            || said.contains(r#""description": "A link","#),
        "{said}"
    );
    assert!(said.contains(r#"+            "description": "A link to another user","#), "{said}");
    assert!(said.contains("cargo contract update"), "{said}");
}

#[test]
fn check_refuses_a_missing_document() {
    let folder = TempDir::new().expect("a folder");
    let checked = openapi(&["--folder", folder.path().to_str().expect("a path"), "check"]);
    assert!(!checked.status.success());
}
