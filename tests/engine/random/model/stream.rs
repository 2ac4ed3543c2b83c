//! The event stream.

use std::{mem, sync::Arc};

use engine::{Event, EventData, Limits, Millis};

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

    /// The bytes that a sweep will drop.
    fn dropped_bytes(&self, of: Option<&str>) -> usize {
        bytes(self.dropped.iter(), of)
    }

    /// The bytes that are reserved until a sweep appends them.
    fn unswept_bytes(&self, of: Option<&str>) -> usize {
        bytes(self.appended[..self.by_clock].iter(), of)
    }

    /// The events never take more room than they are given.
    pub fn check_bounds(&self, limits: &Limits) {
        assert!(bytes(self.kept.iter(), None) <= limits.event_bytes, "the bound of all events");
        for event in &self.kept {
            let of_device = bytes(self.kept.iter(), Some(&event.device));
            assert!(of_device <= limits.event_bytes_per_device, "the bound of {}", event.device);
        }
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
    /// The bytes of the events that the records will cause: of one device or of all.
    fn reserved(&self, of: Option<&str>) -> usize {
        let records = self.records.iter().filter(|record| of.is_none_or(|of| record.device == of));
        let reserved = records.map(|record| {
            let socket = record
                .socket
                .as_ref()
                .map_or(0, |socket| self.size_of_disconnected(&record.device, &socket.connection));
            record.conversation.outbox.len() * self.size_of_expired(&record.device) + socket
        });
        reserved.sum()
    }

    fn size_of_disconnected(&self, device: &str, name: &str) -> usize {
        self.event(device, Some(name), EventData::Disconnected { cause: None }).size()
    }

    fn size_of_expired(&self, device: &str) -> usize {
        let epoch = "e".repeat(22).into();
        self.event(device, None, EventData::Expired { epoch, seq: 1 }).size()
    }

    /// Whether there is room for `bytes` more, as far as the device's own share goes.
    fn has_room_of_device(&self, device: &str, bytes: usize) -> bool {
        let of_device = self.stream.bytes(Some(device)) + self.reserved(Some(device));
        of_device + bytes <= self.limits.event_bytes_per_device
    }

    /// Whether there is room for `bytes` more.
    fn has_room(&self, device: &str, bytes: usize) -> bool {
        let of_all = self.stream.bytes(None) + self.reserved(None);
        of_all + bytes <= self.limits.event_bytes && self.has_room_of_device(device, bytes)
    }

    /// Whether a message of the prospect can be accepted.
    pub(super) fn has_room_for(&self, device: &str, name: &str, data: EventData) -> bool {
        self.has_room(device, self.event(device, Some(name), data).size())
    }

    /// The data of the event of a socket that opens.
    pub(super) fn connected_event(&self, device: &str, linkinjected: Option<&str>) -> EventData {
        let record = self.record(device);
        let device_data = record.and_then(|record| record.device_data.as_deref()).map(Into::into);
        EventData::Connected { linkinjected: linkinjected.map(Into::into), device_data }
    }

    fn size_of_socket(&self, device: &str, name: &str, linkinjected: Option<&str>) -> usize {
        let data = self.connected_event(device, linkinjected);
        let connected = self.event(device, Some(name), data).size();
        connected + self.size_of_disconnected(device, name)
    }

    /// Whether a socket can open.
    pub(super) fn has_room_for_socket(
        &self,
        device: &str,
        name: &str,
        linkinjected: Option<&str>,
    ) -> bool {
        self.has_room(device, self.size_of_socket(device, name, linkinjected))
    }

    /// Whether a device's own share is what refused it a socket.
    pub fn is_stream_full_of(&self, device: &str, name: &str) -> bool {
        !self.has_room_of_device(device, self.size_of_socket(device, name, None))
    }

    /// Whether the operator can queue a message: reservations take a half at most.
    pub(super) fn has_room_for_message(&self, device: &str) -> bool {
        let size = self.size_of_expired(device);
        self.reserved(None) + size <= self.limits.event_bytes / 2
            && self.reserved(Some(device)) + size <= self.limits.event_bytes_per_device / 2
            && self.has_room(device, size)
    }

    /// Whether there is room does not depend on a sweep that is due: there is enough for anything.
    pub fn is_room_certain(&self, device: &str) -> bool {
        /// More than any operation of a run takes.
        const MOST: usize = 500;
        let is_certain = |of, limit: usize| {
            let stored = self.stream.bytes(of) + self.stream.dropped_bytes(of);
            let reserved = self.reserved(of) + self.stream.unswept_bytes(of);
            stored + self.reserved(of) + MOST <= limit && reserved + MOST / 2 <= limit / 2
        };
        is_certain(None, self.limits.event_bytes)
            && is_certain(Some(device), self.limits.event_bytes_per_device)
    }

    fn event(&self, device: &str, name: Option<&str>, data: EventData) -> Event {
        Event { n: 0, device: device.into(), connection: name.map(connection), at: self.now, data }
    }

    pub(super) fn append(&mut self, device: &str, name: Option<&str>, data: EventData) {
        self.stream.appended.push(self.event(device, name, data));
    }

    pub(super) fn append_expired(&mut self, device: &str, epoch: Option<&Arc<str>>, seq: u64) {
        let epoch = epoch.expect("an epoch is known from its first message on");
        self.append(device, None, EventData::Expired { epoch: Arc::clone(epoch), seq });
    }
}
