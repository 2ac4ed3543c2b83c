//! Rates per address, and whose address counts.

use serde_json::json;
use tests::{Answer, DEVICE, Gateway};

/// One token request a second and address.
fn strict() -> tests::GatewayBuilder {
    Gateway::builder().flag("--token-requests-per-second", "1")
}

fn from(gateway: &Gateway, forwarded: &str) -> Answer {
    gateway
        .call("PUT", "/token")
        .header("x-forwarded-for", forwarded)
        .json(&json!({"channel": "test", "deviceTag": DEVICE}))
        .send()
}

/// Asks again and again until the rate is used up, which a slow machine may take some time for.
fn use_up(mut ask: impl FnMut() -> Answer) -> Answer {
    (0..1000).map(|_| ask()).find(|answer| answer.status == 429).expect("a rate")
}

#[test]
fn an_address_over_its_token_rate_gets_a_retry_after() {
    let gateway = Gateway::builder().flag("--token-requests-per-second", "2").start();
    let answer = use_up(|| gateway.request_token("test", DEVICE, None));
    assert_eq!(answer.problem_name(), "too-many-token-requests");
    assert_eq!(answer.header("retry-after"), "1");
}

#[test]
fn refused_clients_of_one_address_are_told_to_return_by_turns() {
    let gateway = strict().start();
    let _ = use_up(|| gateway.request_token("test", DEVICE, None));
    let wait = || {
        let answer = gateway.request_token("test", DEVICE, None);
        answer.header("retry-after").parse::<u32>().unwrap_or(0)
    };
    let waits: Vec<_> = (0..20).map(|_| wait()).collect();
    assert!(waits.iter().any(|wait| *wait > 2), "{waits:?}");
}

#[test]
fn the_setting_that_refuses_an_address_is_logged() {
    let gateway = strict().start();
    let _ = use_up(|| gateway.request_token("test", DEVICE, None));
    let line = gateway.logged("client address over its limit");
    assert!(line.contains("--token-requests-per-second"), "{line}");
    assert!(line.contains("127.0.0.1"), "{line}");
    assert!(line.contains("--trusted-proxy"), "{line}");
}

#[test]
fn a_refused_request_counts_as_well() {
    let gateway = strict().start();
    let call = || gateway.call("PUT", "/token").json_text("{").send();
    assert_eq!(use_up(call).problem_name(), "too-many-token-requests");
}

#[test]
fn an_address_over_its_token_rate_can_use_other_operations() {
    let gateway = strict().start();
    let token = gateway.token(DEVICE);
    let _ = use_up(|| gateway.request_token("test", DEVICE, None));
    gateway.connect_socket(&token, DEVICE, &tests::half_ref()).succeeds();
}

#[test]
fn forwarded_addresses_are_ignored_by_default() {
    let gateway = strict().start();
    let mut addresses = (0..250).cycle();
    let answer = use_up(|| from(&gateway, &format!("192.0.2.{}", addresses.next().unwrap())));
    assert_eq!(answer.problem_name(), "too-many-token-requests");
}

#[test]
fn a_forwarded_address_from_an_untrusted_peer_is_ignored() {
    let gateway = strict().flag("--trusted-proxy", "10.0.0.0/8").start();
    let mut addresses = (0..250).cycle();
    let _ = use_up(|| from(&gateway, &format!("192.0.2.{}", addresses.next().unwrap())));
}

#[test]
fn a_forwarded_address_from_a_trusted_proxy_is_used() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let _ = use_up(|| from(&gateway, "192.0.2.1"));
    from(&gateway, "192.0.2.2").succeeds();
}

#[test]
fn a_forwarded_address_written_by_the_client_is_ignored() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let mut lies = (0..250).cycle();
    let _ = use_up(|| {
        let lie = lies.next().unwrap();
        from(&gateway, &format!("198.51.100.{lie}, 192.0.2.1"))
    });
}

#[test]
fn trusted_proxies_in_a_chain_are_skipped() {
    let gateway = strict()
        .flag("--trusted-proxy", "127.0.0.0/8")
        .flag("--trusted-proxy", "10.0.0.0/8")
        .start();
    let _ = use_up(|| from(&gateway, "192.0.2.1, 10.1.2.3"));
    from(&gateway, "192.0.2.2, 10.1.2.3").succeeds();
}

#[test]
fn addresses_of_one_ipv6_network_share_a_rate() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let mut hosts = (1..60_000).cycle();
    let _ = use_up(|| from(&gateway, &format!("2001:db8::{:x}", hosts.next().unwrap())));
}

#[test]
fn ipv6_networks_have_separate_rates() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let _ = use_up(|| from(&gateway, "2001:db8:0:1::1"));
    from(&gateway, "2001:db8:0:2::1").succeeds();
}

#[test]
fn an_ipv6_site_does_not_multiply_the_rate_by_its_networks() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let mut networks = (1..60_000).cycle();
    let _ = use_up(|| from(&gateway, &format!("2001:db8:7:{:x}::1", networks.next().unwrap())));
    from(&gateway, "2001:db8:8:1::1").succeeds();
}

#[test]
fn empty_elements_of_a_forwarded_list_are_ignored() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let _ = use_up(|| from(&gateway, "192.0.2.1,"));
    let _ = use_up(|| from(&gateway, " , 192.0.2.1"));
    from(&gateway, "192.0.2.2,,").succeeds();
}

#[test]
fn a_rate_can_be_off() {
    let gateway = Gateway::builder()
        .flag("--token-requests-per-second", "off")
        .flag("--authorisations-per-second", "off")
        .start();
    let token = gateway.token(DEVICE);
    for _ in 0..40 {
        gateway.request_token("test", "another", None).succeeds();
        gateway.connect_socket(&token, DEVICE, "the-same-half-ref-again-and-again").succeeds();
    }
}

#[test]
fn an_address_over_its_wrong_key_rate_gets_a_retry_after() {
    let gateway = Gateway::builder().flag("--wrong-keys-per-second", "1").start();
    let answer = use_up(|| gateway.issue_token("wrong", DEVICE));
    assert_eq!(answer.problem_name(), "too-many-wrong-keys");
    assert_eq!(answer.header("retry-after"), "1");
}

#[test]
fn wrong_keys_count_on_every_route_of_the_operator() {
    let gateway = Gateway::builder().flag("--wrong-keys-per-second", "1").start();
    let answer = use_up(|| gateway.get("/metrics"));
    assert_eq!(answer.problem_name(), "too-many-wrong-keys");
}

#[test]
fn the_right_key_is_accepted_after_many_wrong_ones() {
    let gateway = Gateway::builder().flag("--wrong-keys-per-second", "1").start();
    let _ = use_up(|| gateway.issue_token("wrong", DEVICE));
    gateway.issue_token(&gateway.operator_key, DEVICE).succeeds();
}

#[test]
fn the_right_key_has_no_rate() {
    let gateway = Gateway::builder().flag("--wrong-keys-per-second", "1").start();
    for _ in 0..20 {
        gateway.issue_token(&gateway.operator_key, DEVICE).succeeds();
    }
}
