//! The event stream: what happened, kept until the operator released it or it grew too old.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{ConnectionId, Event, EventKind, Events, Limits, Millis, millis},
    Change,
};
use crate::new_id;

/// The event stream.
pub struct EventLog {
    /// Names this stream.
    pub stream: Arc<str>,
    kept: VecDeque<StoredEvent>,
    /// The number of the next event; the first is 1.
    next: u64,
    bytes: usize,
    bytes_per_device: HashMap<Arc<str>, usize>,
}

/// An event that is kept.
pub struct StoredEvent {
    pub device: Arc<str>,
    pub at: Millis,
    pub event: Event,
}

impl StoredEvent {
    /// As the journal has it.
    pub fn change(&self) -> Change<'_> {
        Change::Event {
            n: self.event.n,
            device: Cow::Borrowed(&self.device),
            kind: self.event.kind,
            at: self.at,
            data: Cow::Borrowed(&self.event.data),
        }
    }
}

/// What an event says, in the order of the contract. The log fills in the first three.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventData<'a> {
    pub device_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<&'a str>,
    pub at: String,
    /// Of `connected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linkinjected: Option<&'a str>,
    /// Of `disconnected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Of `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<&'a str>,
    /// Of `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Of `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// Of `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
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
        kind: EventKind,
        device: &Arc<str>,
        connection: Option<&ConnectionId>,
        said: &EventData<'_>,
        now: Millis,
    ) -> &StoredEvent {
        let said = EventData {
            device_tag: device,
            connection_id: connection.map(|connection| &*connection.0),
            at: rfc3339(now),
            ..*said
        };
        // What is said is text, numbers and JSON that was parsed: it can be written.
        let data: Arc<str> = serde_json::to_string(&said).unwrap_or_default().into();
        let event = Event { n: self.next, kind, data };
        self.next += 1;
        let at = self.kept.len();
        self.keep(StoredEvent { device: Arc::clone(device), at: now, event });
        &self.kept[at]
    }

    fn keep(&mut self, kept: StoredEvent) {
        let bytes = kept.event.data.len();
        self.bytes += bytes;
        *self.bytes_per_device.entry(Arc::clone(&kept.device)).or_default() += bytes;
        self.kept.push_back(kept);
    }

    /// The number of the next event.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The first event that is kept, from number `n` on.
    pub fn kept_from(&self, n: u64) -> Option<&StoredEvent> {
        let oldest = self.kept.front()?.event.n;
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
    pub fn restore(&mut self, events: impl Iterator<Item = StoredEvent>) {
        for kept in events {
            if self.kept.back().is_some_and(|last| last.event.n + 1 != kept.event.n) {
                self.release(kept.event.n);
            }
            self.keep(kept);
        }
    }

    /// The events from number `from` on.
    pub fn from(&self, from: u64, limit: usize) -> Events {
        let oldest = self.kept.front().map_or(self.next, |kept| kept.event.n);
        let skipped = usize::try_from(from.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events = self.kept.iter().skip(skipped).take(limit).map(|kept| kept.event.clone());
        Events { oldest, next: self.next, events: events.collect() }
    }

    /// Drops the events up to number `through`; says whether there were any.
    pub fn release(&mut self, through: u64) -> bool {
        let before = self.kept.len();
        while self.kept.front().is_some_and(|kept| kept.event.n <= through) {
            self.drop_oldest();
        }
        self.kept.len() < before
    }

    /// Drops the events that are too old; says the number of the last.
    pub fn expire(&mut self, ttl: Duration, now: Millis) -> Option<u64> {
        let mut last = None;
        while let Some(kept) = self.kept.front().filter(|kept| kept.at + millis(ttl) <= now) {
            last = Some(kept.event.n);
            self.drop_oldest();
        }
        last
    }

    fn drop_oldest(&mut self) {
        let Some(StoredEvent { device, event, .. }) = self.kept.pop_front() else { return };
        self.bytes -= event.data.len();
        if let Some(bytes) = self.bytes_per_device.get_mut(&device) {
            *bytes -= event.data.len();
            if *bytes == 0 {
                self.bytes_per_device.remove(&device);
            }
        }
    }
}

/// A point in time as the contract writes it.
#[must_use]
pub fn rfc3339(at: Millis) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(at)).to_string()
}
