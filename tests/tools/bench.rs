//! The benchmark runs, and its books agree with the gateway's metrics. It says nothing about time.

use std::process::Command;

use tests::{gateway::binary, tools::succeed};

/// The table of a short run.
fn smoke(arguments: &[&str]) -> String {
    let gateway = binary();
    let mut bench = Command::new(gateway.with_file_name("bench-gateway"));
    // A machine with one core has no other.
    bench.args(["--smoke", "--load-core", "0", "--gateway"]).arg(gateway).args(arguments);
    let table = succeed(&mut bench, "");
    assert!(!table.contains("NaN") && !table.contains("inf"), "{table}");
    table
}

#[test]
fn every_row_of_the_benchmark_can_be_measured() {
    let table = smoke(&[]);
    assert_eq!(table.matches("| documented POST").count(), 2, "{table}");
}

#[test]
fn growth_can_be_measured() {
    let table = smoke(&["--growth"]);
    assert!(table.contains("| heartbeats"), "{table}");
}

#[test]
fn a_gateway_recovers_every_device_of_a_filled_journal() {
    let table = smoke(&["--recovery", "2000"]);
    assert!(table.contains("| 2000 |"), "{table}");
}

#[test]
fn mixed_traffic_leaves_nothing_in_memory() {
    smoke(&["--soak", "--state", "memory"]);
}

#[test]
fn mixed_traffic_leaves_nothing_in_a_journal() {
    smoke(&["--soak", "--state", "journal"]);
}

#[test]
#[ignore = "needs redis-server"]
fn mixed_traffic_leaves_nothing_in_redis() {
    smoke(&["--soak", "--state", "redis"]);
}

#[test]
fn stress_is_survived() {
    let table = smoke(&["--stress"]);
    assert!(table.contains("| one operator never reads |"), "{table}");
    assert!(table.contains("| 50 |"), "{table}");
}

#[test]
fn what_a_second_worker_adds_can_be_measured() {
    let table = smoke(&["--workers"]);
    assert_eq!(table.matches(" times as much |").count(), 4, "{table}");
}

#[test]
#[ignore = "needs npm, and nginx with Nchan"]
fn what_a_user_would_pick_instead_can_be_measured() {
    let table = smoke(&["--peers"]);
    for peer in ["Fastify", "ws", "Socket.IO", "Nchan"] {
        assert!(table.contains(&format!("| {peer} |")), "{peer}: {table}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn what_exchanges_cost_a_redis_can_be_measured() {
    let table = smoke(&["--redis"]);
    assert_eq!(table.matches("| 1 |").count(), 3, "{table}");
}
