//! A rate limit by the generic cell rate algorithm (GCRA): integers only, and no clock of its own.
//!
//! `authorisations.lua` has its twin for the Redis engine.

use std::time::Duration;

/// A point in time in microseconds, on any clock that does not go back.
pub type Micros = u64;

/// A rate: one event per interval in the long run, and as many at once as a burst has intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval: Micros,
    burst: Micros,
}

/// How much of a [`Rate`] one peer has used: 8 bytes. A new one has used nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateState {
    /// When everything counted so far has been earned at the rate ("theoretical arrival time").
    earned_at: Micros,
}

impl Rate {
    /// `per_second` events per second, at least 1, with `burst` worth of them at once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use engine::{Rate, RateState};
    /// let rate = Rate::per_second(2, Duration::from_secs(1));
    /// let mut state = RateState::default();
    /// assert_eq!(state.try_count(rate, 0), Ok(()));
    /// assert_eq!(state.try_count(rate, 0), Ok(()));
    /// assert_eq!(state.try_count(rate, 0), Err(Duration::from_millis(500)));
    /// assert_eq!(state.try_count(rate, 500_000), Ok(()));
    /// ```
    #[must_use]
    pub fn per_second(per_second: u32, burst: Duration) -> Self {
        Self { interval: 1_000_000 / u64::from(per_second.max(1)), burst: micros(burst) }
    }

    /// Microseconds between two events at the rate.
    #[must_use]
    pub const fn interval(self) -> Micros {
        self.interval
    }

    /// Microseconds by which a peer may be ahead of the rate.
    pub(crate) const fn burst(self) -> Micros {
        self.burst
    }
}

impl RateState {
    /// Counts one event at `now`.
    ///
    /// # Errors
    /// The wait until an event is within the rate; this one is not counted.
    pub fn try_count(&mut self, rate: Rate, now: Micros) -> Result<(), Duration> {
        let counted = self.plus_one(rate, now);
        match counted.wait(rate, now) {
            Duration::ZERO => {
                *self = counted;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Counts one event at `now`, also above the rate; returns the wait until that event is within
    /// it, zero where it is.
    pub fn count(&mut self, rate: Rate, now: Micros) -> Duration {
        *self = self.plus_one(rate, now);
        self.wait(rate, now)
    }

    /// How far ahead of the rate the peer is at `now`: zero after a rest, a whole burst at most
    /// while it keeps the rate.
    #[must_use]
    pub const fn ahead(self, now: Micros) -> Duration {
        Duration::from_micros(self.earned_at.saturating_sub(now))
    }

    fn plus_one(self, rate: Rate, now: Micros) -> Self {
        Self { earned_at: self.earned_at.max(now).saturating_add(rate.interval) }
    }

    const fn wait(self, rate: Rate, now: Micros) -> Duration {
        Duration::from_micros(self.earned_at.saturating_sub(now).saturating_sub(rate.burst))
    }
}

/// A duration in microseconds, rounded down.
fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    fn rate() -> Rate {
        Rate::per_second(10, Duration::from_secs(1))
    }

    #[test]
    fn a_burst_is_allowed_and_then_one_event_per_interval() {
        let mut state = RateState::default();
        for _ in 0..10 {
            assert_eq!(state.try_count(rate(), SECOND), Ok(()));
        }
        assert_eq!(state.try_count(rate(), SECOND), Err(Duration::from_millis(100)));
        assert_eq!(state.try_count(rate(), SECOND + 99_999), Err(Duration::from_micros(1)));
        assert_eq!(state.try_count(rate(), SECOND + 100_000), Ok(()));
        assert!(state.try_count(rate(), SECOND + 100_000).is_err());
    }

    #[test]
    fn the_rate_itself_is_allowed_for_ever() {
        let mut state = RateState::default();
        for n in 0..1000 {
            assert_eq!(state.try_count(rate(), n * 100_000), Ok(()));
        }
    }

    #[test]
    fn what_is_refused_is_not_counted_and_what_is_counted_anyway_is() {
        let (mut polite, mut flood) = (RateState::default(), RateState::default());
        for _ in 0..20 {
            let _ = polite.try_count(rate(), 0);
            let _ = flood.count(rate(), 0);
        }
        assert_eq!(polite.ahead(0), Duration::from_secs(1));
        assert_eq!(flood.ahead(0), Duration::from_secs(2));
        assert_eq!(flood.count(rate(), 0), Duration::from_millis(1100));
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let mut state = RateState { earned_at: Micros::MAX };
        assert!(state.try_count(Rate::per_second(0, Duration::ZERO), 0).is_err());
        assert_eq!(state.try_count(Rate::per_second(u32::MAX, Duration::MAX), 0), Ok(()));
    }
}
