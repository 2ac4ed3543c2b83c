//! The comment on a pull request: the real script against a program that plays the forge.

mod api;

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Output},
};

use api::{BOT, Forge, REPOSITORY, TOKEN};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::gateway::root;

const PULL: u64 = 7;
const SHA: &str = "1111111111111111111111111111111111111111";
const BRANCH: &str = "a branch&state=closed#+%";
const MARKER: &str = "<!-- contract-review -->";

fn pull(number: u64, sha: &str, repository: &str) -> Value {
    json!({
        "number": number,
        "state": "open",
        "head": {"label": format!("stranger:{BRANCH}"), "sha": sha},
        "base": {"repo": {"full_name": repository}},
    })
}

/// A forge with one pull request, from a fork, without comments.
fn forge() -> Forge {
    let forge = Forge::start();
    forge.state().pulls.push(pull(PULL, SHA, REPOSITORY));
    forge.state().comments.insert(PULL, Vec::new());
    forge
}

fn script(forge: &Forge, report: &std::path::Path) -> Output {
    Command::new(root().join(".github/comment-on-review"))
        .arg(report)
        .env("GITHUB_API_URL", format!("http://{}", forge.address))
        .env("GITHUB_REPOSITORY", REPOSITORY)
        .env("GITHUB_TOKEN", TOKEN)
        .env("HEAD_REPOSITORY_OWNER", "stranger")
        .env("HEAD_BRANCH", BRANCH)
        .env("HEAD_SHA", SHA)
        .env("RUN_URL", "https://forge.example/runs/1")
        .env("NO_PROXY", "*")
        .output()
        .expect("the script starts")
}

fn comment(forge: &Forge, report: impl AsRef<[u8]>) -> Output {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("report.md");
    fs::write(&path, report).expect("written");
    let output = script(forge, &path);
    for text in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(text).contains(TOKEN), "{output:?}");
    }
    output
}

fn assert_comments(forge: &Forge, report: impl AsRef<[u8]>) {
    let output = comment(forge, report);
    assert!(output.status.success(), "{output:?}");
}

fn assert_fails(output: &Output, reason: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(reason), "{output:?}");
}

/// The requests that change something.
fn changes(forge: &Forge) -> Vec<String> {
    let requests = forge.state().requests.clone();
    requests.into_iter().filter(|request| !request.starts_with("GET")).collect()
}

#[test]
#[ignore = "needs curl and jq"]
fn the_first_review_creates_the_comment_and_later_ones_update_it() {
    let forge = forge();
    for report in ["# One\n\nÄ `x` ✓\n", "# Two\n", "# Three\n"] {
        assert_comments(&forge, report);
        let state = forge.state();
        let [(author, text)] = state.comments_on(PULL)[..] else { panic!("one comment") };
        assert_eq!(author, BOT);
        assert!(text.starts_with(&format!("{MARKER}\n")), "{text}");
        assert!(text.contains("[this run](https://forge.example/runs/1)"), "{text}");
        assert!(text.ends_with(report), "{text}");
    }
    let expected = [
        format!("POST /repos/{REPOSITORY}/issues/{PULL}/comments"),
        format!("PATCH /repos/{REPOSITORY}/issues/comments/1000"),
        format!("PATCH /repos/{REPOSITORY}/issues/comments/1000"),
    ];
    assert_eq!(changes(&forge), expected);
}

#[test]
#[ignore = "needs curl and jq"]
fn the_comment_is_found_on_a_later_page() {
    let forge = forge();
    for number in 0..250 {
        forge.state().add_comment(PULL, "reader", &format!("Comment {number}"));
    }
    forge.state().add_comment(PULL, BOT, &format!("{MARKER}\nThe last review"));
    assert_comments(&forge, "# The next\n");
    assert_eq!(changes(&forge), [format!("PATCH /repos/{REPOSITORY}/issues/comments/1250")]);
    assert_eq!(forge.state().requests.len(), 1 + 3 + 1);
    // A full last page is followed by an empty one.
    forge.state().comments.get_mut(&PULL).expect("comments").truncate(200);
    assert_comments(&forge, "# Another\n");
    assert_eq!(forge.state().comments_on(PULL).len(), 201);
}

#[test]
#[ignore = "needs curl and jq"]
fn pages_without_an_end_are_an_error() {
    let forge = forge();
    forge.state().add_comment(PULL, "reader", "Again");
    forge.state().endless = true;
    assert_fails(&comment(&forge, "# A review\n"), "More than 30 pages");
    assert_eq!(changes(&forge), [""; 0]);
}

#[test]
#[ignore = "needs curl and jq"]
fn comments_of_others_stay_whatever_they_say() {
    let forge = forge();
    let forged = format!("{MARKER}\nEverything is fine.");
    let quoted = format!("It said {MARKER}");
    forge.state().add_comment(PULL, "stranger", &forged);
    forge.state().add_comment(PULL, BOT, &quoted);
    assert_comments(&forge, "# A review\n");
    let state = forge.state();
    let comments = state.comments_on(PULL);
    assert_eq!(comments.len(), 3);
    assert_eq!(comments[..2], [("stranger", &*forged), (BOT, &*quoted)]);
}

#[test]
#[ignore = "needs curl and jq"]
fn the_pull_request_is_the_one_whose_newest_commit_was_reviewed() {
    let forge = forge();
    let older = "2222222222222222222222222222222222222222";
    forge.state().pulls = vec![
        pull(1, older, REPOSITORY),
        pull(2, SHA, "other/project"),
        pull(PULL, SHA, REPOSITORY),
    ];
    assert_comments(&forge, "Pull request: 1\n");
    assert_eq!(changes(&forge), [format!("POST /repos/{REPOSITORY}/issues/{PULL}/comments")]);
    forge.state().pulls = vec![pull(PULL, older, REPOSITORY)];
    assert_comments(&forge, "# Too late\n");
    assert_eq!(changes(&forge).len(), 1);
}

#[test]
#[ignore = "needs curl and jq"]
fn a_run_without_a_report_comments_nothing() {
    let forge = forge();
    let folder = TempDir::new().expect("a folder");
    let link = folder.path().join("link");
    symlink("/etc/passwd", &link).expect("a link");
    for path in [folder.path().join("report.md"), link, folder.path().to_owned()] {
        let output = script(&forge, &path);
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(forge.state().requests, [""; 0]);
}

#[test]
#[ignore = "needs curl and jq"]
fn a_long_report_is_cut_and_a_huge_one_refused() {
    let forge = forge();
    assert_comments(&forge, "ä✓\u{1f600} @".repeat(20_000));
    let text = forge.state().comments_on(PULL)[0].1.to_owned();
    assert!((60_000..65_536).contains(&text.chars().count()), "{}", text.chars().count());
    assert!(text.contains("It is cut here; the run has all of it."));
    let before = forge.state().requests.len();
    assert_fails(&comment(&forge, "a".repeat(1_048_577)), "more than 1048576 bytes");
    assert_eq!(forge.state().requests.len(), before);
}

#[test]
#[ignore = "needs curl and jq"]
fn a_hostile_report_stays_within_its_frame() {
    let forge = forge();
    let mut report = format!(
        "{MARKER} --> <!-- x <\u{200b}!-- y\n@everyone a@b.example @owner/team\n\u{202e}txet\u{1b}[31m\0\r\n\
         \"}},\"body\":\"$(id) `id` \\u0000 \\\n</details>\n\tcode\n"
    )
    .into_bytes();
    report.extend(b"\xff\xfe end");
    assert_comments(&forge, report);
    let state = forge.state();
    let [(_, text)] = state.comments_on(PULL)[..] else { panic!("one comment") };
    assert_eq!(text.matches("<!--").count(), 1, "{text}");
    assert!(text.starts_with(MARKER), "{text}");
    for (at, _) in text.match_indices('@') {
        assert!(text[at..].starts_with("@\u{200b}"), "{text}");
    }
    for letter in ['\u{202e}', '\u{1b}', '\0', '\r'] {
        assert!(!text.contains(letter), "{letter:?}: {text}");
    }
    let kept = "\"},\"body\":\"$(id) `id` \\u0000 \\\n</details>\n\tcode\n\u{fffd}\u{fffd} end";
    assert!(text.ends_with(kept), "{text}");
}

#[test]
#[ignore = "needs curl and jq"]
fn an_error_of_the_forge_is_an_error_of_the_run() {
    let problem = r#"{"message": "Resource not accessible by integration"}"#;
    for (start, status, body, reason) in [
        ("GET /repos/owner/project/pulls", 404, "{}", "GET pulls: 404"),
        ("GET /repos/owner/project/issues", 403, problem, "403 Resource not accessible"),
        ("POST", 403, problem, "403 Resource not accessible by integration"),
        ("POST", 502, "<html>", "POST issues/7/comments: 502"),
        ("GET", 200, "<html>", "the response is not JSON"),
        ("GET", 200, "{\"message\": \"no list\"}", ""),
    ] {
        let forge = forge();
        forge.state().failures.push((start, status, body));
        let output = comment(&forge, "# A review\n");
        assert!(!output.status.success(), "{start} {status}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(reason), "{output:?}");
        assert!(forge.state().comments_on(PULL).is_empty(), "{start} {status}");
    }
}

#[test]
#[ignore = "needs curl and jq"]
fn reading_is_repeated_and_writing_is_not() {
    let forge = forge();
    let unavailable = ("GET /repos/owner/project/pulls", 503, "{}");
    forge.state().failures = vec![unavailable, unavailable];
    assert_comments(&forge, "# A review\n");
    let forge = self::forge();
    forge.state().failures = vec![("POST", 503, "{}")];
    assert_fails(&comment(&forge, "# A review\n"), "503");
    assert_eq!(changes(&forge).len(), 1);
}

#[test]
#[ignore = "needs curl and jq"]
fn a_forge_that_does_not_answer_is_an_error() {
    let mut forge = forge();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = listener.local_addr().expect("an address");
    drop(listener);
    forge.address = closed;
    assert_fails(&comment(&forge, "# A review\n"), "no response");
}
