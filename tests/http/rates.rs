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
fn an_address_that_asks_for_tokens_too_often_is_told_when_to_come_back() {
    let gateway = Gateway::builder().flag("--token-requests-per-second", "2").start();
    let answer = use_up(|| gateway.request_token("test", DEVICE, None));
    assert_eq!(answer.problem_name(), "too-many-token-requests");
    assert_eq!(answer.header("retry-after"), "1");
}

#[test]
fn a_refused_request_counts_as_well() {
    let gateway = strict().start();
    let call = || gateway.call("PUT", "/token").json_text("{").send();
    assert_eq!(use_up(call).problem_name(), "too-many-token-requests");
}

#[test]
fn an_address_that_asked_too_often_can_do_all_else() {
    let gateway = strict().start();
    let token = gateway.token(DEVICE);
    let _ = use_up(|| gateway.request_token("test", DEVICE, None));
    gateway.connect_socket(&token, DEVICE, &tests::half_ref()).succeeds();
}

#[test]
fn nobody_is_believed_by_default() {
    let gateway = strict().start();
    let mut addresses = (0..250).cycle();
    let answer = use_up(|| from(&gateway, &format!("192.0.2.{}", addresses.next().unwrap())));
    assert_eq!(answer.problem_name(), "too-many-token-requests");
}

#[test]
fn a_peer_that_is_no_trusted_proxy_is_not_believed() {
    let gateway = strict().flag("--trusted-proxy", "10.0.0.0/8").start();
    let mut addresses = (0..250).cycle();
    let _ = use_up(|| from(&gateway, &format!("192.0.2.{}", addresses.next().unwrap())));
}

#[test]
fn a_trusted_proxy_is_believed() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let _ = use_up(|| from(&gateway, "192.0.2.1"));
    from(&gateway, "192.0.2.2").succeeds();
}

#[test]
fn what_a_client_wrote_before_its_proxy_is_not_believed() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let mut lies = (0..250).cycle();
    let _ = use_up(|| {
        let lie = lies.next().unwrap();
        from(&gateway, &format!("198.51.100.{lie}, 192.0.2.1"))
    });
}

#[test]
fn proxies_behind_proxies_are_passed_over() {
    let gateway = strict()
        .flag("--trusted-proxy", "127.0.0.0/8")
        .flag("--trusted-proxy", "10.0.0.0/8")
        .start();
    let _ = use_up(|| from(&gateway, "192.0.2.1, 10.1.2.3"));
    from(&gateway, "192.0.2.2, 10.1.2.3").succeeds();
}

#[test]
fn neighbours_in_an_ipv6_network_share_a_rate() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let mut hosts = (1..60_000).cycle();
    let _ = use_up(|| from(&gateway, &format!("2001:db8::{:x}", hosts.next().unwrap())));
}

#[test]
fn another_ipv6_network_has_a_rate_of_its_own() {
    let gateway = strict().flag("--trusted-proxy", "127.0.0.0/8").start();
    let _ = use_up(|| from(&gateway, "2001:db8:0:1::1"));
    from(&gateway, "2001:db8:0:2::1").succeeds();
}

#[test]
fn an_address_that_sends_wrong_keys_too_often_is_told_when_to_come_back() {
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
fn the_right_key_is_known_however_many_wrong_ones_came() {
    let gateway = Gateway::builder().flag("--wrong-keys-per-second", "1").start();
    let _ = use_up(|| gateway.issue_token("wrong", DEVICE));
    gateway.issue_token(&gateway.operator_key, DEVICE).succeeds();
}

#[test]
fn the_right_key_is_never_too_often() {
    let gateway = Gateway::builder().flag("--wrong-keys-per-second", "1").start();
    for _ in 0..20 {
        gateway.issue_token(&gateway.operator_key, DEVICE).succeeds();
    }
}
