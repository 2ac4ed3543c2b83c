//! The values of flags, and what each invalid one is refused with.

use std::net::TcpListener;

use tests::Gateway;

use super::{refusal, with_operator_key};

/// The refusal names the flag and the value.
fn assert_refused(flag: &str, value: &str) {
    let sentence = refusal(Gateway::builder().flag(flag, value));
    assert!(sentence.contains(flag), "{sentence}");
    assert!(sentence.contains(value), "{sentence}");
}

#[test]
fn an_invalid_address_is_refused() {
    for address in ["localhost", "127.0.0.1", "127.0.0.1:65536", "example.com:80", ":8080"] {
        assert_refused("--listen", address);
    }
}

#[test]
fn an_invalid_duration_is_refused() {
    for flag in
        ["--token-ttl", "--authorisation-ttl", "--heartbeat", "--drain-timeout", "--body-timeout"]
    {
        for time in ["soon", "10", "0s", "-1s", "11years"] {
            assert_refused_attached(flag, time);
        }
    }
}

/// As `is_refused`, for values that look like flags.
fn assert_refused_attached(flag: &str, value: &str) {
    let sentence = refusal(Gateway::builder().switch(&format!("{flag}={value}")));
    assert!(sentence.contains(flag), "{sentence}");
    assert!(sentence.contains(value), "{sentence}");
}

#[test]
fn a_redis_prefix_with_a_tag_of_its_own_is_refused() {
    for prefix in ["{gateway}:", "a{", "}"] {
        let sentence = refusal(Gateway::builder().flag("--redis-prefix", prefix));
        assert!(sentence.contains("write a prefix without { and }"), "{sentence}");
    }
}

#[test]
fn an_invalid_rate_is_refused() {
    for flag in
        ["--token-requests-per-second", "--authorisations-per-second", "--wrong-keys-per-second"]
    {
        for rate in ["0", "-1", "1000001", "many", "1.5", "on"] {
            assert_refused_attached(flag, rate);
        }
    }
}

#[test]
fn an_invalid_number_is_refused() {
    for flag in ["--devices", "--open-authorisations", "--sockets-per-address", "--workers"] {
        for number in ["0", "-1", "many", "99999999999"] {
            assert_refused_attached(flag, number);
        }
    }
}

#[test]
fn an_invalid_size_is_refused() {
    for flag in ["--body-bytes", "--inbound-frame-bytes"] {
        for size in ["0", "268435457", "4KiB"] {
            assert_refused_attached(flag, size);
        }
    }
}

#[test]
fn a_body_may_be_as_large_as_the_operator_says() {
    let gateway = Gateway::builder().flag("--body-bytes", "3000000").start();
    let body = r#"{"channel": "test", "deviceTag": "d"}"#.to_owned() + &" ".repeat(2_000_000);
    gateway.call("PUT", "/token").json_text(body).send().succeeds();
}

#[test]
fn event_bytes_that_do_not_hold_a_full_outbox_are_refused() {
    for [messages, bytes, least] in [["1000", "532479", "532480"], ["1", "20991", "20992"]] {
        let gateway = || Gateway::builder().flag("--outbox-messages", messages);
        let refused = gateway().flag("--event-bytes", bytes).refused();
        assert_eq!(refused.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert!(stderr.contains(&format!("--event-bytes must be at least {least}")), "{stderr}");
        let _least = gateway().flag("--event-bytes", least).start();
    }
}

#[test]
fn an_invalid_network_is_refused() {
    for network in ["10.0.0.0/33", "proxy.example.com", "10.0.0.0/8/8"] {
        assert_refused("--trusted-proxy", network);
    }
}

#[test]
fn an_invalid_origin_is_refused() {
    for origin in [
        "www.example.com",
        "https://www.example.com/",
        "https://www.example.com/path",
        "https://WWW.example.com",
        "https://www.example.com:443",
        "https://user@example.com",
        "ftp://www.example.com/path",
        "Ftp://www.example.com",
        "null",
        "*",
        "https://*.example.com",
        "https://www.example.com:port",
        "https://:8443",
    ] {
        assert_refused("--allowed-origin", origin);
    }
}

#[test]
fn an_origin_may_have_the_scheme_of_an_app() {
    let mut builder = with_operator_key();
    for origin in ["capacitor://localhost", "tauri://localhost", "file://", "wss://app.example.com"]
    {
        builder = builder.flag("--allowed-origin", origin);
    }
    assert_eq!(builder.start().get("/livez").status, 200);
}

#[test]
fn localhost_is_an_address_to_listen_on() {
    assert_eq!(
        Gateway::builder().flag("--listen", "localhost:0").start().get("/livez").status,
        200
    );
}

#[test]
fn an_address_without_a_mask_is_a_trusted_proxy() {
    let gateway = Gateway::builder()
        .flag("--trusted-proxy", "127.0.0.1")
        .flag("--token-requests-per-second", "1")
        .start();
    for n in 1..10 {
        let call = gateway.call("PUT", "/token").header("x-forwarded-for", &format!("192.0.2.{n}"));
        call.json(&serde_json::json!({"channel": "test", "deviceTag": "d"})).send().succeeds();
    }
}

#[test]
fn a_public_url_with_a_path_is_refused() {
    for url in ["https://www.example.com/gateway", "https://www.example.com?x", "www.example.com"] {
        assert_refused("--public-url", url);
    }
}

#[test]
fn an_invalid_choice_is_refused_with_the_valid_ones() {
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
fn an_invalid_log_filter_is_refused() {
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
    let sentence = refusal(with_operator_key().flag("--listen", "192.0.2.1:0"));
    assert!(sentence.contains("192.0.2.1:0"), "{sentence}");
}

#[test]
fn the_maximum_body_size_is_a_setting() {
    let gateway = Gateway::builder().flag("--body-bytes", "100").start();
    let answer = gateway.call("PUT", "/token").json_text(" ".repeat(101)).send();
    assert_eq!(answer.problem_name(), "body-too-large");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("100 bytes"), "the limit is that of the setting: {detail}");
}

#[test]
fn the_body_timeout_is_a_setting() {
    let gateway = Gateway::builder().flag("--body-timeout", "200ms").start();
    let headers = [("content-length", "10")];
    let answer = tests::Connection::open(&gateway).ask("PUT /token", &headers, "x");
    let detail = answer.problem()["detail"].as_str().unwrap().to_owned();
    assert!(!detail.contains("10 seconds"), "the time is that of the setting: {detail}");
}
