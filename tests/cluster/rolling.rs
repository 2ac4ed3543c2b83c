//! Three gateways behind a TCP proxy are restarted one after the other under load.

use tests::{Bookkeeper, Gateway, Load, Proxy, RedisServer};

use crate::gateways::{KEY, builder, start};

/// Three gateways on one Redis, each with a port that it keeps over restarts.
struct Gateways {
    url: String,
    running: Vec<(u16, Gateway)>,
}

impl Gateways {
    fn start(server: &RedisServer) -> Self {
        let url = server.url();
        let running = (0..3).map(|_| {
            let gateway = start(builder(&url));
            let port = gateway.authority().rsplit(':').next().and_then(|port| port.parse().ok());
            (port.expect("a port"), gateway)
        });
        Self { running: running.collect(), url }
    }

    fn ports(&self) -> Vec<u16> {
        self.running.iter().map(|(port, _)| *port).collect()
    }

    /// Ends a gateway with a signal and starts it again.
    fn restart(&mut self, which: usize, signal: &str) {
        let (port, gateway) = &mut self.running[which];
        gateway.signal(signal);
        gateway.ended();
        *gateway = start(builder(&self.url).flag("--listen", &format!("127.0.0.1:{port}")));
    }
}

/// Restarts one gateway after the other with these signals, and checks that no message is lost or
/// doubled meanwhile.
fn restart_under_load(signals: &[&str]) {
    let server = RedisServer::durable();
    let mut gateways = Gateways::start(&server);
    let proxy = Proxy::to(&gateways.ports());
    let authority = format!("127.0.0.1:{}", proxy.port());
    let load = Load { devices: 4, ..Load::RESTARTS };
    let bookkeeper = Bookkeeper::start(&authority, KEY, load);
    let restarts = signals.len() as u64;
    for ((signal, which), restart) in signals.iter().zip((0..3).cycle()).zip(1..) {
        bookkeeper.progress_to(restart * 90 / restarts);
        gateways.restart(which, signal);
    }
    let sockets: u64 = bookkeeper.finish().iter().sum();
    assert!(sockets > load.devices, "no device had to reconnect");
}

#[test]
#[ignore = "needs redis-server"]
fn no_message_is_lost_or_doubled_in_a_rolling_restart() {
    restart_under_load(&["TERM"; 6]);
}

#[test]
#[ignore = "needs redis-server"]
fn no_message_is_lost_or_doubled_when_gateways_are_killed() {
    restart_under_load(&["KILL", "TERM", "KILL"]);
}
