//! The journal: the real binary is killed, stopped, started again, and run on disks and clocks with
//! faults, and no message is lost.

mod clock;
mod erasing;
mod faulty_disk;
mod folder;
mod full_disk;
mod killing;
mod rolling;

use std::{
    net::TcpListener,
    path::Path,
    sync::atomic::{AtomicU16, Ordering},
};

use tests::{Gateway, GatewayBuilder};

const KEY: &str = "the-operator-key-of-these-tests-1234";

/// A free port below those that the system hands out for port 0, so that no other process takes it
/// while a gateway restarts.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 20_000).expect("a small number");
    loop {
        let port = 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A gateway with a journal, whose rates a test does not reach.
fn journaled(folder: &Path) -> GatewayBuilder {
    Gateway::builder()
        .flag("--data-dir", folder.to_str().expect("a path"))
        .operator_key(KEY)
        .flag("--frames-per-second", "1000")
        .flag("--authorisations-per-second", "1000")
        .flag("--event-streams", "1000")
}

/// The same at this port.
fn journaled_at(port: u16, folder: &Path) -> GatewayBuilder {
    journaled(folder).flag("--listen", &format!("127.0.0.1:{port}"))
}
