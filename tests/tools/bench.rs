//! The benchmark runs, and its books agree with the gateway's metrics. It says nothing about time.

use std::process::Command;

use tests::{gateway::binary, tools::succeed};

#[test]
fn every_row_of_the_benchmark_can_be_measured() {
    let gateway = binary();
    let mut bench = Command::new(gateway.with_file_name("bench-gateway"));
    // A machine with one core has no other.
    bench.args(["--smoke", "--load-core", "0", "--gateway"]).arg(gateway);
    let table = succeed(&mut bench, "");
    assert_eq!(table.matches("| documented POST").count(), 2, "{table}");
    assert!(!table.contains("NaN") && !table.contains("inf"), "{table}");
}
