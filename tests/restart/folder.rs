//! The data folder: its owner and mode, and when it is refused.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use tests::{Gateway, Operator, Prospect, gateway::eventually};

use super::{KEY, journaled};

fn refused(folder: &Path) -> String {
    let output = journaled(folder).refused();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn a_second_gateway_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _gateway = journaled(folder.path()).start();
    let sentence = refused(folder.path());
    assert!(sentence.contains("another gateway is using it"), "{sentence}");
}

#[test]
fn a_created_folder_is_private_to_the_gateways_user() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("made/for/it");
    let _gateway = journaled(&folder).start();
    let mode = fs::metadata(&folder).expect("the folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn the_files_are_private_to_the_gateways_user() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("for everybody");
    let gateway = journaled(folder.path()).start();
    let _token = gateway.claim("phone");
    let files = fs::read_dir(folder.path()).expect("the folder");
    let files: Vec<_> = files.map(|file| file.expect("a file")).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let mode = file.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_created_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let sentence = refused(file.path());
    assert!(sentence.contains("cannot be used"), "{sentence}");
}

#[test]
fn durability_without_a_folder_is_refused() {
    let output = Gateway::builder().flag("--durability", "power").refused();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn no_secret_is_in_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).start();
    let token = gateway.claim("phone");
    let half_ref = tests::half_ref();
    gateway.connect_socket(&token, "phone", &half_ref).succeeds();
    let mut prospect = Prospect::redeem(&gateway, &half_ref);
    prospect.deliver("one", r#""to be found""#);
    let files = fs::read_dir(folder.path()).expect("the folder");
    let mut written = Vec::new();
    for file in files {
        written.extend(fs::read(file.expect("a file").path()).expect("what is in it"));
    }
    let holds = |text: &str| written.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("to be found"));
    for secret in [&*token, &*half_ref, KEY] {
        assert!(!holds(secret), "{secret}");
    }
}

#[test]
fn a_queued_message_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = journaled(folder.path()).start();
    let token = gateway.claim("phone");
    Operator::of(&gateway).queue("phone", r#""hello""#);
    gateway.signal("TERM");
    assert!(gateway.ended().success());
    let gateway = journaled(folder.path()).start();
    let mut prospect = Prospect::open_with(&gateway, &token, "phone");
    assert_eq!(prospect.receive_message().data, r#""hello""#);
}

#[test]
fn a_removed_folder_is_503_and_not_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).start();
    fs::remove_dir_all(folder.path()).expect("removed");
    eventually("the gateway is not ready", || gateway.get("/readyz").status == 503);
    assert_eq!(gateway.get("/livez").status, 200);
    let answer = gateway.request_token("browser", "phone", None);
    assert_eq!((answer.status, answer.problem_name().as_str()), (503, "engine-unavailable"));
    let _ = gateway.logged("was removed or replaced");
}

#[test]
fn an_operation_right_after_the_removal_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = journaled(folder.path()).start();
    fs::remove_dir_all(folder.path()).expect("removed");
    assert_eq!(gateway.request_token("browser", "phone", None).status, 503);
}

#[test]
fn a_folder_that_is_moved_away_and_back_is_used_again() {
    let parent = tempfile::tempdir().expect("a folder");
    let (folder, elsewhere) = (parent.path().join("data"), parent.path().join("elsewhere"));
    let gateway = journaled(&folder).start();
    fs::rename(&folder, &elsewhere).expect("moved");
    eventually("the gateway is not ready", || gateway.get("/readyz").status == 503);
    fs::rename(&elsewhere, &folder).expect("moved back");
    eventually("the gateway is ready", || gateway.get("/readyz").status == 200);
    gateway.request_token("browser", "phone", None).succeeds();
}

#[test]
fn a_link_in_the_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = tempfile::NamedTempFile::new().expect("a file");
    symlink(elsewhere.path(), folder.path().join("journal.sqlite")).expect("a link");
    let sentence = refused(folder.path());
    assert!(sentence.contains("journal.sqlite is not a regular file"), "{sentence}");
}

#[test]
fn files_of_a_copied_folder_become_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = journaled(folder.path()).start();
    gateway.signal("TERM");
    assert!(gateway.ended().success());
    let database = folder.path().join("journal.sqlite");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).expect("its mode");
    let _gateway = journaled(folder.path()).start();
    for name in ["journal.sqlite", "journal.sqlite-wal"] {
        let mode = fs::metadata(folder.path().join(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_recovered_journal_is_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = journaled(folder.path()).start();
    let _token = gateway.claim("phone");
    assert!(!gateway.log().contains("journal recovered"));
    gateway.signal("KILL");
    gateway.ended();
    let gateway = journaled(folder.path()).start();
    let line = gateway.logged("journal recovered");
    assert!(line.contains("INFO") && line.contains("devices=1"), "{line}");
}
