//! The machine's wall clock is set while the gateway runs, and between two runs.

use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Gateway, GatewayBuilder, Operator, Prospect, WallClock, gateway::eventually};

use super::journaled;

/// A data folder, and a wall clock that can be set.
struct Machine {
    folder: TempDir,
    clock: WallClock,
}

impl Machine {
    /// `offset` is what the wall clock shows more than it should, such as "+3d".
    fn new(offset: &str) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), clock: WallClock::new(offset) }
    }

    fn start(&self) -> Gateway {
        let gateway = journaled(&self.folder.path().join("data"));
        let variables = self.clock.variables();
        let with =
            |gateway: GatewayBuilder, (name, value): &(&str, String)| gateway.variable(name, value);
        variables.iter().fold(gateway, with).start()
    }
}

/// How many days the newest event of the device is ahead of the true time, rounded.
fn days_ahead(operator: Operator<'_>) -> i64 {
    const DAY: i64 = 24 * 60 * 60;
    let newest = operator.history_of("phone").pop().expect("an event");
    let newest: Value = serde_json::from_str(&newest.data).expect("JSON");
    let at = humantime::parse_rfc3339(newest["at"].as_str().expect("a time"));
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        i64::try_from(since.as_secs()).expect("a time")
    };
    let ahead = seconds(at.expect("RFC 3339")) - seconds(SystemTime::now());
    (ahead + DAY / 2).div_euclid(DAY)
}

#[test]
#[ignore = "needs faketime"]
fn a_start_with_the_clock_three_days_ahead_loses_nothing_when_it_is_corrected() {
    let machine = Machine::new("+3d");
    let mut gateway = machine.start();
    let token = gateway.claim("phone");
    Operator::of(&gateway).queue("phone", "1");
    drop(Prospect::open_with(&gateway, &token, "phone"));
    assert_eq!(days_ahead(Operator::of(&gateway)), 3);

    machine.clock.set("+0");
    let mut prospect = Prospect::open_with(&gateway, &token, "phone");
    assert_eq!(prospect.receive_message().data, "1");
    assert_eq!(days_ahead(Operator::of(&gateway)), 0);

    for offset in ["+0", "+3d", "-3d", "+0"] {
        gateway.signal("KILL");
        gateway.ended();
        machine.clock.set(offset);
        gateway = machine.start();
        let mut prospect = Prospect::open_with(&gateway, &token, "phone");
        assert_eq!(prospect.receive_message().data, "1");
    }
}

#[test]
#[ignore = "needs faketime"]
fn a_message_expires_in_its_time_while_the_clock_steps_back() {
    let machine = Machine::new("+0");
    let gateway = machine.start();
    let _token = gateway.claim("phone");
    let operator = Operator::of(&gateway);
    let _queued = operator.queue_for("phone", "1", 1);
    machine.clock.set("-3d");
    eventually("it expires", || operator.unacknowledged("phone") == 0);
}
