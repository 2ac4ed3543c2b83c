//! The event stream: events in their order, until the operator releases them or they are too old.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::record::Record;
use crate::{ConnectionId, Event, EventData, Events, Limits, Millis, millis, new_id};

/// An event as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredEvent {
    pub event: Event,
    /// When it was appended, by the engine's timeline; `at` of the event is the wall clock's.
    pub appended: Millis,
}

/// The event stream.
pub struct EventLog {
    /// Names the stream: a number of another stream means nothing in this one.
    pub stream: Arc<str>,
    /// Without a gap in their numbers, so that an event is found by counting.
    events: VecDeque<StoredEvent>,
    /// The number of the next event; the first is 1.
    next: u64,
    bytes: usize,
    bytes_per_device: HashMap<Arc<str>, usize>,
    /// Bytes of the events that the records are certain to cause: [`Record::reserved`] of all.
    reserved: usize,
}

impl EventLog {
    /// An empty stream with a new name.
    pub fn new() -> Self {
        Self {
            stream: new_id().into(),
            events: VecDeque::new(),
            next: 1,
            bytes: 0,
            bytes_per_device: HashMap::new(),
            reserved: 0,
        }
    }

    /// Whether there is room for `bytes` more of a device, which has `reserved` of its own.
    pub fn has_room(&self, device: &str, reserved: usize, bytes: usize, limits: &Limits) -> bool {
        let of_device = self.bytes_per_device.get(device).copied().unwrap_or_default();
        self.bytes + self.reserved + bytes <= limits.event_bytes
            && of_device + reserved + bytes <= limits.event_bytes_per_device
    }

    /// Whether one more message can be queued for a device, which has `reserved` of its own. Of the
    /// room at most a half is reserved by that: the rest is for sockets, and for what prospects say.
    pub fn has_room_for_message(
        &self,
        device: &str,
        reserved: usize,
        expired_size: usize,
        limits: &Limits,
    ) -> bool {
        2 * (self.reserved + expired_size) <= limits.event_bytes
            && 2 * (reserved + expired_size) <= limits.event_bytes_per_device
            && self.has_room(device, reserved, expired_size, limits)
    }

    /// Reserves room for an event that is certain to come.
    pub const fn reserve(&mut self, bytes: usize) {
        self.reserved += bytes;
    }

    /// Returns room that was reserved: the event will not come, or is appended now.
    pub const fn unreserve(&mut self, bytes: usize) {
        debug_assert!(self.reserved >= bytes, "nothing is returned that was not reserved");
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// Appends an event; `at` is the time of the wall clock, `now` the engine's.
    pub fn append(
        &mut self,
        device: &Arc<str>,
        connection: Option<&ConnectionId>,
        data: EventData,
        at: Millis,
        now: Millis,
    ) -> &StoredEvent {
        let device = Arc::clone(device);
        let event = Event { n: self.next, device, connection: connection.cloned(), at, data };
        self.next += 1;
        let index = self.events.len();
        self.push(StoredEvent { event, appended: now });
        &self.events[index]
    }

    fn push(&mut self, stored: StoredEvent) {
        let event = &stored.event;
        let bytes = event.size();
        self.bytes += bytes;
        *self.bytes_per_device.entry(Arc::clone(&event.device)).or_default() += bytes;
        self.events.push_back(stored);
    }

    /// How many events there are, their bytes, and the bytes that are reserved.
    pub fn fill(&self) -> (usize, usize, usize) {
        (self.events.len(), self.bytes, self.reserved)
    }

    /// When the oldest event was appended, by the engine's timeline.
    pub fn oldest(&self) -> Option<Millis> {
        self.events.front().map(|oldest| oldest.appended)
    }

    /// The number of the next event.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The oldest event from number `n` on.
    pub fn first_from(&self, n: u64) -> Option<&StoredEvent> {
        let oldest = self.events.front()?.event.n;
        self.events.get(usize::try_from(n.saturating_sub(oldest)).ok()?)
    }

    /// Gives the stream this name; its next event has at least number `next`.
    pub fn rename(&mut self, stream: &str, next: u64) {
        self.stream = stream.into();
        self.next = self.next.max(next);
    }

    /// Gives no event a number up to `n` any more.
    pub fn skip_to(&mut self, n: u64) {
        self.next = self.next.max(n + 1);
    }

    /// Adds events read from the journal, in their order. Those before a gap in the numbers are
    /// dropped.
    pub fn restore(&mut self, events: impl Iterator<Item = StoredEvent>) {
        for stored in events {
            let n = stored.event.n;
            if self.events.back().is_some_and(|last| last.event.n + 1 != n) {
                self.release(n);
            }
            self.push(stored);
        }
    }

    /// Up to `limit` events from number `from` on.
    pub fn read(&self, from: u64, limit: usize) -> Events {
        let oldest = self.events.front().map_or(self.next, |oldest| oldest.event.n);
        let skipped = usize::try_from(from.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events = self.events.iter().skip(skipped).take(limit);
        let events = events.map(|stored| stored.event.clone()).collect();
        Events { oldest, next: self.next, events }
    }

    /// Drops the events up to number `through`; returns whether there were any.
    pub fn release(&mut self, through: u64) -> bool {
        let before = self.events.len();
        while self.events.front().is_some_and(|oldest| oldest.event.n <= through) {
            self.drop_oldest();
        }
        self.events.len() < before
    }

    /// Drops up to `limit` events that are older than `ttl`; returns the number of the last one
    /// dropped.
    pub fn expire(&mut self, ttl: Duration, limit: usize, now: Millis) -> Option<u64> {
        let mut last = None;
        for _ in 0..limit {
            if self.next_expiry(ttl).is_none_or(|at| at > now) {
                break;
            }
            last = self.events.front().map(|oldest| oldest.event.n);
            self.drop_oldest();
        }
        last
    }

    /// When the oldest event is older than `ttl`.
    pub fn next_expiry(&self, ttl: Duration) -> Option<Millis> {
        self.events.front().map(|oldest| oldest.appended + millis(ttl))
    }

    fn drop_oldest(&mut self) {
        let Some(StoredEvent { event, .. }) = self.events.pop_front() else { return };
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
