//! How fast a prospect may send: above its rate the gateway reads slower, and closes the socket when
//! that lasts.
//!
//! Kept by hand around the engine's GCRA: rate-limit crates refuse an event, and have no delayed read
//! with a tolerance.

use std::time::Duration;

use engine::{Micros, Rate, RateState};
use tokio::time::Instant;

/// What may be sent at once, in time at the rate: twice as many frames as per second.
const BURST: Duration = Duration::from_secs(2);

/// The rate of one socket, and how long it may be exceeded.
pub struct Throttle {
    rate: Rate,
    state: RateState,
    tolerance: Duration,
    /// The zero of the clock that `state` counts with.
    started: Instant,
    /// Since when the client has been above its rate without a break.
    above_since: Option<Instant>,
}

/// What a frame that was counted calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nothing: the client keeps its rate.
    Allowed,
    /// Read no more before this.
    Delay(Instant),
    /// Close the socket.
    TooFast,
}

impl Throttle {
    /// `per_second` frames per second, which may be exceeded for `tolerance`.
    pub fn new(per_second: u32, tolerance: Duration) -> Self {
        Self {
            rate: Rate::per_second(per_second, BURST),
            state: RateState::default(),
            tolerance,
            started: Instant::now(),
            above_since: None,
        }
    }

    /// Counts one frame.
    pub fn count(&mut self) -> Pace {
        let now = Instant::now();
        let micros = now.duration_since(self.started).as_micros();
        let micros = Micros::try_from(micros).unwrap_or(Micros::MAX);
        let wait = self.state.count(self.rate, micros);
        // Not at the first frame within the burst: a delayed read alone does not end a flood.
        if self.state.ahead(micros) <= BURST / 2 {
            self.above_since = None;
        }
        if wait.is_zero() {
            return Pace::Allowed;
        }
        let since = *self.above_since.get_or_insert(now);
        if now.duration_since(since) >= self.tolerance {
            return Pace::TooFast;
        }
        Pace::Delay(now + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_allowed_and_a_flood_is_delayed_and_then_too_fast() {
        let mut throttle = Throttle::new(20, Duration::from_secs(10));
        for _ in 0..40 {
            assert_eq!(throttle.count(), Pace::Allowed);
        }
        let began = Instant::now();
        let delayed = loop {
            match throttle.count() {
                Pace::Allowed => panic!("a flood is allowed"),
                Pace::Delay(until) => tokio::time::sleep_until(until).await,
                Pace::TooFast => break began.elapsed(),
            }
        };
        assert!(delayed >= Duration::from_secs(10) && delayed < Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_itself_is_allowed_for_ever() {
        let mut throttle = Throttle::new(20, Duration::from_secs(10));
        for _ in 0..1000 {
            assert_eq!(throttle.count(), Pace::Allowed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
