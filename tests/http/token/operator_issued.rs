//! `--token-issuer operator`: only the operator issues tokens.

use tests::{DEVICE, Gateway};

use super::authorise;

#[test]
fn every_channel_is_closed() {
    let gateway =
        Gateway::builder().flag("--token-issuer", "operator").flag("--test-channel", "on").start();
    for channel in ["browser", "android", "ios", "test"] {
        let answer = gateway.request_token(channel, DEVICE, None);
        assert_eq!(answer.status, 403);
        assert_eq!(answer.problem_name(), "issuer-closed", "{channel}");
    }
}

#[test]
fn an_issued_token_does_not_renew() {
    let gateway = Gateway::builder().flag("--token-issuer", "operator").start();
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    let answer = gateway.request_token("browser", DEVICE, Some(&token));
    assert_eq!(answer.problem_name(), "issuer-closed");
}

#[test]
fn an_issued_token_works() {
    let gateway = Gateway::builder().flag("--token-issuer", "operator").start();
    let token = gateway.issue_token(&gateway.operator_key, DEVICE).token();
    authorise(&gateway, &token).succeeds();
}
