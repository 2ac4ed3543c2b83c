//! The programs behind the figures in `docs/decisions`: what a process costs, as Linux counts it.

use std::{fs, time::Duration};

/// A `kB` field of `/proc/PID/status`, in bytes. `RssAnon` is the user-space memory that a process
/// has touched, without its binary and its mapped files.
///
/// # Panics
/// When there is no such process or field.
#[must_use]
pub fn memory(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
    let kilobytes = line.split_whitespace().nth(1).expect("a number");
    kilobytes.parse::<u64>().expect("a number") * 1024
}

/// The CPU time of this process and its threads since its start, user and system. Its unit is a
/// clock tick of 10 ms.
///
/// # Panics
/// When `/proc` is not mounted.
#[must_use]
pub fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("this process");
    // The name of the program may hold blanks; it ends with the last bracket.
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    let ticks: u64 =
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}
