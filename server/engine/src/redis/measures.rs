//! How Redis answers this gateway, in numbers.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Histogram, RedisStats};

/// What is measured.
pub struct Measures {
    /// How long each answered call took.
    calls: Histogram,
    failed_calls: AtomicU64,
    connects: AtomicU64,
    /// When the lease was last renewed.
    renewed: Mutex<Option<Instant>>,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            // From 50 microseconds to 13 seconds.
            calls: Histogram::of_durations(Duration::from_micros(50), 19),
            failed_calls: AtomicU64::default(),
            connects: AtomicU64::default(),
            renewed: Mutex::default(),
        }
    }
}

impl Measures {
    /// A call that began at `began` is over; `is_answered` where Redis did what it asks.
    pub fn called(&self, began: Instant, is_answered: bool) {
        if is_answered {
            self.calls.observe_duration(began.elapsed());
        } else {
            self.failed_calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection was made, which begins with a whole lease.
    pub fn connected(&self) {
        self.connects.fetch_add(1, Ordering::Relaxed);
        self.renewed();
    }

    /// The lease was renewed.
    pub fn renewed(&self) {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        *renewed = Some(Instant::now());
    }

    /// When the lease was last renewed.
    pub fn last_renewed(&self) -> Option<std::time::Instant> {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.map(Instant::into_std)
    }

    /// The numbers, with this lease.
    pub fn stats(&self, connected: bool, lease: Duration) -> RedisStats {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        RedisStats {
            connected,
            connects: self.connects.load(Ordering::Relaxed),
            calls: self.calls.stats(),
            failed_calls: self.failed_calls.load(Ordering::Relaxed),
            lease,
            lease_remaining: renewed
                .map_or(Duration::ZERO, |renewed| lease.saturating_sub(renewed.elapsed())),
            partitions: 1,
            partitions_connected: connected.into(),
        }
    }
}
