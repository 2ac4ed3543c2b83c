//! A disk that hangs, is slow or turns read-only under a running gateway.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
};

use tempfile::TempDir;
use tests::{
    Answer, Gateway, GatewayBuilder, Operator, Prospect, Socket,
    gateway::{PATIENCE, eventually, root},
    socket::handshake,
};

use super::journaled;

/// The faults of `faulty_disk.c`, which is compiled once.
fn faults() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faulty_disk.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(root().join("tests/restart/faulty_disk.c"))
            .status();
        assert!(compiled.expect("a C compiler").success());
        library
    })
}

/// A gateway and its disk.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn gateway(&self) -> Gateway {
        self.builder().start()
    }

    fn builder(&self) -> GatewayBuilder {
        journaled(&self.folder.path().join("data"))
            .variable("LD_PRELOAD", faults().to_str().expect("a path"))
            .variable("DISK_STATE", self.state().to_str().expect("a path"))
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn set(&self, state: &str) {
        fs::write(self.state(), state).expect("written");
    }
}

fn claim(gateway: &Gateway, device: &str) -> Answer {
    gateway.request_token("browser", device, None)
}

fn problem(answer: &Answer) -> (u16, String) {
    (answer.status, answer.problem_name())
}

#[test]
fn what_a_hanging_disk_did_not_confirm_is_revoked() {
    let disk = Disk::new();
    let gateway = disk.gateway();
    let operator = Operator::of(&gateway);
    let token = gateway.claim("phone");
    let half_ref = tests::half_ref();
    gateway.connect_socket(&token, "phone", &half_ref).succeeds();
    disk.set("hang");
    thread::scope(|scope| {
        let opened =
            scope.spawn(|| Socket::try_open(&gateway, handshake(&gateway, &half_ref)).err());
        let claimed = scope.spawn(|| claim(&gateway, "tablet"));
        let refused = opened.join().expect("an answer").expect("a refusal");
        assert_eq!(problem(&refused), (503, "outcome-unknown".to_owned()));
        let claimed = claimed.join().expect("an answer");
        assert_eq!(problem(&claimed), (503, "outcome-unknown".to_owned()));
    });
    eventually("the gateway is not ready", || gateway.get("/readyz").status == 503);
    assert_eq!(problem(&claim(&gateway, "watch")), (503, "engine-unavailable".to_owned()));
    disk.set("works");
    eventually("the gateway is ready", || gateway.get("/readyz").status == 200);

    assert_eq!(claim(&gateway, "tablet").status, 200);
    assert_eq!(operator.prospect("phone").json()["connected"], false);
    let events: Vec<_> = operator.history_of("phone").into_iter().map(|it| it.kind).collect();
    assert_eq!(events, ["connected", "disconnected"]);
}

#[test]
fn a_disk_that_turns_read_only_is_503_until_it_can_be_written_again() {
    let disk = Disk::new();
    let gateway = disk.gateway();
    let token = gateway.claim("phone");
    disk.set("read-only");
    assert_eq!(problem(&claim(&gateway, "tablet")), (503, "engine-unavailable".to_owned()));
    eventually("the gateway is not ready", || gateway.get("/readyz").status == 503);
    assert_eq!(gateway.get("/livez").status, 200);
    let _ = gateway.logged("the journal cannot be written");
    disk.set("works");
    eventually("the gateway is ready", || gateway.get("/readyz").status == 200);
    assert_eq!(claim(&gateway, "tablet").status, 200);
    let mut prospect = Prospect::open_with(&gateway, &token, "phone");
    prospect.deliver("one", "1");
}

/// systemd would end a start that takes longer than `TimeoutStartSec` and does not ask for more time.
#[test]
fn a_start_that_takes_long_tells_the_log_and_the_service_manager_how_far_it_is() {
    let disk = Disk::new();
    let mut gateway = disk.gateway();
    let operator = Operator::of(&gateway);
    let data = format!("\"{}\"", "x".repeat(50_000));
    for device in ["phone", "tablet", "watch", "television"] {
        let _token = gateway.claim(device);
        for _ in 0..20 {
            operator.queue(device, &data);
        }
    }
    gateway.signal("KILL");
    gateway.ended();
    // Without it, entries may be missing, and the start compacts the journal.
    fs::remove_file(disk.folder.path().join("data/committed")).expect("removed");
    disk.set("slow");
    let address = disk.folder.path().join("notify");
    let manager = UnixDatagram::bind(&address).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let gateway =
        disk.builder().variable("NOTIFY_SOCKET", address.to_str().expect("a path")).start();
    let mut notified = Vec::new();
    while !notified.iter().any(|it: &String| it.starts_with("READY=1\n")) {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).expect("a notification");
        notified.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    for what in ["reading the journal", "compacting the journal"] {
        let line = gateway.logged(what);
        assert!(line.contains("INFO") && line.contains("done=") && line.contains("of="), "{line}");
        let status = notified.iter().find(|it| it.starts_with(&format!("STATUS={what}: ")));
        let status = status.unwrap_or_else(|| panic!("{what}: {notified:?}"));
        assert!(status.ends_with("\nEXTEND_TIMEOUT_USEC=60000000"), "{status}");
    }
}
