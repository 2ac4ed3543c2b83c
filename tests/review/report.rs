//! The report of a review, and the exit codes of the program that prints it.

use std::process::Output;

use openapi::{report::Format, review::Base};
use serde_json::{Value, json};
use tests::gateway::root;

use crate::scratch::Scratch;

/// A shared schema.
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
fn a_finding_names_the_change_its_effect_its_users_and_both_versions_of_the_lines() {
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
fn a_change_of_a_shared_schema_is_reported_once() {
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
fn a_changed_operation_id_breaks_generated_source() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", |document| {
        document["paths"]["/token"]["put"]["operationId"] = json!("askForToken");
    });
    assert_says(&scratch.review().report, &["Breaks **generated source**", "`askForToken`"]);
}

#[test]
#[ignore = "needs oasdiff and git"]
fn a_closed_object_is_shown_as_the_document_writes_it() {
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
fn a_finding_on_a_frame_names_its_direction() {
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
fn a_finding_on_an_event_names_its_kind() {
    let scratch = Scratch::new();
    scratch.edit("asyncapi.json", |document| {
        schema(document, "ExpiredEvent")["properties"]["seq"]["minimum"] = json!(0);
        let fields = &mut document["components"]["messages"]["MessageEvent"]["headers"];
        fields["properties"]["id"]["maxLength"] = json!(128);
        let request = &mut document["operations"]["releaseEvents"]["bindings"]["http"];
        request["query"]["properties"]["through"]["maxLength"] = json!(32);
    });
    let report = scratch.review().report;
    assert!(!report.contains("(200)"), "{report}");
    assert_says(
        &report,
        &[
            "Used by toOperator: `expired`",
            "Used by toOperator: the fields of `message`",
            "Used by releaseEvents: the request to /operator/events",
        ],
    );
}

#[test]
#[ignore = "needs oasdiff and git"]
fn changed_prose_is_not_a_finding() {
    let scratch = Scratch::new();
    scratch.edit("openapi.json", |document| {
        document["info"]["description"] = json!("Other words.");
    });
    let review = scratch.review();
    assert!(!review.refused, "{}", review.report);
    assert_says(&review.report, &["# The contract: no change that a client can notice"]);
}

/// Later commits of the base branch are not part of the change.
#[test]
#[ignore = "needs oasdiff and git"]
fn the_contract_is_compared_with_the_merge_base() {
    let scratch = Scratch::new();
    scratch.git(&["checkout", "--quiet", "-b", "other"]);
    scratch.edit("openapi.json", tighten);
    scratch.commit();
    scratch.git(&["branch", "--force", "ahead"]);
    scratch.git(&["checkout", "--quiet", "main"]);
    let review = openapi::review::review(
        &scratch.path(),
        &Base::Revision("ahead"),
        Format::Markdown,
        std::time::SystemTime::now(),
    );
    assert!(!review.expect("a review").refused);
}

fn program(scratch: &Scratch, revision: &str) -> Output {
    let mut command = openapi::cargo::cargo();
    command.current_dir(root()).args(["run", "--quiet", "--package", "openapi", "--locked", "--"]);
    command.args(["diff", revision, "--folder"]).arg(scratch.path());
    command.output().expect("cargo runs")
}

#[test]
#[ignore = "needs oasdiff and git"]
fn the_exit_code_of_the_program_is_the_verdict() {
    let scratch = Scratch::new();
    let unchanged = program(&scratch, "base");
    assert_eq!(unchanged.status.code(), Some(0), "{unchanged:?}");
    scratch.edit("openapi.json", tighten);
    let breaking = program(&scratch, "base");
    assert_eq!(breaking.status.code(), Some(1), "{breaking:?}");
    assert_says(&String::from_utf8_lossy(&breaking.stdout), &["# The contract: 1 breaking change"]);
    let unknown = program(&scratch, "no-such-revision");
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(unknown.stdout.is_empty(), "{unknown:?}");
    assert_says(&String::from_utf8_lossy(&unknown.stderr), &["git: "]);
}

#[test]
#[ignore = "needs oasdiff and git"]
fn update_plans_the_lowest_version_that_the_change_allows() {
    let scratch = Scratch::new();
    let update = |version: Option<&str>| {
        let mut command = openapi::cargo::cargo();
        command.current_dir(root());
        command.args(["run", "--quiet", "--package", "openapi", "--locked", "--", "update"]);
        command.args(["--dry-run", "--against", "base"]);
        command.args(version.map(|version| ["--version", version]).iter().flatten());
        command.arg("--folder").arg(scratch.path()).output().expect("cargo runs")
    };
    let unchanged = update(None);
    assert_eq!(unchanged.status.code(), Some(0), "{unchanged:?}");
    let current = Scratch::version();
    let steps = String::from_utf8_lossy(&unchanged.stderr).into_owned();
    // The scratch folder has two of the documents, and both are up to date.
    assert_eq!(
        steps,
        format!(
            "version {current} stays\n\
             would do: write openapi/openapi-3.0.json, openapi/openapi-3.2.json, openapi/properties.md\n\
             would do: cargo update --workspace in .\n\
             would do: cargo update --workspace in tests/fuzz\n\
             would do: cargo update --workspace in tests/clients/rust\n"
        )
    );
    assert_eq!(scratch.git(&["status", "--short"]), "");

    // The history had a wider request than the code has: the code breaks it.
    scratch.edit("openapi.json", |document| {
        schema(document, "ConnectSocketRequest")["properties"]["halfRef"]["maxLength"] = json!(600);
    });
    scratch.commit();
    scratch.git(&["tag", "--force", "base"]);
    let next = Scratch::version_after_breaking();
    let breaking = update(None);
    assert_eq!(breaking.status.code(), Some(1), "{breaking:?}");
    let steps = String::from_utf8_lossy(&breaking.stderr).into_owned();
    assert!(steps.starts_with(&format!("version {current} -> {next}\n")), "{steps}");
    let version = "would do: write the version into Cargo.toml and server/web/package.json\n";
    let documents = "would do: write openapi/openapi.json, openapi/";
    let refused = "the review refuses this change";
    assert_says(
        &steps,
        &[version, documents, "in tests/fuzz\n", "in tests/clients/rust\n", refused],
    );
    assert_eq!(scratch.git(&["status", "--short"]), "");
    let report = String::from_utf8_lossy(&breaking.stdout).into_owned();
    assert_says(&report, &["# The contract: 1 breaking change", &format!("{current} → {next}.")]);

    let too_low = update(Some(&current.to_string()));
    assert_eq!(too_low.status.code(), Some(2), "{too_low:?}");
    assert_says(&String::from_utf8_lossy(&too_low.stderr), &["is too low", &next]);
}

#[test]
#[ignore = "needs oasdiff and git"]
fn update_prints_the_review_and_the_step_that_fails() {
    let scratch = Scratch::new();
    let mut command = openapi::cargo::cargo();
    command.current_dir(root());
    command.args(["run", "--quiet", "--package", "openapi", "--locked", "--", "update"]);
    command.args(["--against", "base", "--folder"]).arg(scratch.path());
    let update = command.output().expect("cargo runs");
    assert_eq!(update.status.code(), Some(2), "{update:?}");
    assert_says(&String::from_utf8_lossy(&update.stdout), &["# The contract: no change"]);
    // It has the documents, and no workspace.
    assert!(scratch.path().join("openapi-3.0.json").exists());
    let failed = "this step failed: cargo update --workspace in .\n";
    let left = "Not taken: cargo update --workspace in tests/fuzz; cargo update --workspace in \
                tests/clients/rust. To take all of them, run this again.\n";
    assert_says(&String::from_utf8_lossy(&update.stderr), &[failed, left]);
}
