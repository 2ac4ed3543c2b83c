//! What a reviewer reads, and the program that prints it.

use std::process::{Command, Output};

use serde_json::{Value, json};
use tests::gateway::root;

use crate::scratch::Scratch;

/// The schema of a body.
fn schema<'a>(document: &'a mut Value, name: &str) -> &'a mut Value {
    &mut document["components"]["schemas"][name]
}

fn tighten(document: &mut Value) {
    schema(document, "ConnectSocketRequest")["properties"]["halfRef"]["maxLength"] = json!(256);
}

fn assert_says(report: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(report.contains(sentence), "{sentence}\nis not in\n{report}");
    }
}

#[test]
#[ignore = "needs oasdiff and git"]
fn it_says_what_changed_for_whom_it_breaks_from_what_to_what_and_who_uses_it() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", tighten);
    let review = scratch.review();
    assert!(review.refused);
    assert_says(
        &review.report,
        &[
            "# The contract: 1 breaking change\n",
            "### The `halfRef` request property's maxLength was decreased to `256`",
            "Breaks clients **on the wire**, in the request",
            "Used by `connectSocket` POST /prospect/connectsocket\n",
            "Rule `request-property-max-length-decreased`",
            "```diff\n- \"maxLength\": 512\n+ \"maxLength\": 256\n```",
        ],
    );
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_change_of_what_many_operations_use_is_said_once() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", |document| {
        schema(document, "Problem")["properties"]["detail"]["type"] = json!("integer");
    });
    let report = scratch.review().report;
    assert_eq!(report.matches("\n### ").count(), 1, "{report}");
    assert_says(&report, &["- Used by `", " (400, 401, ", " more\n"]);
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_name_that_generators_use_breaks_source() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", |document| {
        document["paths"]["/token"]["put"]["operationId"] = json!("askForToken");
    });
    assert_says(&scratch.review().report, &["Breaks **generated source**", "`askForToken`"]);
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_closed_object_is_shown_as_it_is_written() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", |document| {
        schema(document, "DeviceData")["additionalProperties"] = json!(false);
    });
    let report = scratch.review().report;
    assert_says(
        &report,
        &["added 'additionalProperties' constraint", "\"additionalProperties\": false"],
    );
    assert!(!report.to_lowercase().contains("unevaluated'"), "{report}");
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_frame_is_named_with_its_direction() {
    let scratch = Scratch::new();
    scratch.edit("asyncapi.json", |document| {
        schema(document, "AckFrame")["properties"]["seq"]["minimum"] = json!(2);
    });
    assert_says(
        &scratch.review().report,
        &["in what the prospect sends", "Used by fromProspect: `ack`", "+ \"minimum\": 2"],
    );
}

#[test]
#[ignore = "needs oasdiff and git"]
fn prose_is_nothing_that_a_client_can_notice() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", |document| {
        document["info"]["description"] = json!("Other words.");
    });
    let review = scratch.review();
    assert!(!review.refused, "{}", review.report);
    assert_says(&review.report, &["# The contract: nothing that a client can notice"]);
}

/// What the base branch got after this one left it is no part of this change.
#[test]
#[ignore = "needs oasdiff and git"]
fn it_compares_with_where_the_branch_began() {
    let scratch = Scratch::new();
    scratch.git(&["checkout", "--quiet", "-b", "other"]);
    scratch.edit("openapi.json", tighten);
    scratch.commit();
    scratch.git(&["branch", "--force", "grown"]);
    scratch.git(&["checkout", "--quiet", "main"]);
    let review = openapi::review::review(&scratch.path(), "grown", std::time::SystemTime::now());
    assert!(!review.expect("a review").refused);
}

fn program(scratch: &Scratch, revision: &str) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["run", "--quiet", "--package", "openapi", "--locked", "--"]);
    command.args(["diff", revision, "--folder"]).arg(scratch.path());
    command.output().expect("cargo runs")
}

#[test]
#[ignore = "needs oasdiff and git"]
fn the_programs_exit_code_is_the_verdict() {
    let scratch = Scratch::new();
    let alike = program(&scratch, "base");
    assert_eq!(alike.status.code(), Some(0), "{alike:?}");
    scratch.edit("openapi.json", tighten);
    let broken = program(&scratch, "base");
    assert_eq!(broken.status.code(), Some(1), "{broken:?}");
    assert_says(&String::from_utf8_lossy(&broken.stdout), &["# The contract: 1 breaking change"]);
    let unknown = program(&scratch, "no-such-revision");
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(unknown.stdout.is_empty(), "{unknown:?}");
    assert_says(&String::from_utf8_lossy(&unknown.stderr), &["git: "]);
}
