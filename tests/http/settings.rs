//! The settings: flags, environment variables, and what is refused at the start.

use std::{io::Write, net::TcpListener, process::Command};

use clap::CommandFactory;
use server::config::Config;
use tempfile::NamedTempFile;
use tests::{DEVICE, Gateway, GatewayBuilder, gateway::binary};

use crate::OPERATOR_KEY;

const OTHER_KEY: &str = "another-operator-key-with-enough-characters";

/// The sentence with which it refuses to start.
fn refusal(builder: GatewayBuilder) -> String {
    let output = builder.refused();
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{sentence}");
    assert!(output.stdout.is_empty(), "nothing was announced");
    assert!(sentence.starts_with("error: "), "{sentence}");
    assert!(!sentence.contains("panicked"), "{sentence}");
    sentence
}

/// The refusal names the flag and the value.
fn is_refused(flag: &str, value: &str) {
    let sentence = refusal(Gateway::builder().flag(flag, value));
    assert!(sentence.contains(flag), "{sentence}");
    assert!(sentence.contains(value), "{sentence}");
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a path in UTF-8")
}

fn keyed() -> GatewayBuilder {
    Gateway::builder().flag("--operator-key", OPERATOR_KEY)
}

fn help() -> String {
    let output = Command::new(binary()).arg("--help").output().expect("help");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn help_names_every_flag_its_variable_and_its_default() {
    let help = help();
    for argument in Config::command().get_arguments() {
        let flag = argument.get_long().expect("a flag");
        assert!(help.contains(&format!("--{flag}")), "{flag}");
        if let Some(variable) = argument.get_env() {
            assert!(help.contains(&format!("[env: {}", variable.display())), "{flag}");
        }
        for default in argument.get_default_values() {
            assert!(help.contains(&format!("[default: {}]", default.display())), "{flag}");
        }
    }
}

#[test]
fn help_explains_every_flag() {
    for argument in Config::command().get_arguments() {
        assert!(argument.get_help().is_some(), "{argument}");
    }
}

#[test]
fn help_does_not_show_the_operator_key_of_the_environment() {
    let output = Command::new(binary())
        .arg("--help")
        .env("CONNECTSOCKET_OPERATOR_KEY", OPERATOR_KEY)
        .output()
        .expect("help");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("CONNECTSOCKET_OPERATOR_KEY"));
    assert!(!help.contains(OPERATOR_KEY));
}

#[test]
fn the_version_is_told() {
    let output = Command::new(binary()).arg("--version").output();
    let version = String::from_utf8(output.expect("a version").stdout);
    assert_eq!(version.unwrap(), format!("server {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_variable_does_what_its_flag_does() {
    let gateway = Gateway::builder().variable("CONNECTSOCKET_TOKEN_TTL", "77s").start();
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.ok()["expiresIn"], 77);
}

#[test]
fn a_flag_goes_before_its_variable() {
    let gateway = Gateway::builder()
        .variable("CONNECTSOCKET_TOKEN_TTL", "77s")
        .flag("--token-ttl", "88s")
        .start();
    let answer = gateway.request_token("test", DEVICE, None);
    assert_eq!(answer.ok()["expiresIn"], 88);
}

#[test]
fn a_variable_takes_several_values_with_commas() {
    let origins = ["https://one.example.com", "https://other.example.com"];
    let gateway =
        Gateway::builder().variable("CONNECTSOCKET_ALLOWED_ORIGIN", &origins.join(",")).start();
    for origin in origins {
        let answer = gateway.call("GET", "/livez").header("origin", origin).send();
        assert_eq!(answer.header("access-control-allow-origin"), origin);
    }
}

#[test]
fn a_bad_variable_is_refused_as_a_bad_flag_is() {
    let builder = Gateway::builder().variable("CONNECTSOCKET_TOKEN_TTL", "soon");
    assert!(refusal(builder).contains("--token-ttl"));
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    let builder = Gateway::builder().variable("CONNECTSOCKET_TOKEN_TLL", "1h");
    assert!(refusal(builder).contains("CONNECTSOCKET_TOKEN_TLL"));
}

#[test]
fn an_unknown_flag_is_refused_by_its_name() {
    let builder = Gateway::builder().flag("--colour", "red");
    assert!(refusal(builder).contains("--colour"));
}

#[test]
fn what_is_no_flag_is_refused() {
    assert!(refusal(Gateway::builder().switch("start")).contains("start"));
}

#[test]
fn a_flag_without_its_value_is_refused() {
    assert!(refusal(Gateway::builder().switch("--token-ttl")).contains("--token-ttl"));
}

#[test]
fn a_bad_address_is_refused() {
    for address in ["localhost", "127.0.0.1", "127.0.0.1:65536", "example.com:80", ":8080"] {
        is_refused("--listen", address);
    }
}

#[test]
fn a_bad_time_is_refused() {
    for flag in
        ["--token-ttl", "--authorisation-ttl", "--heartbeat", "--drain-timeout", "--body-timeout"]
    {
        for time in ["soon", "10", "0s", "-1s", "11years"] {
            is_refused_attached(flag, time);
        }
    }
}

/// As `is_refused`, for values that look like flags.
fn is_refused_attached(flag: &str, value: &str) {
    let sentence = refusal(Gateway::builder().switch(&format!("{flag}={value}")));
    assert!(sentence.contains(flag), "{sentence}");
    assert!(sentence.contains(value), "{sentence}");
}

#[test]
fn a_bad_rate_is_refused() {
    for flag in
        ["--token-requests-per-second", "--authorisations-per-second", "--wrong-keys-per-second"]
    {
        for rate in ["0", "-1", "1001", "many", "1.5"] {
            is_refused_attached(flag, rate);
        }
    }
}

#[test]
fn a_bad_number_is_refused() {
    for flag in ["--devices", "--open-authorisations", "--sockets-per-address", "--workers"] {
        for number in ["0", "-1", "many", "99999999999"] {
            is_refused_attached(flag, number);
        }
    }
}

#[test]
fn a_bad_size_is_refused() {
    for flag in ["--body-bytes", "--inbound-frame-bytes"] {
        for size in ["0", "1048577", "4KiB"] {
            is_refused_attached(flag, size);
        }
    }
}

#[test]
fn a_bad_network_is_refused() {
    for network in ["10.0.0.0/33", "proxy.example.com", "10.0.0.0/8/8"] {
        is_refused("--trusted-proxy", network);
    }
}

#[test]
fn a_bad_origin_is_refused() {
    for origin in [
        "www.example.com",
        "https://www.example.com/",
        "https://www.example.com/path",
        "https://WWW.example.com",
        "https://www.example.com:443",
        "https://user@example.com",
        "ftp://www.example.com",
        "null",
        "*",
        "https://*.example.com",
        "https://www.example.com:port",
        "https://:8443",
    ] {
        is_refused("--allowed-origin", origin);
    }
}

#[test]
fn a_public_url_with_a_path_is_refused() {
    for url in ["https://www.example.com/gateway", "https://www.example.com?x", "www.example.com"] {
        is_refused("--public-url", url);
    }
}

#[test]
fn a_bad_choice_is_refused_with_the_choices() {
    for (flag, choice) in [
        ("--token-issuer", "open, operator"),
        ("--test-channel", "on, off"),
        ("--metrics", "operator, open"),
        ("--log-format", "text, json"),
    ] {
        let sentence = refusal(Gateway::builder().flag(flag, "perhaps"));
        assert!(sentence.contains(choice), "{sentence}");
    }
}

#[test]
fn a_bad_log_filter_is_refused() {
    for filter in ["server=loud", "a=b=c", "[", "info,server=debug,=,x=y=z"] {
        let sentence = refusal(Gateway::builder().flag("--log", filter));
        assert!(sentence.contains("--log"), "{sentence}");
        assert!(sentence.contains(filter), "{sentence}");
    }
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().unwrap().to_string();
    let sentence = refusal(Gateway::builder().flag("--listen", &address));
    assert!(sentence.contains(&address), "{sentence}");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let sentence = refusal(keyed().flag("--listen", "192.0.2.1:0"));
    assert!(sentence.contains("192.0.2.1:0"), "{sentence}");
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
fn with_a_key_it_starts_off_loopback() {
    let gateway = keyed().flag("--listen", "0.0.0.0:0").start();
    assert_eq!(gateway.get("/livez").status, 200);
}

#[test]
fn with_a_key_it_starts_with_a_public_url() {
    for url in ["https://gateway.example.com", "https://gateway.example.com:8443/"] {
        let gateway = keyed().flag("--public-url", url).start();
        assert_eq!(gateway.get("/livez").status, 200);
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
fn a_key_that_no_header_can_hold_is_refused_and_not_shown() {
    for key in ["a key with blanks, long enough as it is", "ein-schlüssel-der-lang-genug-wäre-ist"]
    {
        let sentence = refusal(Gateway::builder().variable("CONNECTSOCKET_OPERATOR_KEY", key));
        assert!(!sentence.contains(key), "{sentence}");
    }
}

#[test]
fn a_third_key_is_refused_and_none_is_shown() {
    let third = OTHER_KEY.replace("another", "a-third");
    let builder = keyed().flag("--operator-key", OTHER_KEY).flag("--operator-key", &third);
    let sentence = refusal(builder);
    assert!(sentence.contains("at most 2"), "{sentence}");
    assert!(!sentence.contains("enough-characters"), "{sentence}");
}

#[test]
fn keys_of_flag_and_file_are_counted_together() {
    let file = file(&format!("{OPERATOR_KEY}\n{OTHER_KEY}\n"));
    let builder = keyed().flag("--operator-key-file", path(&file));
    assert!(refusal(builder).contains("at most 2"));
}

#[test]
fn a_key_file_that_is_not_there_is_refused() {
    let builder = Gateway::builder().flag("--operator-key-file", "/nowhere/operator-key");
    assert!(refusal(builder).contains("/nowhere/operator-key"));
}

#[test]
fn an_empty_key_file_is_refused() {
    let file = file("\n  \n");
    let builder = Gateway::builder().flag("--operator-key-file", path(&file));
    assert!(refusal(builder).contains(path(&file)));
}

#[test]
fn a_short_key_in_a_file_is_refused_and_not_shown() {
    let file = file("too-short\n");
    let sentence = refusal(Gateway::builder().flag("--operator-key-file", path(&file)));
    assert!(!sentence.contains("too-short"), "{sentence}");
}

#[test]
fn both_keys_of_a_file_work() {
    let file = file(&format!("{OPERATOR_KEY}\r\n\n  {OTHER_KEY}"));
    let gateway = Gateway::builder().flag("--operator-key-file", path(&file)).start();
    for key in [OPERATOR_KEY, OTHER_KEY] {
        gateway.issue_token(key, DEVICE).succeeds();
    }
}

#[test]
fn both_keys_of_the_flag_work() {
    let gateway = keyed().flag("--operator-key", OTHER_KEY).start();
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
fn an_empty_variable_for_the_key_is_no_key() {
    let builder =
        Gateway::builder().variable("CONNECTSOCKET_OPERATOR_KEY", "").flag("--listen", "0.0.0.0:0");
    let _ = refusal(builder);
}

#[test]
fn a_given_key_is_not_announced() {
    let gateway = keyed().start();
    assert!(!gateway.log().contains(OPERATOR_KEY));
    assert_eq!(gateway.operator_key, "");
}

#[test]
fn the_largest_body_can_be_set() {
    let gateway = Gateway::builder().flag("--body-bytes", "100").start();
    let answer = gateway.call("PUT", "/token").json_text(" ".repeat(101)).send();
    assert_eq!(answer.problem_name(), "body-too-large");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("100 bytes"), "the limit is that of the setting: {detail}");
}

#[test]
fn the_time_for_a_body_can_be_set() {
    let gateway = Gateway::builder().flag("--body-timeout", "200ms").start();
    let headers = [("content-length", "10")];
    let answer = tests::Connection::open(&gateway).ask("PUT /token", &headers, "x");
    let detail = answer.problem()["detail"].as_str().unwrap().to_owned();
    assert!(!detail.contains("10 seconds"), "the time is that of the setting: {detail}");
}
