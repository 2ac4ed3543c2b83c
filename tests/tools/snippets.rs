//! The document's snippets work as printed once the base URL and token are filled in.

use std::{fs, process::Command};

use serde::Deserialize;
use serde_json::{Value, json};
use tests::{
    DEVICE, Gateway,
    gateway::root,
    tools::{node, succeed},
};

#[derive(Deserialize)]
struct Document {
    snippets: Snippets,
}

#[derive(Deserialize)]
struct Snippets {
    curl_base_url: String,
    curl: String,
    axios: String,
}

/// What the document prints where a token belongs.
const TOKEN: &str = "A long random string token received from /token request";

fn snippets() -> Snippets {
    let text = fs::read_to_string(root().join("openapi/document.toml")).expect("the transcription");
    toml::from_str::<Document>(&text).expect("its form").snippets
}

/// The printed command with its placeholders filled in.
fn filled(command: &str, placeholders: &[(&str, &str)]) -> String {
    placeholders.iter().fold(command.to_owned(), |command, (placeholder, value)| {
        assert_eq!(command.matches(placeholder).count(), 1, "{placeholder} in {command}");
        command.replace(placeholder, value)
    })
}

#[test]
#[ignore = "needs curl"]
fn the_curl_snippet_is_answered_as_the_document_says() {
    let gateway = Gateway::trial();
    let (snippets, token) = (snippets(), gateway.token(DEVICE));
    let line = filled(&snippets.curl, &[(&snippets.curl_base_url, &gateway.url), (TOKEN, &token)]);
    let printed = succeed(Command::new("sh").args(["-c", &line]), "");
    assert_eq!(serde_json::from_str::<Value>(&printed).expect("JSON"), json!({"success": true}));
}

#[test]
#[ignore = "needs curl"]
fn the_curl_snippet_is_repeatable() {
    let gateway = Gateway::trial();
    let (snippets, token) = (snippets(), gateway.token(DEVICE));
    let line = filled(&snippets.curl, &[(&snippets.curl_base_url, &gateway.url), (TOKEN, &token)]);
    for _ in 0..5 {
        let printed = succeed(Command::new("sh").args(["-c", &line]), "");
        assert_eq!(printed, r#"{"success":true}"#);
    }
}

#[test]
#[ignore = "needs Node"]
fn the_axios_snippet_is_answered_as_the_document_says() {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let mut script = node("axios.mjs");
    let printed = succeed(script.arg(&gateway.url).env("TOKEN", &token), &snippets().axios);
    assert_eq!(printed.trim(), r#"{"success":true}"#);
}

/// The snippet prints the problem, so that a developer sees it.
#[test]
#[ignore = "needs Node"]
fn the_axios_snippet_prints_a_problem() {
    let gateway = Gateway::trial();
    let mut script = node("axios.mjs");
    let printed = succeed(script.arg(&gateway.url).env("TOKEN", "no-token"), &snippets().axios);
    assert!(printed.contains("responseStatus: 401"), "{printed}");
    assert!(printed.contains("urn:connect-socket:problem:token-malformed"), "{printed}");
}
