//! What the gateway's journal is worth: the real binary is killed, ended, starved of disk and
//! started again, and prospects and operator lose nothing.

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

/// A port that is free, and that nobody is given who asks for any: it stays free while a gateway
/// is away.
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

/// A gateway with a journal, on which a test may speak and connect as often as it likes.
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
