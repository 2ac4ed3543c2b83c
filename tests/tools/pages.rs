//! The gateway's pages in a real browser.

use std::fs;

use tempfile::TempDir;
use tests::{
    Gateway,
    gateway::root,
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

/// The files of the Swagger UI are those of the release that `tests/node/package-lock.json` pins.
#[test]
#[ignore = "needs Node"]
fn the_swagger_ui_is_a_release_unchanged() {
    let (ours, released) =
        ("server/web/swagger-ui/dist", "tests/node/node_modules/swagger-ui-dist");
    let folder = fs::read_dir(root().join(ours)).expect("its files");
    let files: Vec<_> = folder.map(|file| file.expect("a file").file_name()).collect();
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let [ours, released] = [ours, released].map(|folder| root().join(folder).join(&file));
        let [ours, released] = [ours, released].map(|path| fs::read(path).expect("a file"));
        assert!(ours == released, "{} is not that of the release", file.display());
    }
}
