//! The gateway as systemd runs it: the notifications that it sends, and the unit.

use std::{
    fs,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    process::Command,
};

use tempfile::TempDir;
use tests::{
    Gateway,
    gateway::PATIENCE,
    tools::{run, succeed},
};

use super::file;

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    address: String,
    _folder: TempDir,
}

impl Manager {
    fn at_a_path() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        Self::of(socket, path.display().to_string(), folder)
    }

    fn at_an_abstract_name() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().display().to_string();
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Self::of(socket, format!("@{name}"), folder)
    }

    fn of(socket: UnixDatagram, address: String, folder: TempDir) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, address, _folder: folder }
    }

    /// The next notification.
    fn notified(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a notification");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }
}

#[test]
fn a_start_and_a_stop_are_notified() {
    for manager in [Manager::at_a_path(), Manager::at_an_abstract_name()] {
        let builder = Gateway::builder().variable("NOTIFY_SOCKET", &manager.address);
        let mut gateway = builder.flag("--drain-timeout", "20s").start();
        let ready = manager.notified();
        assert!(ready.starts_with("READY=1\n"), "{ready}");
        assert!(ready.contains(&format!("STATUS=Listening on {}", gateway.authority())), "{ready}");
        assert_eq!(gateway.get("/livez").status, 200);
        gateway.signal("TERM");
        let stopping = manager.notified();
        assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
        // The drain and 15 seconds.
        assert!(stopping.contains("EXTEND_TIMEOUT_USEC=35000000"), "{stopping}");
        assert!(gateway.ended().success());
    }
}

#[test]
fn a_start_that_is_refused_is_never_ready() {
    let manager = Manager::at_a_path();
    let builder = Gateway::builder().variable("NOTIFY_SOCKET", &manager.address);
    let _ = builder.flag("--operator-key", "short").refused();
    manager.socket.set_nonblocking(true).expect("set");
    assert!(manager.socket.recv(&mut [0; 64]).is_err());
}

#[test]
fn the_watchdog_is_fed() {
    let manager = Manager::at_a_path();
    let builder = Gateway::builder().variable("NOTIFY_SOCKET", &manager.address);
    let _gateway = builder.variable("WATCHDOG_USEC", "300000").start();
    assert!(manager.notified().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(manager.notified(), "WATCHDOG=1");
    }
}

#[test]
fn a_service_manager_that_is_away_stops_nothing() {
    let gateway = Gateway::builder().variable("NOTIFY_SOCKET", "/nowhere/notify").start();
    assert_eq!(gateway.get("/livez").status, 200);
    let _ = gateway.logged("cannot be notified");
}

/// The unit, with the program replaced by one that is there.
fn unit() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("connect-socket.service");
    let unit = file("docs/deploy/connect-socket.service");
    assert!(unit.contains("\nExecStart=/usr/local/bin/connect-socket\n"));
    fs::write(&path, unit.replace("/usr/local/bin/connect-socket", "/bin/true")).expect("written");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let (_folder, path) = unit();
    let output = run(Command::new("systemd-analyze").args(["verify", &path]), "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("connect-socket.service"), "{said}");
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_unit_exposes_little() {
    let (_folder, path) = unit();
    let mut analyze = Command::new("systemd-analyze");
    // The score is ten times the exposure.
    succeed(analyze.args(["security", "--offline=yes", "--threshold=20", "--no-pager", &path]), "");
}
