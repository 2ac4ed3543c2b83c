//! A deprecation as its author makes it: a copy of the sources with a deprecated operation, field and
//! problem type is built, and its documents, its responses and the review of the change are looked at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use openapi::{
    contract::Contract,
    diff,
    finding::{Effect, Finding},
    levels::Levels,
    oasdiff::Oasdiff,
};
use serde_json::Value;
use tests::{Gateway, gateway::root, tools::succeed};

/// What the author edits: a file, and what comes behind which text.
const EDITS: [(&str, &str, &str); 3] = [
    (
        "server/src/operations/prospects.rs",
        "operation_id = \"getProspect\",",
        "\n    extensions((\"x-deprecated-since\" = json!(\"2026-12-01\")), (\"x-sunset\" = json!(\"2027-06-30\"))),",
    ),
    (
        "api-types/src/operator.rs",
        "/// Messages that the prospect has not acknowledged.",
        "\n    ///\n    /// Deprecated: count the events.",
    ),
    (
        "api-types/src/problem.rs",
        "\"It never had a token, or its record has ended.\"",
        "\n        deprecated \"Expect `not-found`.\"",
    ),
];

/// The files of the project, those that are not committed yet included.
const LIST: [&str; 5] = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];

/// The version of the copy. Cargo would take a crate of the same name and version for the one under test.
const VERSION: &str = "99.0.0";

/// A source with another text in place of the only one such.
fn replaced(source: Vec<u8>, text: &str, other: &str) -> Vec<u8> {
    let source = String::from_utf8(source).expect("a source");
    assert_eq!(source.matches(text).count(), 1, "{text}");
    source.replace(text, other).into_bytes()
}

/// Copies them with the edits, to a folder that outlives a run: only what differs is built.
fn copy_sources(folder: &Path) {
    let mut list = Command::new("git");
    let listed = succeed(list.current_dir(root()).args(LIST), "");
    for name in listed.split_terminator('\0') {
        // A file that was removed is still listed until the next commit.
        let Ok(mut bytes) = fs::read(root().join(name)) else { continue };
        for (_, behind, added) in EDITS.iter().filter(|(file, ..)| *file == name) {
            bytes = replaced(bytes, behind, &format!("{behind}{added}"));
        }
        if name == "Cargo.toml" {
            let version = |version| format!("\nversion = \"{version}\"\n");
            bytes = replaced(bytes, &version(env!("CARGO_PKG_VERSION")), &version(VERSION));
        }
        let copy = folder.join(name);
        if fs::read(&copy).ok().as_ref() != Some(&bytes) {
            fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
            fs::write(copy, bytes).expect("written");
        }
    }
}

/// Builds the copy, and gives the folder of its programs.
fn build() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deprecated");
    copy_sources(&folder);
    let target = folder.join("target");
    let shared = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    let mut cargo = openapi::cargo::cargo();
    cargo.current_dir(&folder).args(["build", "--quiet", "--workspace", "--bins", "--offline"]);
    // Dependencies are those of the tests, and are not built again.
    cargo.env("CARGO_TARGET_DIR", &target).env("CARGO_BUILD_BUILD_DIR", shared);
    succeed(&mut cargo, "");
    target.join("debug")
}

fn review(before: &Path, after: &Path) -> Vec<Finding> {
    let contract = |folder: &Path| Contract::in_folder(folder).expect("a contract");
    let levels = Levels::in_folder(before).expect("levels");
    let oasdiff = Oasdiff::find(&levels).unwrap_or_else(|error| panic!("{error}"));
    diff::compare(&oasdiff, &levels, &contract(before), &contract(after)).expect("a comparison")
}

#[test]
#[ignore = "needs git and oasdiff, and builds a gateway"]
fn a_deprecated_operation_field_and_problem_type_are_announced_everywhere() {
    let programs = build();
    let folder = tempfile::tempdir().expect("a folder");
    let mut generate = Command::new(programs.join("openapi"));
    succeed(generate.args(["generate", "--folder"]).arg(folder.path()), "");

    for name in ["openapi.json", "openapi-3.0.json", "openapi-3.2.json"] {
        let text = fs::read_to_string(folder.path().join(name)).expect("a document");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let operation = &document["paths"]["/operator/prospects/{deviceTag}"]["get"];
        assert_eq!(operation["deprecated"], true, "{name}");
        let description = operation["description"].as_str().expect("a description");
        let days = "Deprecated since 2026-12-01. It may be removed from 2027-06-30 on.";
        assert!(description.ends_with(days), "{name}: {description}");
        let field = &document["components"]["schemas"]["Prospect"]["properties"]["unacknowledged"];
        assert_eq!(field["deprecated"], true, "{name}");
        let problems = document["x-problem-types"].as_array().expect("a list");
        let marked: Vec<_> = problems.iter().filter(|it| it["deprecated"] == true).collect();
        let [problem] = marked[..] else { panic!("{name}: one problem type: {marked:?}") };
        assert_eq!(problem["type"], "urn:connect-socket:problem:unknown-device", "{name}");
        assert_eq!(problem["description"], "Expect `not-found`.", "{name}");
        let refusal = operation["responses"]["404"]["description"].as_str().expect("a description");
        assert_eq!(
            refusal, "`unknown-device`: The device is unknown. Deprecated: Expect `not-found`.",
            "{name}"
        );
    }

    let gateway = Gateway::builder().program_at(&programs.join("connect-socket")).start();
    let key = format!("Bearer {}", gateway.operator_key);
    let call = gateway.call("GET", "/operator/prospects/nobody").header("authorization", &key);
    let answer = call.send();
    assert_eq!(answer.problem_name(), "unknown-device");
    assert_eq!(answer.header("deprecation"), "@1796083200");
    assert_eq!(answer.header("sunset"), "Wed, 30 Jun 2027 00:00:00 GMT");
    assert!(answer.header("link").contains("rel=\"deprecation\""));

    let findings = review(&root().join("openapi"), folder.path());
    assert!(findings.iter().all(|finding| finding.effect == Effect::Compatible), "{findings:#?}");
    for rule in [
        "endpoint-deprecated-with-sunset",
        "response-property-deprecated",
        "problem-type-deprecated",
    ] {
        assert!(findings.iter().any(|finding| finding.rule == rule), "{rule}: {findings:#?}");
    }
}
