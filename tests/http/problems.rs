//! What every problem has, and what no problem contains.

use std::{
    fs,
    path::{Path, PathBuf},
};

use api_types::problem::ProblemKind;
use serde_json::json;
use tests::{DEVICE, Gateway, gateway::root};

#[test]
fn a_refused_value_is_never_echoed() {
    const SECRET: &str = "S3CRET-that-must-not-be-seen";
    let bodies = [
        json!({"channel": SECRET, "deviceTag": DEVICE}).to_string(),
        json!({"channel": "test", "deviceTag": format!("{SECRET} !")}).to_string(),
        json!({"channel": "test", "deviceTag": {SECRET: SECRET}}).to_string(),
        json!({"channel": "test", "deviceTag": DEVICE, "deviceData": SECRET}).to_string(),
        json!({"channel": "test", "deviceTag": DEVICE, "token": SECRET}).to_string(),
        format!(r#"{{"channel": "test", "deviceTag": "{SECRET}"#),
        format!(r#"{{"channel": "test", "deviceTag": {SECRET}}}"#),
        format!(
            r#"{{"channel": "test", "deviceTag": "a", "deviceData": {{"{SECRET}": 1, "{SECRET}": 2}}}}"#
        ),
        json!(SECRET).to_string(),
        json!([SECRET]).to_string(),
    ];
    let gateway = Gateway::trial();
    for body in bodies {
        let answer = gateway.call("PUT", "/token").json_text(body.as_str()).send();
        assert!((400..500).contains(&answer.status), "{body}");
        assert!(!format!("{:?}{}", answer.headers, answer.text()).contains(SECRET), "{body}");
    }
}

#[test]
fn no_part_of_a_refused_request_is_echoed() {
    const SECRET: &str = "S3CRET-that-must-not-be-seen";
    let gateway = Gateway::trial();
    let bearer = format!("Bearer {SECRET}");
    let calls = [
        gateway.call("GET", &format!("/{SECRET}")),
        gateway.call("GET", &format!("/token?token={SECRET}")),
        gateway.call("GET", &format!("/swagger-ui/{SECRET}")),
        gateway.call(&SECRET.replace('-', ""), "/token"),
        gateway.call("PUT", "/token").header("content-type", SECRET),
        gateway.call("DELETE", "/token").header("token", SECRET),
        gateway.call("GET", "/metrics").header("authorization", &bearer),
        gateway.call("GET", "/token").header("origin", SECRET),
        gateway.call("GET", "/token").header("x-request-id", SECRET),
        gateway.call("GET", "/prospect/socket").header("sec-websocket-protocol", SECRET),
    ];
    for call in calls {
        let answer = call.send();
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(!format!("{:?}{}", answer.headers, answer.text()).contains("S3CRET"));
    }
}

#[test]
fn a_problem_has_the_registered_type_title_and_detail() {
    let problem = Gateway::trial().get("/nowhere").problem();
    let kind = ProblemKind::NotFound;
    assert_eq!(problem["type"], kind.uri());
    assert_eq!(problem["title"], kind.title());
    assert_eq!(problem["detail"], kind.detail());
}

/// A problem type that no test names may never have been seen.
#[test]
fn every_problem_type_is_named_by_a_test() {
    // No request makes the gateway fail.
    let exempt = [ProblemKind::Internal];
    let suites = ["http", "socket", "conversation", "restart", "cluster"];
    let suites = suites.map(|suite| sources(&root().join("tests").join(suite))).concat();
    let named = |kind: &&ProblemKind| suites.contains(&format!("\"{}\"", kind.name()));
    let unseen: Vec<_> =
        ProblemKind::ALL.iter().filter(|kind| !named(kind) && !exempt.contains(kind)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

fn sources(folder: &Path) -> String {
    let files = fs::read_dir(folder).expect("a folder");
    let paths = files.map(|file| file.expect("a file").path());
    let text = |path: PathBuf| {
        if path.is_dir() { sources(&path) } else { fs::read_to_string(path).expect("a text") }
    };
    paths.map(text).collect()
}
