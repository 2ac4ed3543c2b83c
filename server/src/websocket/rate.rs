//! How fast a prospect may speak: above its rate the gateway reads slower, and after a while of
//! that it closes.

use std::time::Duration;

use tokio::time::Instant;

/// A rate with a burst of twice as much, and how long it may be overstepped.
pub struct Throttle {
    interval: Duration,
    burst: Duration,
    patience: Duration,
    /// When all that was said would be due at the rate.
    paid_until: Instant,
    /// Since when the peer has been too fast without a break.
    since: Option<Instant>,
}

/// What the peer's pace calls for.
pub enum Pace {
    /// Nothing.
    Fine,
    /// To be read from again only then.
    Wait(Instant),
    /// To be closed.
    TooFast,
}

impl Throttle {
    /// So many frames a second.
    pub fn new(per_second: u32, patience: Duration) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let burst = interval * per_second.saturating_mul(2).max(1);
        Self { interval, burst, patience, paid_until: Instant::now(), since: None }
    }

    /// Counts one frame.
    pub fn count(&mut self) -> Pace {
        let now = Instant::now();
        self.paid_until = self.paid_until.max(now) + self.interval;
        // Being read from a little late does not make a flood fine again.
        if self.paid_until <= now + self.burst / 2 {
            self.since = None;
        }
        if self.paid_until <= now + self.burst {
            return Pace::Fine;
        }
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= self.patience {
            return Pace::TooFast;
        }
        Pace::Wait(self.paid_until - self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_fine_and_a_flood_is_slowed_and_then_too_fast() {
        let mut throttle = Throttle::new(20, Duration::from_secs(10));
        for _ in 0..40 {
            assert!(matches!(throttle.count(), Pace::Fine));
        }
        let began = Instant::now();
        let slowed = loop {
            match throttle.count() {
                Pace::Fine => panic!("a flood is not fine"),
                Pace::Wait(until) => tokio::time::sleep_until(until).await,
                Pace::TooFast => break began.elapsed(),
            }
        };
        assert!(slowed >= Duration::from_secs(10) && slowed < Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_itself_is_fine_for_ever() {
        let mut throttle = Throttle::new(20, Duration::from_secs(10));
        for _ in 0..1000 {
            assert!(matches!(throttle.count(), Pace::Fine));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
