//! The gateway is stopped with SIGTERM and started again, many times under load.

use tests::{Bookkeeper, Load};

use super::{KEY, free_port, journaled_at};

const RESTARTS: u64 = 8;

#[test]
fn no_message_is_lost_or_doubled_in_a_rolling_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let start = || journaled_at(port, folder.path()).start();
    let mut gateway = start();
    let bookkeeper = Bookkeeper::start(gateway.authority(), KEY, Load::RESTARTS);
    for restart in 1..=RESTARTS {
        bookkeeper.progress_to(restart * 90 / RESTARTS);
        gateway.signal("TERM");
        assert!(gateway.ended().success());
        gateway = start();
    }
    let sockets: u64 = bookkeeper.finish().iter().sum();
    assert!(sockets > 6 * RESTARTS, "{sockets} sockets are too few to show anything");
}
