//! `connect-socket check` and `connect-socket healthcheck`.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Output,
};

use tempfile::TempDir;
use tests::{Gateway, GatewayBuilder};

use crate::OPERATOR_KEY;

/// The exit code of a check and its lines.
fn check(builder: GatewayBuilder) -> (i32, String) {
    let output = builder.run("check");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.is_empty(), "{stderr}");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    for line in printed.lines() {
        let level = line.split("  ").next().unwrap_or_default().trim();
        assert!(matches!(level, "ok" | "warning" | "error"), "{line}");
    }
    (output.status.code().expect("an exit code"), printed)
}

/// The only line of a level about a subject.
fn finding(printed: &str, level: &str, subject: &str) -> String {
    let start = format!("{level:<7}  {subject}: ");
    let mut found = printed.lines().filter_map(|line| line.strip_prefix(&start));
    let text = found.next().unwrap_or_else(|| panic!("no {start:?} in\n{printed}"));
    assert_eq!(found.next(), None, "{printed}");
    text.to_owned()
}

fn production() -> GatewayBuilder {
    Gateway::builder()
        .flag("--operator-key", OPERATOR_KEY)
        .flag("--public-url", "https://gateway.example.com")
        .flag("--trusted-proxy", "10.0.0.0/8")
}

/// A folder that a gateway has used.
fn used_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = in_folder(folder.path()).start();
    let _token = gateway.claim("phone");
    gateway.signal("KILL");
    gateway.ended();
    folder
}

fn in_folder(folder: &Path) -> GatewayBuilder {
    production().flag("--data-dir", &folder.display().to_string())
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).expect("a folder").map(|file| {
        let file = file.expect("a file");
        let content = fs::read(file.path()).expect("its content");
        (file.file_name().to_string_lossy().into_owned(), content)
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

#[test]
fn a_trial_works() {
    let (code, printed) = check(Gateway::builder());
    assert_eq!(code, 0, "{printed}");
    assert!(!printed.contains("warning"), "{printed}");
}

#[test]
fn good_settings_have_nothing_but_ok() {
    let folder = used_folder();
    let (code, printed) = check(in_folder(folder.path()));
    assert_eq!(code, 0, "{printed}");
    assert!(!printed.contains("warning"), "{printed}");
    assert!(finding(&printed, "ok", "journal").contains("holds a journal"));
    assert!(!printed.contains(OPERATOR_KEY));
}

#[test]
fn a_check_leaves_the_folder_as_it_is() {
    let folder = used_folder();
    let before = files(folder.path());
    assert_eq!(check(in_folder(folder.path())).0, 0);
    assert_eq!(files(folder.path()), before);

    let missing = folder.path().join("not/made");
    let (code, printed) = check(in_folder(&missing));
    assert_eq!(code, 0, "{printed}");
    assert!(finding(&printed, "ok", "journal").contains("a start makes one"));
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_folder_in_use_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = in_folder(folder.path()).start();
    let (code, printed) = check(in_folder(folder.path()));
    assert_eq!(code, 1);
    assert!(finding(&printed, "error", "journal").contains("another gateway is using it"));
    let _token = gateway.claim("phone");
}

/// Makes a folder unusable.
type Damage = fn(&Path);

#[test]
fn a_folder_that_a_start_refuses_is_an_error() {
    let damages: [(Damage, &str); 4] = [
        (
            |path| fs::write(path.join("journal.sqlite"), "no database at all").unwrap(),
            "is no journal",
        ),
        (
            |path| {
                fs::remove_file(path.join("journal.sqlite")).unwrap();
                symlink("/etc/passwd", path.join("journal.sqlite")).unwrap();
            },
            "not a regular file",
        ),
        (|path| set_format(path, 9999), "has format 9999"),
        (
            |path| {
                fs::remove_dir_all(path).unwrap();
                fs::write(path, "a file").unwrap();
            },
            "not a folder",
        ),
    ];
    for (damage, expected) in damages {
        let parent = used_folder();
        damage(parent.path());
        let (code, printed) = check(in_folder(parent.path()));
        assert_eq!(code, 1, "{printed}");
        let error = finding(&printed, "error", "journal");
        assert!(error.contains(expected), "{error}");
        // A start says the same.
        let refused = in_folder(parent.path()).refused();
        let sentence = String::from_utf8_lossy(&refused.stderr).trim().to_owned();
        assert_eq!(sentence, format!("error: {error}."));
        if parent.path().is_file() {
            fs::remove_file(parent.path()).unwrap();
        }
    }
}

/// Makes the journal one of another version.
fn set_format(folder: &Path, format: i32) {
    let database = rusqlite::Connection::open(folder.join("journal.sqlite")).expect("a database");
    database.pragma_update(None, "user_version", format).expect("changed");
}

#[test]
fn files_that_others_can_read_are_warned_about() {
    let folder = used_folder();
    let database = folder.path().join("journal.sqlite");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).expect("its mode");
    let (code, printed) = check(in_folder(folder.path()));
    assert_eq!(code, 0);
    assert!(finding(&printed, "warning", "journal").contains("journal.sqlite"));
}

#[test]
fn a_key_file_that_others_can_read_is_warned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    fs::write(&file, OPERATOR_KEY).expect("written");
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode");
        let builder = Gateway::builder().flag("--operator-key-file", &file.display().to_string());
        let (code, printed) = check(builder);
        assert_eq!(code, 0);
        assert_eq!(printed.contains("warning  operator keys: "), warned, "{mode:o}: {printed}");
    }
}

#[test]
fn a_port_in_use_is_an_error() {
    let gateway = Gateway::trial();
    let (code, printed) = check(Gateway::builder().flag("--listen", gateway.authority()));
    assert_eq!(code, 1);
    assert!(finding(&printed, "error", "listen").contains("give another port"));
}

#[test]
fn a_free_port_stays_free() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("its address").to_string();
    drop(free);
    assert_eq!(check(Gateway::builder().flag("--listen", &address)).0, 0);
    let gateway = Gateway::builder().flag("--listen", &address).start();
    assert_eq!(gateway.get("/livez").status, 200);
}

#[test]
fn what_a_start_refuses_is_an_error() {
    for (builder, subject) in [
        (Gateway::builder().flag("--operator-key", "short"), "operator keys"),
        (Gateway::builder().flag("--listen", "0.0.0.0:0"), "operator keys"),
        (Gateway::builder().flag("--log", "loud"), "log"),
        (Gateway::builder().variable("CONNECTSOCKET_TOKEN_TLL", "1h"), "variables"),
        (Gateway::builder().flag("--event-bytes", "100"), "limits"),
        (Gateway::builder().descriptors(256), "descriptors"),
        (production().flag("--redis-url", "http://redis"), "redis"),
    ] {
        let (code, printed) = check(builder);
        assert_eq!(code, 1, "{printed}");
        finding(&printed, "error", subject);
    }
}

#[test]
fn several_errors_are_all_found() {
    let builder = Gateway::builder().flag("--operator-key", "short").flag("--log", "loud");
    let (_, printed) = check(builder);
    finding(&printed, "error", "log");
    finding(&printed, "error", "operator keys");
}

#[test]
fn doubtful_settings_are_warnings() {
    let key = || Gateway::builder().flag("--operator-key", OPERATOR_KEY);
    for (builder, subject, text) in [
        (key(), "journal", "a restart forgets everything"),
        (key(), "origins", "give --allowed-origin"),
        (key().flag("--allowed-origin", "http://www.example.com"), "origins", "use https"),
        (key().flag("--public-url", "https://g.example.com"), "trusted proxies", "--trusted-proxy"),
        (key().flag("--trusted-proxy", "0.0.0.0/0"), "trusted proxies", "every client"),
    ] {
        let (code, printed) = check(builder);
        assert_eq!(code, 0, "{printed}");
        let warning = finding(&printed, "warning", subject);
        assert!(warning.contains(text), "{warning}");
    }
    let local = key().flag("--allowed-origin", "http://localhost:3000");
    assert!(!check(local).1.contains("use https"));
}

#[test]
fn a_mistake_in_a_flag_is_one_of_usage() {
    let output = Gateway::builder().flag("--token-ttl", "soon").run("check");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--token-ttl"));
}

fn healthcheck(listen: &str) -> Output {
    Gateway::builder().flag("--listen", listen).run("healthcheck")
}

#[test]
fn a_running_gateway_is_healthy() {
    let gateway = Gateway::trial();
    assert_eq!(healthcheck(gateway.authority()).status.code(), Some(0));
}

#[test]
fn a_gateway_on_every_interface_is_asked_on_loopback() {
    let gateway = production().flag("--listen", "0.0.0.0:0").start();
    let port = gateway.authority().rsplit(':').next().expect("a port");
    assert_eq!(healthcheck(&format!("0.0.0.0:{port}")).status.code(), Some(0));
}

#[test]
fn no_gateway_is_not_healthy() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("its address").to_string();
    drop(silent);
    let output = healthcheck(&address);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not answer"));
}
