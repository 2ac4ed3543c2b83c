//! The gateway is killed many times under load.

use tests::{Bookkeeper, Load};

use super::{KEY, free_port, journaled_at};

const KILLS: u64 = 20;

#[test]
fn no_message_is_lost_or_doubled_when_the_gateway_is_killed_many_times() {
    for durability in ["process", "power"] {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let start = || journaled_at(port, folder.path()).flag("--durability", durability).start();
        let mut gateway = start();
        let bookkeeper = Bookkeeper::start(gateway.authority(), KEY, Load::RESTARTS);
        for kill in 1..=KILLS {
            bookkeeper.progress_to(kill * 90 / KILLS);
            gateway.signal("KILL");
            gateway.ended();
            gateway = start();
        }
        let sockets: u64 = bookkeeper.finish().iter().sum();
        assert!(sockets > 2 * KILLS, "{sockets} sockets are too few to show anything");
    }
}
