//! The table, and the page that it is written into.

use std::{
    fs, io,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use crate::{measure::Measured, rows::Row};

const BEGIN: &str = "<!-- bench -->\n";
const END: &str = "<!-- /bench -->\n";

/// One line of the table.
pub fn line(row: Row, gateway: Measured, yardstick: Measured) -> String {
    let times = |it: Measured| format!("{} / {}", micros(it.p50), micros(it.p99));
    let line = format!(
        "| {} | {:.0}/s | {:.0}/s | {} | {:.1} / {:.1} | {} | {} | {} |",
        row.name(),
        gateway.rate,
        yardstick.rate,
        share(gateway.rate, yardstick.rate),
        gateway.cpu,
        yardstick.cpu,
        share(yardstick.cpu, gateway.cpu),
        times(gateway),
        times(yardstick),
    );
    if row == Row::Opened {
        let (one, other) = (gateway.memory, yardstick.memory);
        return format!(
            "{line}\n| idle socket | {one:.1} KiB | {other:.1} KiB | {} | | | | |",
            share(other, one)
        );
    }
    line
}

/// One figure as a share of another; of one that was too short to be measured there is none.
pub fn share(one: f64, of: f64) -> String {
    if of == 0.0 { "none".to_owned() } else { format!("{:.2}", one / of) }
}

/// A time with its unit.
pub fn micros(micros: f64) -> String {
    if micros < 1000.0 { format!("{micros:.0} us") } else { format!("{:.1} ms", micros / 1000.0) }
}

/// The table with the machine and the date. `stolen` is the time that other machines took, of all.
#[expect(clippy::cast_precision_loss, reason = "a share")]
pub fn table(lines: &[String], stolen: (u64, u64)) -> String {
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let share = 100.0 * stolen.0 as f64 / (stolen.1.max(1) as f64);
    format!(
        "Measured on {} with {}. Of the time, {share:.1} % was stolen by other virtual machines.\n\n\
         | exchange | gateway | yardstick | share | CPU for each, us | share by CPU | p50 / p99 | yardstick's |\n\
         |---|---|---|---|---|---|---|---|\n{}\n",
        date.split('T').next().unwrap_or_default(),
        machine(),
        lines.join("\n")
    )
}

/// The machine in a few words.
fn machine() -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
        line.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cpu = value(&read("/proc/cpuinfo"), "model name");
    let cores = read("/proc/cpuinfo").matches("processor\t").count();
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let kib = value(&read("/proc/meminfo"), "MemTotal");
    let kib: u64 = kib.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let rustc = Command::new("rustc").arg("--version").output().map_or_else(
        |_| "an unknown rustc".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    let gib = Duration::from_secs(kib).as_secs().div_ceil(1024 * 1024);
    format!("{cores} cores of {cpu}, {gib} GiB, Linux {kernel}, {rustc}")
}

/// Puts the table between the marks of the page.
pub fn write(page: &Path, table: &str) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    let parts = text.split_once(BEGIN).zip(text.split_once(END));
    let ((before, _), (_, after)) =
        parts.ok_or_else(|| io::Error::other("the page has no place for the table"))?;
    fs::write(page, format!("{before}{BEGIN}{table}{END}{after}"))
}
