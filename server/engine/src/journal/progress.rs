//! How far something is that takes long, in the log.

use std::time::{Duration, Instant};

/// Pause before the first line of the log, and between two of them. A unit test sees every one.
const INTERVAL: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(1) };

/// Is told, beside the log, what takes long, how much of it is done, and of how much.
pub type Report<'a> = &'a (dyn Fn(&str, u64, u64) + Sync);

/// Something that takes long.
pub struct Progress<'a> {
    what: &'static str,
    logged: Instant,
    was_logged: bool,
    report: Report<'a>,
}

impl<'a> Progress<'a> {
    /// Begins `what`, such as "reading the journal".
    pub fn begin(what: &'static str, report: Report<'a>) -> Self {
        Self { what, logged: Instant::now(), was_logged: false, report }
    }

    /// Logs, once a second, how much is done.
    pub fn log(&mut self, done: u64, of: u64) {
        self.log_by(|| (done, of));
    }

    /// The same, where it takes time to find out how much that is.
    pub fn log_by(&mut self, how_much: impl FnOnce() -> (u64, u64)) {
        if self.logged.elapsed() >= INTERVAL {
            let (done, of) = how_much();
            tracing::info!(done, of, "{}", self.what);
            (self.report)(self.what, done, of);
            (self.logged, self.was_logged) = (Instant::now(), true);
        }
    }

    /// Whether it took so long that there was a line.
    pub const fn was_logged(&self) -> bool {
        self.was_logged
    }
}
