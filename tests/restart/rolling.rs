//! The gateway is ended in good order and started again, under load.

use tests::Books;

use super::{KEY, free_port, journaled_at};

#[test]
fn a_rolling_restart_under_load_loses_nothing() {
    const RESTARTS: u64 = 8;
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let start = || journaled_at(port, folder.path()).start();
    let mut gateway = start();
    let books = Books::open(gateway.authority(), KEY, 6, 200);
    for restart in 1..=RESTARTS {
        books.progress_to(restart * 90 / RESTARTS);
        gateway.signal("TERM");
        assert!(gateway.ended().success());
        gateway = start();
    }
    let sockets = books.balance();
    assert!(u64::from(sockets) > 6 * RESTARTS, "there were only {sockets} sockets");
}
