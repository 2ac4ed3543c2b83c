//! The log: lines on standard error, as text or JSON, written by a thread of their own.
//!
//! A reader of the log that stops reading holds up nothing: lines that no longer fit into the buffer
//! are dropped and counted.

mod fields;
mod lines;
mod text;

use std::{
    fmt,
    io::{self, IsTerminal},
    sync::{Mutex, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use tracing_subscriber::fmt::{format::Writer, time::FormatTime};

use crate::config::{ConfigError, LogConfig, LogFormat};

use fields::PlainFields;
use lines::Lines;
use text::PlainText;

/// The lines of this process's log, once it has started.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Why the log cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is malformed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system refuses its thread.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The process has a log already.
    #[error(transparent)]
    Subscriber(Box<dyn std::error::Error + Send + Sync>),
}

/// The running log. Dropping it writes the lines that are left, for at most about a second.
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The time of a line, as tracing writes it at several times the cost.
#[derive(Clone, Copy)]
struct Time;

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", humantime::format_rfc3339_micros(SystemTime::now()))
    }
}

/// Starts the log of this process.
///
/// # Errors
/// The filter is malformed, or the process has a log already.
pub fn start(config: &LogConfig) -> Result<Log, LogError> {
    let lines = Lines::start(io::stderr())?;
    let _ = LINES.set(lines.clone());
    let writer = lines.clone();
    let has_colours = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.filter()?)
        .with_timer(Time)
        .with_writer(move || writer.clone())
        // They would be written to the same place that cannot be written to.
        .log_internal_errors(false)
        .with_ansi(has_colours);
    match config.format {
        LogFormat::Text if has_colours => log.try_init(),
        LogFormat::Text => {
            log.event_format(PlainText::new(Time)).fmt_fields(PlainFields).try_init()
        }
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(LogError::Subscriber)?;
    Ok(Log(lines))
}

/// How many lines of the log were dropped since the process began.
#[must_use]
pub fn dropped_lines() -> u64 {
    LINES.get().map_or(0, Lines::dropped)
}

impl Log {
    /// The count of dropped lines, for the log itself.
    #[must_use]
    pub fn dropped_lines(&self) -> DroppedLines {
        DroppedLines { lines: self.0.clone(), reported: 0 }
    }
}

/// Reports lines that were dropped.
pub struct DroppedLines {
    lines: Lines,
    reported: u64,
}

impl DroppedLines {
    /// Logs how many lines were dropped since the last report, if any.
    pub fn report(&mut self) {
        let dropped = self.lines.dropped();
        if dropped == self.reported {
            return;
        }
        tracing::warn!(lines = dropped - self.reported, "log lines dropped: nothing reads the log");
        // The report may be dropped itself; then the next one counts for both.
        if self.lines.dropped() == dropped {
            self.reported = dropped;
        }
    }
}

/// The interval in which a [`Repeated`] line is logged at most once.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);

/// A line of the log that may be due very often: it is logged at once the first time, and then at
/// most once in ten seconds with a count.
///
/// ```ignore
/// static REFUSED: Repeated = Repeated::new();
/// if let Some(count) = REFUSED.count() {
///     tracing::info!(count, "refused");
/// }
/// ```
pub struct Repeated(Mutex<Option<Repetition>>);

struct Repetition {
    logged_at: Instant,
    /// How often it was due since then.
    count: u64,
}

impl Repeated {
    /// A line that was not due yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Counts once. Returns how often the line was due since it was last logged, this time included,
    /// when it is to be logged now.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.count_at(Instant::now())
    }

    fn count_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = match &mut *state {
            None => 1,
            Some(repetition) => {
                repetition.count += 1;
                if now.duration_since(repetition.logged_at) < REPEAT_INTERVAL {
                    return None;
                }
                repetition.count
            }
        };
        *state = Some(Repetition { logged_at: now, count: 0 });
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_line_is_logged_at_once_and_then_with_a_count() {
        let line = Repeated::new();
        let start = Instant::now();
        let after = |seconds| line.count_at(start + Duration::from_secs(seconds));
        assert_eq!(after(0), Some(1));
        assert_eq!([after(1), after(5), after(9)], [None; 3]);
        assert_eq!(after(10), Some(4));
        assert_eq!(after(11), None);
    }
}
