//! The event stream.

use std::{collections::BTreeMap, mem, sync::Arc};

use engine::{Event, EventData, Millis};

use super::Model;
use crate::harness::connection;

/// The events that are kept, and those that the engine has not been compared with yet.
#[derive(Default)]
pub struct Stream {
    /// In order.
    pub kept: Vec<Event>,
    /// The number of the newest event that was released or has expired.
    dropped_through: u64,
    /// The number of the newest event.
    newest: u64,
    /// What was appended since the last comparison. The numbers are the engine's to give.
    pub(super) appended: Vec<Event>,
    /// How many of these come from the clock: an engine appends them with its next sweep.
    pub(super) by_clock: usize,
    /// What grew too old since the last comparison: an engine drops it with its next sweep.
    dropped: Vec<Event>,
}

/// The bytes of the events of some devices.
fn bytes<'a>(events: impl Iterator<Item = &'a Event>, of: impl Fn(&str) -> bool) -> usize {
    events.filter(|event| of(&event.device)).map(Event::size).sum()
}

/// Of which devices bytes are counted.
#[derive(Clone, Copy)]
enum Of<'a> {
    This(&'a str),
    /// All in this partition.
    Partition(usize),
}

impl Stream {
    /// The bytes that a sweep leaves.
    fn bytes(&self, of: impl Fn(&str) -> bool) -> usize {
        bytes(self.kept.iter().chain(&self.appended), of)
    }

    /// The bytes that a sweep will drop.
    fn dropped_bytes(&self, of: impl Fn(&str) -> bool) -> usize {
        bytes(self.dropped.iter(), of)
    }

    /// The bytes that are reserved until a sweep appends them.
    fn unswept_bytes(&self, of: impl Fn(&str) -> bool) -> usize {
        bytes(self.appended[..self.by_clock].iter(), of)
    }

    /// The number of the first event that is kept, and of the next to come.
    pub fn ends(&self) -> (u64, u64) {
        (self.dropped_through + 1, self.newest + 1)
    }

    pub fn release(&mut self, through: u64) {
        self.kept.retain(|event| event.n > through);
        self.dropped_through = self.dropped_through.max(through);
    }

    /// Erases the events of a device, also those since the last comparison, which are all of it. Returns
    /// how many these were, and whether there were others.
    pub(super) fn erase(&mut self, device: &str) -> (usize, bool) {
        let unseen = mem::take(&mut self.appended).len();
        self.newest += unseen as u64;
        let kept = self.kept.len();
        self.kept.retain(|event| *event.device != *device);
        (unseen, self.kept.len() < kept)
    }

    /// Drops what is older than `ttl`.
    pub(super) fn expire(&mut self, ttl: Millis, now: Millis) {
        self.dropped.extend(self.kept.extract_if(.., |event| event.at + ttl <= now));
        let newest = self.dropped.last().map_or(0, |event| event.n);
        self.dropped_through = self.dropped_through.max(newest);
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
    /// The events never take more room than they are given.
    pub fn check_bounds(&self) {
        let mut of_devices = BTreeMap::<_, usize>::new();
        let mut of_partitions = BTreeMap::<_, usize>::new();
        for event in &self.stream.kept {
            *of_devices.entry(&*event.device).or_default() += event.size();
        }
        for (device, bytes) in of_devices {
            let bound = self.limits.event_bytes_per_device;
            assert!(bytes <= bound, "the bound of {device}");
            *of_partitions.entry(self.partition(device)).or_default() += bytes;
        }
        for bytes in of_partitions.into_values() {
            assert!(bytes <= self.limits.event_bytes, "the bound of all events");
        }
    }

    fn is_of(&self, of: Of<'_>, device: &str) -> bool {
        match of {
            Of::This(this) => device == this,
            Of::Partition(partition) => self.partition(device) == partition,
        }
    }

    /// The bytes of the events that the records of these devices will cause.
    fn reserved(&self, of: Of<'_>) -> usize {
        let records = self.records.iter().filter(|record| self.is_of(of, &record.device));
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
        let of_device = self.stream.bytes(|it| it == device) + self.reserved(Of::This(device));
        of_device + bytes <= self.limits.event_bytes_per_device
    }

    /// Whether there is room for `bytes` more.
    fn has_room(&self, device: &str, bytes: usize) -> bool {
        let partition = Of::Partition(self.partition(device));
        let of_all = self.stream.bytes(|it| self.is_of(partition, it)) + self.reserved(partition);
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
        self.reserved(Of::Partition(self.partition(device))) + size <= self.limits.event_bytes / 2
            && self.reserved(Of::This(device)) + size <= self.limits.event_bytes_per_device / 2
            && self.has_room(device, size)
    }

    /// Whether there is room does not depend on a sweep that is due: there is enough for anything.
    pub fn is_room_certain(&self, device: &str) -> bool {
        /// More than any operation of a run takes.
        const MOST: usize = 500;
        let is_certain = |of: Of<'_>, limit: usize| {
            let is_of = |device: &str| self.is_of(of, device);
            let stored = self.stream.bytes(is_of) + self.stream.dropped_bytes(is_of);
            let reserved = self.reserved(of) + self.stream.unswept_bytes(is_of);
            stored + self.reserved(of) + MOST <= limit && reserved + MOST / 2 <= limit / 2
        };
        is_certain(Of::Partition(self.partition(device)), self.limits.event_bytes)
            && is_certain(Of::This(device), self.limits.event_bytes_per_device)
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
