//! Time as engines count it, and where they take it from.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time, in milliseconds since the Unix epoch.
pub type Millis = u64;

/// Where an engine takes the time from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Millis;
}

/// The machine's wall clock as it stood at the start, plus the monotonic time since: it never goes
/// back and never jumps.
pub struct SystemClock {
    started_at: Millis,
    started: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_at: millis(since_epoch), started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        self.started_at + millis(self.started.elapsed())
    }
}

/// A duration in milliseconds, rounded down.
#[must_use]
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// A point in time as the contract writes it, such as `2026-01-31T12:00:00.000Z` (RFC 3339).
#[must_use]
pub fn rfc3339(at: Millis) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(at)).to_string()
}
