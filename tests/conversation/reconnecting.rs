//! Prospects and the operator reconnect all the time: no message is lost or doubled.

use tests::{Bookkeeper, Load};

use crate::unlimited;

#[test]
fn no_message_is_lost_or_doubled_over_many_reconnects() {
    let gateway = unlimited();
    let load = Load { devices: 5, messages: 100, reconnect_one_in: 12, erasures: false };
    let bookkeeper = Bookkeeper::start(gateway.authority(), &gateway.operator_key, load);
    let sockets = bookkeeper.finish();
    assert!(sockets.iter().all(|count| *count > 5), "{sockets:?} are too few to show anything");
}
