//! The log: lines on standard error, as text or JSON, written by a thread of their own.
//!
//! A reader of the log that stops reading holds up nothing: lines that no longer fit into the buffer
//! are dropped and counted.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};

use crate::config::{ConfigError, LogConfig, LogFormat};

/// Lines that wait to be written; at about 200 bytes each, 3 MiB.
const BUFFERED_LINES: usize = 16 * 1024;

/// Counts the lines of this process's log that were dropped, once it has started.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Why the log cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is malformed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The process has a log already.
    #[error(transparent)]
    Subscriber(Box<dyn std::error::Error + Send + Sync>),
}

/// The running log. Dropping it writes the lines that are left, for at most about a second.
pub struct Log {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
}

/// Starts the log of this process.
///
/// # Errors
/// The filter is malformed, or the process has a log already.
pub fn start(config: &LogConfig) -> Result<Log, LogError> {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(BUFFERED_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(io::stderr());
    let dropped = writer.error_counter();
    let _ = DROPPED.set(dropped.clone());
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.filter()?)
        .with_writer(writer)
        // They would be written to the same place that cannot be written to.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(LogError::Subscriber)?;
    Ok(Log { _writer: guard, dropped })
}

/// How many lines of the log were dropped since the process began.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

impl Log {
    /// The count of dropped lines, for the log itself.
    #[must_use]
    pub fn dropped_lines(&self) -> DroppedLines {
        DroppedLines { counter: self.dropped.clone(), reported: 0 }
    }
}

/// Reports lines that were dropped.
pub struct DroppedLines {
    counter: ErrorCounter,
    reported: usize,
}

impl DroppedLines {
    /// Logs how many lines were dropped since the last report, if any.
    pub fn report(&mut self) {
        let dropped = self.counter.dropped_lines();
        if dropped == self.reported {
            return;
        }
        tracing::warn!(lines = dropped - self.reported, "log lines dropped: nothing reads the log");
        // The report may be dropped itself; then the next one counts for both.
        if self.counter.dropped_lines() == dropped {
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
