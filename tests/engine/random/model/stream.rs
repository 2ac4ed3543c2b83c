//! The event stream.

use std::{mem, sync::Arc};

use engine::{Event, EventData, Millis};

use super::Model;
use crate::harness::connection;

/// The events that are kept, and those that the engine has not been compared with yet.
#[derive(Default)]
pub struct Stream {
    /// In order.
    pub kept: Vec<Event>,
    /// The number of the newest event.
    newest: u64,
    /// What was appended since the last comparison. The numbers are the engine's to give.
    pub(super) appended: Vec<Event>,
    /// How many of these come from the clock: an engine appends them with its next sweep.
    pub(super) by_clock: usize,
    /// What grew too old since the last comparison: an engine drops it with its next sweep.
    dropped: Vec<Event>,
}

/// The bytes of events, of one device or of all.
fn bytes<'a>(events: impl Iterator<Item = &'a Event>, of: Option<&str>) -> usize {
    let events = events.filter(|event| of.is_none_or(|device| *event.device == *device));
    events.map(Event::size).sum()
}

impl Stream {
    /// The bytes that a sweep leaves.
    fn bytes(&self, of: Option<&str>) -> usize {
        bytes(self.kept.iter().chain(&self.appended), of)
    }

    /// The fewest and the most bytes that there may be before a sweep.
    fn unswept_bytes(&self, of: Option<&str>) -> [usize; 2] {
        let fewest = self.kept.iter().chain(&self.appended[self.by_clock..]);
        let most = self.kept.iter().chain(&self.appended).chain(&self.dropped);
        [bytes(fewest, of), bytes(most, of)]
    }

    /// The number of the first event that is kept, and of the next to come.
    pub fn ends(&self) -> (u64, u64) {
        let next = self.newest + 1;
        (self.kept.first().map_or(next, |event| event.n), next)
    }

    pub fn release(&mut self, through: u64) {
        self.kept.retain(|event| event.n > through);
    }

    /// Drops what is older than `ttl`.
    pub(super) fn expire(&mut self, ttl: Millis, now: Millis) {
        self.dropped.extend(self.kept.extract_if(.., |event| event.at + ttl <= now));
    }

    /// Takes what was appended since the last comparison.
    pub fn take_appended(&mut self) -> Vec<Event> {
        (self.by_clock, self.dropped) = (0, Vec::new());
        mem::take(&mut self.appended)
    }

    /// Keeps an event, with the number that the engine gave it.
    pub fn keep(&mut self, event: Event) {
        self.newest = event.n;
        self.kept.push(event);
    }
}

impl Model {
    pub fn is_stream_full(&self, device: &str) -> bool {
        self.stream.bytes(None) >= self.limits.event_bytes || self.is_stream_full_of(device)
    }

    pub fn is_stream_full_of(&self, device: &str) -> bool {
        self.stream.bytes(Some(device)) >= self.limits.event_bytes_per_device
    }

    /// Whether the stream is full for a device does not depend on a sweep that is due.
    pub fn is_room_certain(&self, device: &str) -> bool {
        let [fewest, most] = self.stream.unswept_bytes(None);
        let of_all = (fewest >= self.limits.event_bytes) == (most >= self.limits.event_bytes);
        let [fewest, most] = self.stream.unswept_bytes(Some(device));
        let limit = self.limits.event_bytes_per_device;
        of_all && (fewest >= limit) == (most >= limit)
    }

    pub(super) fn append(&mut self, device: &str, name: Option<&str>, data: EventData) {
        self.stream.appended.push(Event {
            n: 0,
            device: device.into(),
            connection: name.map(connection),
            at: self.now,
            data,
        });
    }

    pub(super) fn append_expired(&mut self, device: &str, epoch: Option<&Arc<str>>, seq: u64) {
        let epoch = epoch.expect("an epoch is known from its first message on");
        self.append(device, None, EventData::Expired { epoch: Arc::clone(epoch), seq });
    }
}
