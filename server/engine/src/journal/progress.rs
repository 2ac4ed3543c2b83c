//! How far something is that takes long, in the log.

use std::time::{Duration, Instant};

/// Pause before the first line of the log, and between two of them.
const INTERVAL: Duration = Duration::from_secs(1);

/// Something that takes long.
pub struct Progress {
    what: &'static str,
    logged: Instant,
    was_logged: bool,
}

impl Progress {
    /// Begins `what`, such as "reading the journal".
    pub fn begin(what: &'static str) -> Self {
        Self { what, logged: Instant::now(), was_logged: false }
    }

    /// Logs, once a second, how much is done.
    pub fn log(&mut self, done: u64, of: u64) {
        if self.logged.elapsed() >= INTERVAL {
            tracing::info!(done, of, "{}", self.what);
            (self.logged, self.was_logged) = (Instant::now(), true);
        }
    }

    /// Whether it took so long that there was a line.
    pub const fn was_logged(&self) -> bool {
        self.was_logged
    }
}
