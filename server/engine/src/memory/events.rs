//! The event stream: events in their order, until the operator releases them or they are too old.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{ConnectionId, Event, EventData, Events, Limits, Millis, millis, new_id};

/// The event stream.
pub struct EventLog {
    /// Names this stream.
    pub stream: Arc<str>,
    kept: VecDeque<Event>,
    /// The number of the next event; the first is 1.
    next: u64,
    bytes: usize,
    bytes_per_device: HashMap<Arc<str>, usize>,
}

impl EventLog {
    /// A new stream, with a name of its own.
    pub fn new() -> Self {
        Self {
            stream: new_id().into(),
            kept: VecDeque::new(),
            next: 1,
            bytes: 0,
            bytes_per_device: HashMap::new(),
        }
    }

    /// Whether there is no room for what a prospect says or opens.
    pub fn is_full(&self, device: &str, settings: &Limits) -> bool {
        let of_device = self.bytes_per_device.get(device).copied().unwrap_or_default();
        self.bytes >= settings.event_bytes || of_device >= settings.event_bytes_per_device
    }

    /// Appends an event.
    pub fn push(
        &mut self,
        device: &Arc<str>,
        connection: Option<&ConnectionId>,
        data: EventData,
        now: Millis,
    ) -> &Event {
        let device = Arc::clone(device);
        let event = Event { n: self.next, device, connection: connection.cloned(), at: now, data };
        self.next += 1;
        let at = self.kept.len();
        self.keep(event);
        &self.kept[at]
    }

    fn keep(&mut self, event: Event) {
        let bytes = event.size();
        self.bytes += bytes;
        *self.bytes_per_device.entry(Arc::clone(&event.device)).or_default() += bytes;
        self.kept.push_back(event);
    }

    /// The number of the next event.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The first event that is kept, from number `n` on.
    pub fn kept_from(&self, n: u64) -> Option<&Event> {
        let oldest = self.kept.front()?.n;
        self.kept.get(usize::try_from(n.saturating_sub(oldest)).ok()?)
    }

    /// The stream is this one, and its next event has at least this number.
    pub fn begin(&mut self, stream: &str, next: u64) {
        self.stream = stream.into();
        self.next = self.next.max(next);
    }

    /// An event of this number was there.
    pub fn count_to(&mut self, n: u64) {
        self.next = self.next.max(n + 1);
    }

    /// Keeps these, in order; not what lies before a number that is missing, because events are
    /// found by counting.
    pub fn restore(&mut self, events: impl Iterator<Item = Event>) {
        for kept in events {
            if self.kept.back().is_some_and(|last| last.n + 1 != kept.n) {
                self.release(kept.n);
            }
            self.keep(kept);
        }
    }

    /// The events from number `from` on.
    pub fn from(&self, from: u64, limit: usize) -> Events {
        let oldest = self.kept.front().map_or(self.next, |kept| kept.n);
        let skipped = usize::try_from(from.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events = self.kept.iter().skip(skipped).take(limit).cloned();
        Events { oldest, next: self.next, events: events.collect() }
    }

    /// Drops the events up to number `through`; says whether there were any.
    pub fn release(&mut self, through: u64) -> bool {
        let before = self.kept.len();
        while self.kept.front().is_some_and(|kept| kept.n <= through) {
            self.drop_oldest();
        }
        self.kept.len() < before
    }

    /// Drops the events that are too old; says the number of the last.
    pub fn expire(&mut self, ttl: Duration, now: Millis) -> Option<u64> {
        let mut last = None;
        while let Some(kept) = self.kept.front().filter(|kept| kept.at + millis(ttl) <= now) {
            last = Some(kept.n);
            self.drop_oldest();
        }
        last
    }

    fn drop_oldest(&mut self) {
        let Some(event) = self.kept.pop_front() else { return };
        let size = event.size();
        self.bytes -= size;
        if let Some(bytes) = self.bytes_per_device.get_mut(&event.device) {
            *bytes -= size;
            if *bytes == 0 {
                self.bytes_per_device.remove(&event.device);
            }
        }
    }
}
