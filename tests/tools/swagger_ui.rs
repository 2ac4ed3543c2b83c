//! The Swagger UI in a real browser.

use tempfile::TempDir;
use tests::{
    Gateway,
    tools::{node, succeed},
};

/// Three clicks to a 200, counted; no error in the console and no request to anywhere else.
/// The variable `SCREENSHOTS` names a folder in which to keep the screenshots.
#[test]
#[ignore = "needs Node and Chromium"]
fn a_new_user_executes_an_operation_in_the_browser() {
    let gateway = Gateway::trial();
    let folder = TempDir::new().expect("a folder");
    let screenshots = std::env::var_os("SCREENSHOTS").unwrap_or_else(|| folder.path().into());
    let mut walk = node("swagger-ui.mjs");
    succeed(walk.args([&gateway.url, &gateway.operator_key]).arg(screenshots), "");
}
