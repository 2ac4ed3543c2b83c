//! The clock of Redis's machine is set while gateways run.

use tests::{Gateway, Operator, Prospect, RedisServer, WallClock};

use crate::gateways::{builder, start};

/// Two gateways, each with a prospect, on a Redis whose clock the test sets.
struct Running {
    clock: WallClock,
    gateways: [Gateway; 2],
    prospects: [Prospect; 2],
    _server: RedisServer,
}

impl Running {
    fn start() -> Self {
        let clock = WallClock::new("+0");
        let server =
            RedisServer::with_clock(&clock, &["--appendonly", "yes", "--appendfsync", "always"]);
        let gateways = [(); 2].map(|()| start(builder(&server.url())));
        let open = |number: usize| Prospect::open(&gateways[number], &device(number));
        let prospects = [0, 1].map(open);
        Self { clock, gateways, prospects, _server: server }
    }

    /// Each prospect gets a message through the other gateway, and sends one.
    fn talk(&mut self, id: &str) {
        for (number, prospect) in self.prospects.iter_mut().enumerate() {
            Operator::of(&self.gateways[1 - number]).queue(&device(number), "1");
            let seq = prospect.receive_message().seq;
            prospect.ack(seq);
            prospect.deliver(id, "1");
        }
    }

    /// The kinds of the events so far.
    fn kinds(&self) -> Vec<String> {
        let events = Operator::of(&self.gateways[0]).history();
        events.into_iter().map(|event| event.kind).collect()
    }
}

fn device(number: usize) -> String {
    format!("phone-{number}")
}

#[test]
#[ignore = "needs redis-server and faketime"]
fn a_clock_that_is_set_forward_past_the_lease_ends_no_socket() {
    let mut running = Running::start();
    running.talk("before");
    running.clock.set("+1m");
    running.talk("after");
    running.clock.set("+11m");
    running.talk("later");
    assert!(!running.kinds().contains(&"disconnected".to_owned()), "{:?}", running.kinds());
}

#[test]
#[ignore = "needs redis-server and faketime"]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut running = Running::start();
    running.talk("before");
    running.clock.set("-3d");
    running.talk("after");
    let _another = Prospect::open(&running.gateways[1], "another-phone");
    assert!(!running.kinds().contains(&"disconnected".to_owned()), "{:?}", running.kinds());
}
