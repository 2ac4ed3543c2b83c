//! The event stream: events in their order, until the operator releases them or they are too old.

use std::{collections::HashMap, sync::Arc, time::Duration};

#[cfg(doc)]
use super::record::Record;
use super::segments::{Segments, StoredEvent};
use crate::{ConnectionId, Event, EventData, Events, Limits, Millis, millis, new_id};

/// The event stream.
pub struct EventLog {
    /// Names the stream: a number of another stream means nothing in this one.
    pub stream: Arc<str>,
    events: Segments,
    /// The number of the first event that was not released and has not expired. It may be erased, and
    /// events after it.
    oldest: u64,
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
            events: Segments::default(),
            oldest: 1,
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
        self.push(StoredEvent { event, appended: now })
    }

    fn push(&mut self, stored: StoredEvent) -> &StoredEvent {
        let event = &stored.event;
        let bytes = event.size();
        self.bytes += bytes;
        *self.bytes_per_device.entry(Arc::clone(&event.device)).or_default() += bytes;
        self.events.push(stored)
    }

    /// How many events there are, their bytes, and the bytes that are reserved.
    pub fn fill(&self) -> (usize, usize, usize) {
        (self.events.len(), self.bytes, self.reserved)
    }

    /// When the oldest event was appended, by the engine's timeline.
    pub fn oldest_appended(&self) -> Option<Millis> {
        self.events.first().map(|oldest| oldest.appended)
    }

    /// The number of the first event that was not released and has not expired.
    pub const fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The number of the next event.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The oldest event from number `n` on.
    pub fn first_from(&self, n: u64) -> Option<&StoredEvent> {
        self.events.from(n).next()
    }

    /// Gives the stream this name; its next event has at least number `next`.
    pub fn rename(&mut self, stream: &str, next: u64) {
        self.stream = stream.into();
        self.next = self.next.max(next);
    }

    /// The events before number `oldest` were released or have expired.
    pub fn skip_before(&mut self, oldest: u64) {
        self.oldest = self.oldest.max(oldest);
        self.next = self.next.max(oldest);
    }

    /// Gives no event a number up to `n` any more.
    pub fn skip_to(&mut self, n: u64) {
        self.next = self.next.max(n + 1);
    }

    /// Adds events read from the journal, in their order.
    pub fn restore(&mut self, events: impl Iterator<Item = StoredEvent>) {
        for stored in events {
            self.push(stored);
        }
    }

    /// Up to `limit` events from number `from` on.
    pub fn read(&self, from: u64, limit: usize) -> Events {
        let events = self.events.from(from).take(limit);
        let events = events.map(|stored| stored.event.clone()).collect();
        Events { oldest: self.oldest, next: self.next, events }
    }

    /// Drops the events up to number `through`; returns the number of the last event that is
    /// released now, if it was not before.
    pub fn release(&mut self, through: u64) -> Option<u64> {
        let through = through.min(self.next - 1);
        if through < self.oldest {
            return None;
        }
        while self.events.first().is_some_and(|oldest| oldest.event.n <= through) {
            self.drop_oldest();
        }
        self.oldest = through + 1;
        Some(through)
    }

    /// Drops up to `limit` events that are older than `ttl`; returns the number of the last one
    /// dropped.
    pub fn expire(&mut self, ttl: Duration, limit: usize, now: Millis) -> Option<u64> {
        let mut last = None;
        for _ in 0..limit {
            if self.next_expiry(ttl).is_none_or(|at| at > now) {
                break;
            }
            last = self.drop_oldest();
        }
        self.oldest = last.map_or(self.oldest, |last| last + 1);
        last
    }

    /// When the oldest event is older than `ttl`.
    pub fn next_expiry(&self, ttl: Duration) -> Option<Millis> {
        self.events.first().map(|oldest| oldest.appended + millis(ttl))
    }

    /// Drops the oldest event; returns its number.
    fn drop_oldest(&mut self) -> Option<u64> {
        let StoredEvent { event, .. } = self.events.pop_first()?;
        self.uncount(&event);
        Some(event.n)
    }

    /// Erases the events of a device from number `from` up to `through`, and visits about `visited`
    /// events for that. Returns the numbers of those that it erased, and the number to continue from;
    /// `None` where it is done.
    pub fn erase(
        &mut self,
        device: &str,
        (from, through): (u64, u64),
        visited: usize,
    ) -> (Vec<u64>, Option<u64>) {
        if !self.bytes_per_device.contains_key(device) {
            return (Vec::new(), None);
        }
        let is_erased = |stored: &StoredEvent| *stored.event.device == *device;
        let (erased, next) = self.events.take(from, through, visited, is_erased);
        for stored in &erased {
            self.uncount(&stored.event);
        }
        (erased.into_iter().map(|stored| stored.event.n).collect(), next)
    }

    /// Takes an event's bytes out of the sums.
    fn uncount(&mut self, event: &Event) {
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
