//! The gateway is killed in the middle of traffic, many times.

use tests::Books;

use super::{KEY, free_port, journaled_at};

/// How often.
const KILLS: u64 = 20;

#[test]
fn nothing_is_lost_or_doubled_however_often_the_gateway_is_killed() {
    for durability in ["process", "power"] {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let start = || journaled_at(port, folder.path()).flag("--durability", durability).start();
        let mut gateway = start();
        let books = Books::open(gateway.authority(), KEY, 6, 200);
        for kill in 1..=KILLS {
            books.progress_to(kill * 90 / KILLS);
            gateway.signal("KILL");
            gateway.ended();
            gateway = start();
        }
        let sockets = books.balance();
        assert!(u64::from(sockets) > 2 * KILLS, "there were only {sockets} sockets");
    }
}
