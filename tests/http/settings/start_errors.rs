//! Every error of a start says in one sentence what is wrong and what to do.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tests::{Gateway, GatewayBuilder, gateway::binary};

use super::{refusal, with_operator_key};

/// A start that is refused, what the sentence names, and what it advises.
struct Case {
    builder: GatewayBuilder,
    cause: &'static str,
    remedy: &'static str,
}

fn case(builder: GatewayBuilder, cause: &'static str, remedy: &'static str) -> Case {
    Case { builder, cause, remedy }
}

fn assert_refused(cases: impl IntoIterator<Item = Case>) {
    for Case { builder, cause, remedy } in cases {
        let error = refusal(builder);
        assert!(error.contains(cause), "{cause:?} is not in: {error}");
        assert!(error.contains(remedy), "{remedy:?} is not in: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "more than one line: {error}");
        assert!(error.trim_end().ends_with('.'), "no sentence: {error}");
    }
}

fn listening_on(address: &str) -> GatewayBuilder {
    with_operator_key().flag("--listen", address)
}

fn keys_in(path: &Path) -> GatewayBuilder {
    Gateway::builder().flag("--operator-key-file", &path.display().to_string())
}

fn in_folder(path: &Path) -> GatewayBuilder {
    Gateway::builder().flag("--data-dir", &path.display().to_string())
}

#[test]
fn of_the_address() {
    let other = Gateway::trial();
    assert_refused([
        case(listening_on(other.authority()), "Address already in use", "give another port"),
        case(listening_on("192.0.2.1:80"), "192.0.2.1:80", "an address of this machine"),
    ]);
}

#[test]
fn of_the_operator_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        path
    };
    let third = "yet-another-operator-key-with-enough";
    assert_refused([
        case(keys_in(&folder.path().join("missing")), "No such file", "give --operator-key-file"),
        case(keys_in(folder.path()), "Is a directory", "a text file"),
        case(keys_in(&file("binary", &[0xff; 64])), "UTF-8", "a text file"),
        case(keys_in(&file("empty", b"\n")), "holds no key", "openssl rand -hex 32"),
        case(keys_in(&file("short", b"short")), "at least 32", "openssl rand -hex 32"),
        case(
            with_operator_key().flag("--operator-key", &format!("{third},{third}")),
            "3 operator keys",
            "remove some",
        ),
        case(Gateway::builder().flag("--listen", "0.0.0.0:0"), "is needed", "--operator-key-file"),
    ]);
}

#[test]
fn of_the_data_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let journal = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a folder");
        fs::write(path.join("journal.sqlite"), content).expect("written");
        path
    };
    let linked = folder.path().join("linked");
    fs::create_dir(&linked).expect("a folder");
    fs::create_dir(linked.join("committed")).expect("a folder in place of a file");
    assert_refused([
        case(in_folder(&file), "not a folder", "give the path of a folder"),
        case(in_folder(&file.join("below")), "not a folder", "give the path of a folder"),
        case(in_folder(&journal("text", &[b'x'; 4096])), "no journal", "restore it from a backup"),
        case(in_folder(&linked), "committed is not a regular file", "put the file itself there"),
        case(in_folder(Path::new("/proc/nothing")), "No such file", "--data-dir"),
    ]);
}

#[test]
fn of_a_journal_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = in_folder(folder.path()).start();
    let _token = gateway.claim("phone");
    gateway.signal("TERM");
    assert!(gateway.ended().success());
    let database = folder.path().join("journal.sqlite");
    let edit = |statement: &str| {
        let database = rusqlite::Connection::open(&database).expect("a database");
        database.execute_batch(statement).expect("done");
    };
    edit("UPDATE commits SET changes = x'ffffffffff' WHERE n = (SELECT max(n) FROM commits)");
    assert_refused([case(in_folder(folder.path()), "is damaged", "restore a backup")]);
    edit("PRAGMA user_version = 9999");
    assert_refused([case(in_folder(folder.path()), "format 9999", "start the version that wrote")]);
    edit("PRAGMA application_id = 7");
    assert_refused([case(in_folder(folder.path()), "another program's", "a folder of its own")]);
    // The file ends in its middle.
    let bytes = fs::read(&database).expect("a database");
    for file in ["journal.sqlite-wal", "journal.sqlite-shm"] {
        let _ = fs::remove_file(folder.path().join(file));
    }
    fs::write(&database, &bytes[..bytes.len() / 2]).expect("written");
    edit_header(&database);
    assert_refused([case(in_folder(folder.path()), "malformed", "restore a backup")]);
}

/// Makes a database ours again, past what `SQLite` would refuse.
fn edit_header(database: &Path) {
    let mut bytes = fs::read(database).expect("a database");
    let length = u32::try_from(bytes.len() / 4096).expect("a short file");
    bytes[28..32].copy_from_slice(&(length + 2).to_be_bytes());
    bytes[60..64].copy_from_slice(&0u32.to_be_bytes());
    bytes[68..72].copy_from_slice(&0u32.to_be_bytes());
    fs::write(database, bytes).expect("written");
}

#[test]
fn of_limits_that_do_not_fit_together() {
    let redis = || with_operator_key().flag("--redis-url", "redis://127.0.0.1:1");
    assert_refused([
        case(Gateway::builder().flag("--event-bytes", "100"), "--event-bytes", "at least"),
        case(redis().flag("--redis-lease", "1s"), "--redis-lease", "raise the one"),
        case(
            with_operator_key().flag("--redis-url", "http://redis:6379"),
            "not a URL of a Redis",
            "write redis://host:6379",
        ),
        case(Gateway::builder().descriptors(256), "256 descriptors", "LimitNOFILE="),
        case(
            Gateway::builder().descriptors(600).flag("--workers", "512"),
            "600 descriptors",
            "more than 4288",
        ),
    ]);
}

#[test]
fn of_the_log_and_of_variables() {
    assert_refused([
        case(Gateway::builder().flag("--log", "loud"), "no level", "info, debug or trace"),
        case(Gateway::builder().flag("--log", "a=b=c"), "no filter", "info,server=debug"),
        case(
            Gateway::builder().variable("CONNECTSOCKET_TOKEN_TLL", "1h"),
            "CONNECTSOCKET_TOKEN_TLL",
            "correct or remove",
        ),
    ]);
}

#[test]
fn more_workers_than_can_run_are_refused() {
    let error = refusal(Gateway::builder().flag("--workers", "100000"));
    assert!(error.contains("must be a number from 1 to 512"), "{error}");
    let gateway = Gateway::builder().flag("--workers", "40").start();
    assert_eq!(gateway.get("/livez").status, 200);
}

/// Only another user than root is refused.
#[test]
#[ignore = "needs root, to become another user"]
fn of_rights() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
    let key = folder.path().join("key");
    fs::write(&key, crate::OPERATOR_KEY).expect("written");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("its mode");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder");
    // The folder of the project may be closed to others.
    let program = folder.path().join("gateway");
    fs::copy(binary(), &program).expect("copied");
    let other = |builder: GatewayBuilder| builder.other_user(&program);
    assert_refused([
        case(other(keys_in(&key)), "Permission denied", "the gateway's user may read"),
        case(other(in_folder(&data)), "Permission denied", "chown"),
        case(other(in_folder(&data.join("below"))), "Permission denied", "chown"),
        case(other(in_folder(Path::new("/proc/1/x"))), "cannot be used", "--data-dir"),
    ]);
    let (data, key) = (data.display().to_string(), key.display().to_string());
    let checked = Gateway::builder()
        .flag("--data-dir", &data)
        .flag("--operator-key-file", &key)
        .other_user(&program)
        .run("check");
    assert_eq!(checked.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(printed.matches("Permission denied").count(), 2, "{printed}");
}
