//! Operator keys: from flags, variables and files, and when one is required.

use std::io::Write;

use tempfile::NamedTempFile;
use tests::{DEVICE, Gateway};

use super::{refusal, with_operator_key};
use crate::OPERATOR_KEY;

const OTHER_KEY: &str = "another-operator-key-with-enough-characters";

fn key_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a path in UTF-8")
}

#[test]
fn a_byte_order_mark_in_a_key_file_is_ignored() {
    let file = key_file(&format!("\u{feff}{OPERATOR_KEY}\r\n"));
    let gateway = Gateway::builder().flag("--operator-key-file", path(&file)).start();
    gateway.issue_token(OPERATOR_KEY, DEVICE).succeeds();
}

#[test]
fn a_key_is_needed_off_loopback() {
    let sentence = refusal(Gateway::builder().flag("--listen", "0.0.0.0:0"));
    assert!(sentence.contains("--operator-key-file"), "{sentence}");
}

#[test]
fn a_key_is_needed_with_a_public_url() {
    let builder = Gateway::builder().flag("--public-url", "https://gateway.example.com");
    assert!(refusal(builder).contains("An operator key is needed"));
}

#[test]
fn it_starts_off_loopback_with_a_key() {
    let gateway = with_operator_key().flag("--listen", "0.0.0.0:0").start();
    assert_eq!(gateway.get("/livez").status, 200);
}

#[test]
fn it_starts_with_a_public_url_and_a_key() {
    for url in ["https://gateway.example.com", "https://gateway.example.com:8443/"] {
        let gateway = with_operator_key().flag("--public-url", url).start();
        assert_eq!(gateway.get("/livez").status, 200);
        assert_eq!(gateway.swagger_ui, format!("{}/swagger-ui/", url.trim_end_matches('/')));
    }
}

#[test]
fn a_short_key_is_refused_and_not_shown() {
    let key = &OPERATOR_KEY[..31];
    let sentence = refusal(Gateway::builder().flag("--operator-key", key));
    assert!(sentence.contains("32"), "{sentence}");
    assert!(!sentence.contains(key), "{sentence}");
}

#[test]
fn a_key_of_32_characters_is_enough() {
    let key = &OPERATOR_KEY[..32];
    let gateway = Gateway::builder().flag("--operator-key", key).start();
    gateway.issue_token(key, DEVICE).succeeds();
}

#[test]
fn a_key_that_is_no_header_value_is_refused_and_not_shown() {
    for key in ["a key with blanks, long enough as it is", "ein-schlüssel-der-lang-genug-wäre-ist"]
    {
        let sentence = refusal(Gateway::builder().variable("CONNECTSOCKET_OPERATOR_KEY", key));
        assert!(!sentence.contains(key), "{sentence}");
    }
}

#[test]
fn a_third_key_is_refused_and_none_is_shown() {
    let third = OTHER_KEY.replace("another", "a-third");
    let builder =
        with_operator_key().flag("--operator-key", OTHER_KEY).flag("--operator-key", &third);
    let sentence = refusal(builder);
    assert!(sentence.contains("at most 2"), "{sentence}");
    assert!(!sentence.contains("enough-characters"), "{sentence}");
}

#[test]
fn keys_of_flag_and_file_are_counted_together() {
    let file = key_file(&format!("{OPERATOR_KEY}\n{OTHER_KEY}\n"));
    let builder = with_operator_key().flag("--operator-key-file", path(&file));
    assert!(refusal(builder).contains("at most 2"));
}

#[test]
fn a_missing_key_file_is_refused() {
    let builder = Gateway::builder().flag("--operator-key-file", "/nowhere/operator-key");
    assert!(refusal(builder).contains("/nowhere/operator-key"));
}

#[test]
fn an_empty_key_file_is_refused() {
    let file = key_file("\n  \n");
    let builder = Gateway::builder().flag("--operator-key-file", path(&file));
    assert!(refusal(builder).contains(path(&file)));
}

#[test]
fn a_short_key_in_a_file_is_refused_and_not_shown() {
    let file = key_file("too-short\n");
    let sentence = refusal(Gateway::builder().flag("--operator-key-file", path(&file)));
    assert!(!sentence.contains("too-short"), "{sentence}");
}

#[test]
fn both_keys_of_a_file_work() {
    let file = key_file(&format!("{OPERATOR_KEY}\r\n\n  {OTHER_KEY}"));
    let gateway = Gateway::builder().flag("--operator-key-file", path(&file)).start();
    for key in [OPERATOR_KEY, OTHER_KEY] {
        gateway.issue_token(key, DEVICE).succeeds();
    }
}

#[test]
fn both_keys_of_the_flag_work() {
    let gateway = with_operator_key().flag("--operator-key", OTHER_KEY).start();
    for key in [OPERATOR_KEY, OTHER_KEY] {
        gateway.issue_token(key, DEVICE).succeeds();
    }
}

#[test]
fn both_keys_of_the_variable_work() {
    let keys = format!("{OPERATOR_KEY},{OTHER_KEY}");
    let gateway = Gateway::builder().variable("CONNECTSOCKET_OPERATOR_KEY", &keys).start();
    for key in [OPERATOR_KEY, OTHER_KEY] {
        gateway.issue_token(key, DEVICE).succeeds();
    }
}

#[test]
fn an_empty_key_variable_counts_as_absent() {
    let builder =
        Gateway::builder().variable("CONNECTSOCKET_OPERATOR_KEY", "").flag("--listen", "0.0.0.0:0");
    let _ = refusal(builder);
}

#[test]
fn a_configured_key_is_not_printed() {
    let gateway = with_operator_key().start();
    assert!(!gateway.log().contains(OPERATOR_KEY));
    assert_eq!(gateway.operator_key, "");
}
