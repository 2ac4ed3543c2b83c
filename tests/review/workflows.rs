//! The workflows of the forge: pinned, and without rights where the code of strangers runs.

use std::{fs, process::Command};

use saphyr::{LoadableYamlNode, Yaml};
use tests::{gateway::root, tools::succeed};

/// The workflows by their file name, each with its text.
fn workflows() -> Vec<(String, String)> {
    let folder = fs::read_dir(root().join(".github/workflows")).expect("a folder");
    let mut found: Vec<(String, String)> = folder
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a workflow"))
        })
        .collect();
    found.sort();
    found
}

fn workflow(name: &str) -> String {
    fs::read_to_string(root().join(".github/workflows").join(name)).expect("a workflow")
}

fn parsed(text: &str) -> Yaml<'_> {
    Yaml::load_from_str(text).expect("YAML").remove(0)
}

/// The member of a mapping.
fn get<'a, 'b>(node: &'a Yaml<'b>, name: &str) -> Option<&'a Yaml<'b>> {
    node.as_mapping_get(name)
}

/// The names and values of a mapping of texts.
fn texts(node: &Yaml<'_>) -> Vec<(String, String)> {
    let mapping = node.as_mapping().expect("a mapping");
    let text = |node: &Yaml<'_>| node.as_str().expect("a text").to_owned();
    mapping.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn names(node: &Yaml<'_>) -> Vec<String> {
    let mapping = node.as_mapping().expect("a mapping");
    mapping.keys().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn jobs<'a, 'b>(workflow: &'a Yaml<'b>) -> Vec<&'a Yaml<'b>> {
    let jobs = get(workflow, "jobs").and_then(Yaml::as_mapping).expect("jobs");
    jobs.values().collect()
}

fn steps<'a, 'b>(workflow: &'a Yaml<'b>) -> Vec<&'a Yaml<'b>> {
    let all = jobs(workflow);
    all.into_iter().filter_map(|job| get(job, "steps")?.as_sequence()).flatten().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn actions_are_pinned_by_their_commit() {
    for (name, text) in workflows() {
        let workflow = parsed(&text);
        let used = jobs(&workflow).into_iter().chain(steps(&workflow));
        for action in used.filter_map(|node| get(node, "uses")?.as_str()) {
            let commit = action.split_once('@').map(|(_, commit)| commit);
            let is_commit = |commit: &str| {
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            assert!(action.starts_with("./") || commit.is_some_and(is_commit), "{name}: {action}");
        }
    }
}

/// An expression is pasted into the script before a shell reads it.
#[test]
fn no_script_contains_an_expression() {
    for (name, text) in workflows() {
        for script in steps(&parsed(&text)).iter().filter_map(|step| get(step, "run")?.as_str()) {
            assert!(!script.contains("${{"), "{name}: {script}");
        }
    }
}

/// What a fork's pull request starts has a token that can only read, and no secret.
#[test]
fn no_workflow_runs_a_strangers_code_with_rights() {
    for (name, text) in workflows() {
        assert!(!text.contains("secrets.") && !text.contains("secrets:"), "{name}");
        let workflow = parsed(&text);
        let triggers = names(get(&workflow, "on").expect("triggers"));
        assert!(!triggers.contains(&"pull_request_target".to_owned()), "{name}");
        if triggers == ["workflow_run"] {
            continue;
        }
        let permissions = texts(get(&workflow, "permissions").expect("permissions"));
        assert_eq!(permissions, pairs(&[("contents", "read")]), "{name}");
        for job in jobs(&workflow) {
            assert!(get(job, "permissions").is_none(), "{name}: a job asks for more");
        }
        for checkout in steps(&workflow) {
            let action = get(checkout, "uses").and_then(Yaml::as_str).unwrap_or_default();
            if action.starts_with("actions/checkout@") {
                let persisted =
                    get(checkout, "with").and_then(|with| get(with, "persist-credentials"));
                assert_eq!(persisted.and_then(Yaml::as_bool), Some(false), "{name}");
            }
        }
    }
}

#[test]
fn the_workflow_that_may_write_runs_only_what_the_default_branch_has() {
    let text = workflow("contract-comment.yml");
    let workflow = parsed(&text);
    assert_eq!(names(get(&workflow, "on").expect("triggers")), ["workflow_run"]);
    assert_eq!(texts(get(&workflow, "permissions").expect("permissions")), pairs(&[]));
    let jobs = jobs(&workflow);
    let [job] = jobs[..] else { panic!("one job") };
    let permissions = texts(get(job, "permissions").expect("permissions"));
    let expected = [("actions", "read"), ("contents", "read"), ("pull-requests", "write")];
    assert_eq!(permissions, pairs(&expected));
    let condition = get(job, "if").and_then(Yaml::as_str).expect("a condition");
    assert!(condition.starts_with("github.event.workflow_run.event == 'pull_request' && "));

    let steps = steps(&workflow);
    let [checkout, download, comment] = steps[..] else { panic!("three steps") };
    let option = |step, name| get(get(step, "with").expect("options"), name).and_then(Yaml::as_str);
    assert_eq!(option(checkout, "ref"), Some("${{ github.event.repository.default_branch }}"));
    assert!(option(checkout, "repository").is_none());
    // Outside of the checkout, so that nothing of the artifact replaces the script.
    assert_eq!(option(download, "path"), Some("${{ runner.temp }}/review"));
    assert_eq!(option(download, "run-id"), Some("${{ github.event.workflow_run.id }}"));
    let script = get(comment, "run").and_then(Yaml::as_str);
    assert_eq!(script, Some(".github/comment-on-review \"$RUNNER_TEMP/review/report.md\""));
    let variables = texts(get(comment, "env").expect("variables"));
    let event = |name| format!("${{{{ github.event.workflow_run.{name} }}}}");
    assert_eq!(
        variables,
        pairs(&[
            ("GITHUB_TOKEN", "${{ github.token }}"),
            ("HEAD_REPOSITORY_OWNER", &event("head_repository.owner.login")),
            ("HEAD_BRANCH", &event("head_branch")),
            ("HEAD_SHA", &event("head_sha")),
            ("RUN_URL", &event("html_url")),
        ])
    );
}

/// The names by which the two workflows find each other.
#[test]
fn the_comment_follows_the_review() {
    let (review, comment) = (workflow("contract.yml"), workflow("contract-comment.yml"));
    let (review, comment) = (parsed(&review), parsed(&comment));
    let name = get(&review, "name").and_then(Yaml::as_str).expect("a name");
    let trigger = get(get(&comment, "on").expect("triggers"), "workflow_run").expect("a trigger");
    let followed = get(trigger, "workflows").and_then(Yaml::as_sequence).expect("workflows");
    assert_eq!(followed.iter().map(Yaml::as_str).collect::<Vec<_>>(), [Some(name)]);
    let option = |workflow: &Yaml<'_>, action: &str, option: &str| {
        let steps = steps(workflow);
        let uses = |step: &&&Yaml<'_>| {
            get(step, "uses").and_then(Yaml::as_str).is_some_and(|used| used.starts_with(action))
        };
        let step = steps.iter().find(uses).expect("the step");
        get(get(step, "with").expect("options"), option).and_then(Yaml::as_str).map(str::to_owned)
    };
    assert_eq!(
        option(&review, "actions/upload-artifact@", "name"),
        option(&comment, "actions/download-artifact@", "pattern")
    );
}

#[test]
#[ignore = "needs git, jq, Node and Java, and builds a client's generator"]
fn each_client_has_the_difference_of_its_types() {
    let mut script = Command::new(root().join("openapi/client-types"));
    let printed = succeed(script.arg("HEAD"), "");
    for client in ["typescript", "python", "go", "java", "rust"] {
        let named = printed.matches(&format!("he types of the {client} client")).count();
        assert_eq!(named, 1, "{client}: {printed}");
    }
}

#[test]
#[ignore = "needs actionlint"]
fn actionlint_finds_nothing() {
    let folder = root();
    let actionlint = folder.join("target/tools/bin/actionlint");
    let mut command = Command::new(actionlint);
    command.current_dir(&folder).args(["-no-color", "-shellcheck=", "-pyflakes="]);
    for (name, _) in workflows() {
        command.arg(format!(".github/workflows/{name}"));
    }
    assert_eq!(succeed(&mut command, ""), "");
}
