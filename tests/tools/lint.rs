//! Linters and validators find nothing in the committed documents.

use std::process::Command;

use tests::{
    gateway::root,
    tools::{node, succeed},
};

#[test]
#[ignore = "needs Node"]
fn spectral_and_redocly_find_nothing() {
    let openapi = root().join("openapi");
    let documents =
        ["openapi.json", "openapi-3.0.json", "openapi-3.2.json"].map(|name| openapi.join(name));
    succeed(node("lint.mjs").args(documents), "");
}

#[test]
#[ignore = "needs Node"]
fn the_linter_exceptions_apply_only_where_they_say() {
    succeed(node("--test").arg("lint.test.mjs"), "");
}

#[test]
#[ignore = "needs Node"]
fn the_asyncapi_parser_finds_nothing() {
    succeed(node("asyncapi.mjs").arg(root().join("openapi/asyncapi.json")), "");
}

#[test]
#[ignore = "needs Python"]
fn openapi_spec_validator_finds_nothing() {
    let validator = root().join("tests/python/.venv/bin/openapi-spec-validator");
    let openapi = root().join("openapi");
    succeed(
        Command::new(validator)
            .args([openapi.join("openapi.json"), openapi.join("openapi-3.0.json")]),
        "",
    );
}
