//! The numbers of an engine for whoever watches it: how full it is, and how fast its disk or its Redis
//! answers. What is measured while operations run costs them a few atomic additions.

use std::{
    ops,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use crate::Millis;

/// What an engine reports about itself.
#[derive(Debug, Clone, Default)]
pub struct EngineStats {
    /// Whether it serves operations.
    pub serves: bool,
    /// How full it is; `None` where that cannot be read now.
    pub fill: Option<EngineFill>,
    /// Of an engine with a journal.
    pub journal: Option<JournalStats>,
    /// Of an engine in Redis.
    pub redis: Option<RedisStats>,
}

/// How full an engine is. With Redis, of all gateways together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineFill {
    /// Devices with a record.
    pub devices: u64,
    /// Devices with a socket.
    pub connected: u64,
    /// Messages in all outboxes.
    pub queued_messages: u64,
    /// Events in the stream.
    pub events: u64,
    /// Their bytes.
    pub event_bytes: u64,
    /// Bytes that are reserved for events that are certain to come.
    pub reserved_bytes: u64,
    /// The age of the oldest event, in milliseconds; `None` where there is no event.
    pub oldest_event: Option<Millis>,
}

impl ops::Add for EngineFill {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            devices: self.devices + other.devices,
            connected: self.connected + other.connected,
            queued_messages: self.queued_messages + other.queued_messages,
            events: self.events + other.events,
            event_bytes: self.event_bytes + other.event_bytes,
            reserved_bytes: self.reserved_bytes + other.reserved_bytes,
            oldest_event: self.oldest_event.max(other.oldest_event),
        }
    }
}

/// How full an outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxFill {
    /// Its messages.
    pub messages: u64,
    /// Bytes of their data.
    pub bytes: u64,
}

/// A journal, and how fast its disk is.
#[derive(Debug, Clone, Default)]
pub struct JournalStats {
    /// Bytes of its files.
    pub file_bytes: u64,
    /// Bytes of its entries that are not obsolete.
    pub entry_bytes: u64,
    /// Bytes of the state when it was last written, or estimated at the start.
    pub state_bytes: u64,
    /// Entries that wait for their commit.
    pub waiting_entries: u64,
    /// Bytes of these.
    pub waiting_bytes: u64,
    /// How long each commit took, in microseconds.
    pub commits: HistogramStats,
    /// How far the compaction under way is, from 0 to 1; `None` where there is none.
    pub compaction: Option<f64>,
    /// Compactions that have ended.
    pub compactions: u64,
    /// The last of them.
    pub last_compaction: Option<CompactionStats>,
}

/// A compaction that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionStats {
    /// When.
    pub ended: SystemTime,
    /// How long it took, with the steps of operations in between.
    pub took: Duration,
}

/// The connection to Redis, and how fast that answers.
#[derive(Debug, Clone, Default)]
pub struct RedisStats {
    /// Whether there is a connection.
    pub connected: bool,
    /// Connections that were made, the first included.
    pub connects: u64,
    /// How long each answered call took, in microseconds.
    pub calls: HistogramStats,
    /// Calls that Redis refused or did not answer.
    pub failed_calls: u64,
    /// The gateway's lease.
    pub lease: Duration,
    /// How much of it is left, by this gateway's clock.
    pub lease_remaining: Duration,
    /// The number of partitions.
    pub partitions: u64,
    /// Those to which there is a connection.
    pub partitions_connected: u64,
}

/// A histogram of whole numbers, such as microseconds. Observing takes two atomic additions.
#[derive(Debug)]
pub struct Histogram {
    bounds: Box<[u64]>,
    /// One more than the bounds: the last is for what is above them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a [`Histogram`] has counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramStats {
    /// For each upper bound, how many values are up to it and above the bound before.
    pub buckets: Vec<(u64, u64)>,
    /// How many values are above the last bound.
    pub above: u64,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    /// A histogram with these upper bounds, in rising order.
    #[must_use]
    pub fn new(bounds: impl IntoIterator<Item = u64>) -> Self {
        let bounds: Box<[u64]> = bounds.into_iter().collect();
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// A histogram of durations in microseconds, with `buckets` bounds that double from `first` on.
    #[must_use]
    pub fn of_durations(first: Duration, buckets: u32) -> Self {
        let first = micros(first);
        Self::new((0..buckets).map(|n| first << n))
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(micros(duration));
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> HistogramStats {
        let counts: Vec<_> = self.counts.iter().map(|it| it.load(Ordering::Relaxed)).collect();
        HistogramStats {
            buckets: self.bounds.iter().copied().zip(counts.iter().copied()).collect(),
            above: counts.last().copied().unwrap_or_default(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new([10, 20]);
        for value in [0, 10, 11, 20, 21, 1000] {
            histogram.observe(value);
        }
        let stats = histogram.stats();
        assert_eq!(stats.buckets, [(10, 2), (20, 2)]);
        assert_eq!((stats.above, stats.sum), (2, 1062));
    }

    #[test]
    fn the_bounds_of_durations_double() {
        let histogram = Histogram::of_durations(Duration::from_micros(50), 3);
        histogram.observe_duration(Duration::from_micros(101));
        assert_eq!(histogram.stats().buckets, [(50, 0), (100, 0), (200, 1)]);
    }
}
