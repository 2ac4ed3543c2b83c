//! The time of an engine: durations are measured with a clock that cannot be set, times that are
//! shown follow the wall clock.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

/// A point in time, in milliseconds since the Unix epoch.
pub type Millis = u64;

/// The machine's clocks, as an engine reads them.
pub trait Clock: Send + Sync {
    /// The time since some moment: it does not go back, and cannot be set. Every process reads the
    /// same time, until the machine restarts.
    fn now(&self) -> Millis;

    /// The wall clock, which can be set at any time.
    fn wall(&self) -> Millis {
        self.now()
    }
}

/// The clocks of the operating system.
pub struct SystemClock;

/// The time since the machine started, where there is one: time in which it was suspended counts.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        millis(Duration::try_from(clock_gettime(SINCE_BOOT)).unwrap_or_default())
    }

    fn wall(&self) -> Millis {
        millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// The time in which an engine measures durations. It begins at the wall clock and passes as
/// [`Clock::now`] does, whatever the wall clock is set to, and continues when the engine restarts.
#[derive(Clone)]
pub struct Timeline {
    clock: Arc<dyn Clock>,
    /// What is added to [`Clock::now`].
    shift: i64,
}

/// One moment by every clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the engine's timeline.
    pub engine: Millis,
    /// By [`Clock::now`].
    pub clock: Millis,
    /// By [`Clock::wall`].
    pub wall: Millis,
}

impl Timeline {
    /// A timeline that begins at the wall clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.wall();
        Self::at(clock, now)
    }

    /// The timeline of which `last` is known. The time since then is exact while the machine did not
    /// restart. Otherwise only the wall clock knows it; if that is behind, no time has passed.
    pub fn resume(clock: Arc<dyn Clock>, last: Moment, is_same_boot: bool) -> Self {
        let passed = match clock.now().checked_sub(last.clock) {
            Some(passed) if is_same_boot => passed,
            _ => clock.wall().saturating_sub(last.wall),
        };
        Self::at(clock, last.engine.saturating_add(passed))
    }

    fn at(clock: Arc<dyn Clock>, now: Millis) -> Self {
        let shift = now.wrapping_sub(clock.now()).cast_signed();
        Self { clock, shift }
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        let clock = self.clock.now();
        let engine = clock.wrapping_add_signed(self.shift);
        Moment { engine, clock, wall: self.clock.wall() }
    }
}

impl Moment {
    /// What the wall clock shows more than the timeline.
    pub const fn wall_offset(&self) -> i64 {
        self.wall.wrapping_sub(self.engine).cast_signed()
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
