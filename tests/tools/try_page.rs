//! The home page and the try page in a real browser.

use tempfile::TempDir;
use tests::{
    Gateway,
    tools::{node, succeed},
};

/// The whole conversation, by mouse and keyboard, wide and narrow, light and dark; axe finds nothing.
/// The variable `SCREENSHOTS` names a folder in which to keep the screenshots.
#[test]
#[ignore = "needs Node and Chromium"]
fn the_whole_conversation_can_be_tried_on_one_page() {
    let gateway = Gateway::trial();
    let folder = TempDir::new().expect("a folder");
    let screenshots = std::env::var_os("SCREENSHOTS").unwrap_or_else(|| folder.path().into());
    let mut walk = node("try-page.mjs");
    succeed(walk.args([&gateway.url, &gateway.operator_key]).arg(screenshots), "");
}
