//! The gateway's pages in a real browser.

use tempfile::TempDir;
use tests::{
    Gateway,
    tools::{node, succeed},
};

/// Takes a walk of `tests/node` through the pages of a trial. The variable `SCREENSHOTS` names a
/// folder in which to keep the screenshots.
fn walk(script: &str) {
    let gateway = Gateway::trial();
    let folder = TempDir::new().expect("a folder");
    let screenshots = std::env::var_os("SCREENSHOTS").unwrap_or_else(|| folder.path().into());
    let mut walk = node(script);
    succeed(walk.args([&gateway.url, &gateway.operator_key]).arg(screenshots), "");
}

/// Three clicks to a 200, counted; no error in the console and no request to anywhere else.
#[test]
#[ignore = "needs Node and Chromium"]
fn a_new_user_executes_an_operation_in_the_browser() {
    walk("swagger-ui.mjs");
}

/// By mouse and keyboard, wide and narrow, light and dark; axe finds nothing.
#[test]
#[ignore = "needs Node and Chromium"]
fn the_whole_conversation_can_be_tried_on_one_page() {
    walk("try-page.mjs");
}
