//! Schemathesis sends what the contract allows and what it does not, and checks every answer.

use tests::{
    Gateway,
    tools::{python, succeed},
};

/// Every operation but the websocket is called, with real credentials; the script fails where an
/// operation accepted nothing.
fn assert_green(document: &str) {
    let gateway = Gateway::builder()
        .flag("--authorisations-per-second", "1000")
        .flag("--open-authorisations", "100000000")
        .flag("--wrong-keys-per-second", "1000")
        .flag("--ack-wait", "1ms")
        .start();
    let mut script = python("schemathesis.sh");
    script.arg(&gateway.url).arg(format!("{}{document}", gateway.url));
    succeed(script.env("OPERATOR_KEY", &gateway.operator_key), "");
}

#[test]
#[ignore = "needs Python"]
fn schemathesis_is_green_on_openapi_31() {
    assert_green("/openapi.json");
}

#[test]
#[ignore = "needs Python"]
fn schemathesis_is_green_on_openapi_30() {
    assert_green("/openapi-3.0.json");
}
