//! The time of an engine: milliseconds since the Unix epoch, from a clock that can be replaced.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time, in milliseconds since the Unix epoch.
pub type Millis = u64;

/// The clock of an engine.
pub trait Clock: Send + Sync {
    /// The present time. It must not go back.
    fn now(&self) -> Millis;
}

/// The wall clock at the start of the process plus the monotonic time since: it neither goes back nor
/// jumps.
pub struct SystemClock {
    started_at: Millis,
    started: Instant,
}

impl SystemClock {
    /// Starts a clock from the wall clock.
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

/// A point in time in RFC 3339, in UTC and with milliseconds: `2026-01-31T12:00:00.000Z`.
#[must_use]
pub fn rfc3339(at: Millis) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(at)).to_string()
}
