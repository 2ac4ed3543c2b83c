//! Redis's clock, as this gateway knows it: calls carry a deadline in Redis's time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{Clock, Millis, millis};

/// An estimate of Redis's clock that is never ahead of it, and behind by at most a round trip. So a
/// deadline by this clock comes no later than the same instant here.
///
/// Each answer with Redis's time improves it, also after Redis's clock was set.
#[derive(Debug)]
pub struct ServerClock {
    started: Instant,
    /// Redis's time when the gateway's clock started, in milliseconds.
    offset: AtomicI64,
}

impl ServerClock {
    /// A clock by Redis's `time` in an answer that just came to what was asked at `asked`.
    pub fn new(asked: Instant, time: Millis) -> Self {
        Self { started: asked, offset: AtomicI64::new(offset(time, asked.elapsed())) }
    }

    /// Notes Redis's `time` in an answer that just came to what was asked at `asked`.
    pub fn note(&self, asked: Instant, time: Millis) {
        // Redis's clock showed `time` at some instant between the question and the answer.
        let least = offset(time, self.started.elapsed());
        let most = offset(time, asked.saturating_duration_since(self.started)) + 2;
        let known = self.offset.load(Ordering::Acquire);
        if least > known || most < known {
            // Of answers that cross, one may win that says less: the next one improves it.
            self.offset.store(least, Ordering::Release);
        }
    }

    /// Redis's time at this instant.
    pub fn at(&self, instant: Instant) -> Millis {
        let since = millis(instant.saturating_duration_since(self.started));
        since.saturating_add_signed(self.offset.load(Ordering::Acquire))
    }
}

/// The time as an argument of a call, by a clock in place of Redis's own; empty where there is none.
pub fn clock_argument(clock: Option<&Arc<dyn Clock>>) -> String {
    clock.map(|clock| clock.now().to_string()).unwrap_or_default()
}

/// Redis's time, less a time that has passed here, rounded up.
fn offset(time: Millis, passed: Duration) -> i64 {
    let passed = passed.as_nanos().div_ceil(1_000_000);
    let passed = i64::try_from(passed).unwrap_or(i64::MAX);
    i64::try_from(time).unwrap_or(i64::MAX).saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn before(now: Instant, ago: Duration) -> Instant {
        now.checked_sub(ago).expect("the machine is up longer")
    }

    /// A clock that started ten seconds ago, by an answer that took a second.
    fn clock() -> (ServerClock, Instant) {
        let now = Instant::now();
        (ServerClock { started: before(now, 10 * SECOND), offset: AtomicI64::new(99_000) }, now)
    }

    #[test]
    fn a_quicker_answer_improves_the_clock() {
        let (clock, now) = clock();
        assert_eq!(clock.at(now), 109_000);
        clock.note(before(now, SECOND / 10), 109_950);
        assert!((109_800..=109_950).contains(&clock.at(now)), "{}", clock.at(now));
    }

    #[test]
    fn a_slower_answer_changes_nothing() {
        let (clock, now) = clock();
        clock.note(before(now, 5 * SECOND), 106_000);
        assert_eq!(clock.at(now), 109_000);
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed() {
        let (clock, now) = clock();
        clock.note(before(now, SECOND / 10), 50_000);
        assert!((49_800..=50_000).contains(&clock.at(now)), "{}", clock.at(now));
    }

    #[test]
    fn a_deadline_is_never_later_than_here() {
        let asked = before(Instant::now(), SECOND);
        let clock = ServerClock::new(asked, 5000);
        // Redis's clock showed 5000 at any time since.
        assert!(clock.at(Instant::now()) <= 5001);
        assert!(clock.at(Instant::now() + 2 * SECOND) <= 7001);
    }
}
