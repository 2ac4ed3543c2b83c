//! `/metrics` is equal to what clients have counted, on every engine.

use tests::{Bookkeeper, DEVICE, Gateway, GatewayBuilder, Load, Metrics, Operator, RedisServer};

/// Clients that keep their connections, so that nothing is repeated.
const LOAD: Load = Load { devices: 3, messages: 120, reconnect_one_in: u64::MAX, erasures: false };

const KEY: &str = "the-operator-key-of-these-tests-1234";

fn gateway() -> GatewayBuilder {
    Gateway::builder()
        .operator_key(KEY)
        .flag("--frames-per-second", "1000")
        .flag("--test-channel", "on")
}

fn messages_and_bytes_add_up(gateway: &Gateway) {
    let sockets = Bookkeeper::start(gateway.authority(), KEY, LOAD).finish();
    let messages = LOAD.devices * LOAD.messages;
    let bytes_of_one: usize = (0..LOAD.messages).map(|number| number.to_string().len()).sum();
    let bytes = LOAD.devices * bytes_of_one as u64;
    let mut expected = Vec::new();
    for kind in ["queued", "written", "acknowledged", "accepted"] {
        expected.push((format!("messages_{kind}_total"), messages));
        expected.push((format!("messages_{kind}_bytes_total"), bytes));
    }
    // The bookkeeper opens one socket more, to see the end of the events.
    expected.push(("sockets_opened_total".to_owned(), sockets.iter().sum::<u64>() + 1));
    expected.push(("devices".to_owned(), LOAD.devices + 1));
    for (name, value) in [
        ("messages_expired_total", 0),
        ("outbox_messages", 0),
        ("engine_up", 1),
        ("message_acknowledgement_seconds_count", messages),
        ("outbox_fill_ratio_count", messages),
    ] {
        expected.push((name.to_owned(), value));
    }
    let expected: Vec<_> = expected.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    Metrics::become_equal(gateway, &expected);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let least = (messages + LOAD.devices + 1) as f64;
    assert!(Metrics::of(gateway).value("events_written_total") >= least);
    messages_that_expire_are_counted(gateway);
}

fn messages_that_expire_are_counted(gateway: &Gateway) {
    let _ = gateway.token(DEVICE);
    for _ in 0..2 {
        let _ = Operator::of(gateway).queue_for(DEVICE, "1", 1);
    }
    Metrics::become_equal(gateway, &[("messages_expired_total", 2), ("outbox_messages", 0)]);
}

#[test]
fn in_memory() {
    let gateway = gateway().start();
    messages_and_bytes_add_up(&gateway);
    assert_eq!(Metrics::of(&gateway).get("journal_file_bytes"), None);
}

#[test]
fn on_a_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = gateway().flag("--data-dir", folder.path().to_str().expect("a path")).start();
    messages_and_bytes_add_up(&gateway);
    let metrics = Metrics::of(&gateway);
    assert!(metrics.value("journal_commit_duration_seconds_count") > 1.0);
    assert!(metrics.value("journal_file_bytes") > 1000.0);
}

#[test]
#[ignore = "needs redis-server"]
fn on_redis() {
    let server = RedisServer::start();
    let gateway = gateway().flag("--redis-url", &server.url()).start();
    tests::gateway::eventually("it is ready", || gateway.get("/readyz").status == 200);
    messages_and_bytes_add_up(&gateway);
    let metrics = Metrics::of(&gateway);
    Metrics::become_equal(&gateway, &[("redis_connected", 1), ("redis_connects_total", 1)]);
    assert!(metrics.value("redis_call_duration_seconds_count") > 100.0);
    assert!(metrics.value("redis_lease_remaining_seconds") > 5.0);
}

#[test]
#[ignore = "needs redis-server"]
fn without_redis_metrics_are_answered_and_say_so() {
    let mut server = RedisServer::start();
    let gateway = gateway().flag("--redis-url", &server.url()).start();
    tests::gateway::eventually("it is ready", || gateway.get("/readyz").status == 200);
    server.kill();
    Metrics::become_equal(&gateway, &[("redis_connected", 0), ("engine_up", 0)]);
    let metrics = Metrics::of(&gateway);
    assert_eq!(metrics.get("devices"), None);
    assert!(metrics.get("devices_limit").is_some());
}
