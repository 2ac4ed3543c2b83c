//! The specification of an engine: lists that are searched from their beginning, and every rule
//! written out. It is slow and obvious; an engine is neither.
//!
//! A model answers each operation as the engine must. It cannot know the names that an engine makes
//! up, which are the epochs: it learns each from the first answer that carries it.

mod authorisations;
pub mod conversation;
mod stream;
mod tokens;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use engine::{
    DeviceState, DisconnectCause, EndReason, EventData, Home, Limits, Millis, RedeemError,
    SocketState, millis,
};

use crate::harness::connection;

use self::conversation::Conversation;
pub use self::stream::Stream;

/// Everything that an engine knows.
pub struct Model {
    /// How many partitions share the limits of all devices and all events: each has its own.
    pub partitions: usize,
    pub now: Millis,
    pub limits: Limits,
    pub records: Vec<Record>,
    pub half_refs: BTreeMap<String, HalfRef>,
    pub stream: Stream,
    /// The connections that must have ended since the last comparison, with the reasons.
    pub ended: Vec<(String, EndReason)>,
    /// The connections that must have been notified of a message since then.
    pub queued: Vec<String>,
    /// Whether the last authorisation replaced another.
    pub replaced: bool,
    /// How many records there ever were.
    made: usize,
    /// How many authorisations there ever were.
    authorised: u64,
}

/// What is kept for one device.
pub struct Record {
    /// Tells this record from others of the device, before and after it.
    pub number: usize,
    pub device: String,
    /// As soon as an answer carried it.
    pub epoch: Option<Arc<str>>,
    pub claimed: bool,
    /// What the device has said of itself.
    pub device_data: Option<String>,
    /// When it last asked for a token, or its socket ended.
    pub last_seen: Option<Millis>,
    /// The oldest first: of a claim, one that the device is known to have, then unused ones.
    pub tokens: Vec<Token>,
    pub socket: Option<Socket>,
    pub conversation: Conversation,
    pub ends: Millis,
}

pub struct Token {
    pub name: String,
    /// The idempotency key that it was requested with, until it is used.
    pub key: Option<String>,
    pub expires: Millis,
}

pub struct Socket {
    pub connection: String,
    pub since: Millis,
    pub linkinjected: Option<String>,
    /// The token that it ends with.
    pub token: String,
}

/// What is known of a `halfRef`.
pub struct HalfRef {
    pub device: String,
    pub state: HalfRefState,
    /// When an open one expires, and any other is forgotten.
    pub until: Millis,
    /// Rises with each authorisation.
    pub order: u64,
}

#[derive(Clone)]
pub enum HalfRefState {
    Open { token: String, linkinjected: Option<String> },
    Closed(RedeemError),
}

/// What an erasure removed.
pub struct Erased {
    /// Events that no one can have read.
    pub unseen_events: usize,
    /// The epoch and the numbers of the messages that were not acknowledged.
    pub outbox: Vec<(String, u64)>,
    /// Whether there were events that could be read before.
    pub events: bool,
    pub half_refs: bool,
}

impl Model {
    pub fn new(now: Millis, limits: Limits, partitions: usize) -> Self {
        Self {
            partitions,
            now,
            limits,
            records: Vec::new(),
            half_refs: BTreeMap::new(),
            replaced: false,
            authorised: 0,
            stream: Stream::default(),
            ended: Vec::new(),
            queued: Vec::new(),
            made: 0,
        }
    }

    /// Whether two devices share a partition.
    fn share_partition(&self, one: &str, other: &str) -> bool {
        self.partition(one) == self.partition(other)
    }

    fn partition(&self, device: &str) -> usize {
        if self.partitions == 1 { 0 } else { Home::of_device(device).partition(self.partitions) }
    }

    fn after(&self, time: Duration) -> Millis {
        self.now + millis(time)
    }

    pub fn place(&self, device: &str) -> Option<usize> {
        self.records.iter().position(|record| record.device == device)
    }

    pub fn record(&self, device: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.device == device)
    }

    /// Records the epoch that an answer carried, and returns the one that it had to carry.
    pub fn epoch(&mut self, number: usize, answered: &Arc<str>) -> Arc<str> {
        let record = self.records.iter_mut().find(|record| record.number == number);
        let epoch = &mut record.expect("an answer is about a record").epoch;
        Arc::clone(epoch.get_or_insert_with(|| Arc::clone(answered)))
    }

    pub fn device(&self, device: &str) -> Option<DeviceState> {
        self.record(device).map(|record| self.described(record))
    }

    /// The connected devices: all, or those whose socket came with this link.
    pub fn connected(&self, link: Option<&str>) -> Vec<DeviceState> {
        let is_listed = |socket: &Socket| link.is_none() || socket.linkinjected.as_deref() == link;
        let connected =
            self.records.iter().filter(|record| record.socket.as_ref().is_some_and(is_listed));
        let mut states: Vec<_> = connected.map(|record| self.described(record)).collect();
        states.sort_by(|one, other| one.device.cmp(&other.device));
        states
    }

    fn described(&self, record: &Record) -> DeviceState {
        let socket = record.socket.as_ref().map(|socket| SocketState {
            connection: connection(&socket.connection),
            since: socket.since,
            linkinjected: socket.linkinjected.as_deref().map(Into::into),
        });
        let last_seen = socket.is_some().then_some(self.now).or(record.last_seen);
        DeviceState {
            device: record.device.as_str().into(),
            socket,
            unacknowledged: record.conversation.outbox.len(),
            device_data: record.device_data.as_deref().map(Into::into),
            last_seen,
        }
    }

    /// A record lives for `record_ttl` after `at`, if not longer.
    fn keep_record_after(&mut self, place: usize, at: Millis) {
        let ends = at + millis(self.limits.record_ttl);
        let record = &mut self.records[place];
        record.ends = record.ends.max(ends);
    }

    pub fn close(&mut self, device: &str, connection: &str, code: Option<u16>) {
        let Some(place) = self.place(device) else { return };
        if self.records[place].is_connection(connection) {
            self.end_socket(place, code.map(DisconnectCause::Gateway));
            self.keep_record_after(place, self.now);
        }
    }

    fn end_socket(&mut self, place: usize, cause: Option<DisconnectCause>) {
        let record = &mut self.records[place];
        let Some(socket) = record.socket.take() else { return };
        record.last_seen = Some(self.now);
        if let Some(DisconnectCause::Engine(reason)) = cause {
            self.ended.push((socket.connection.clone(), reason));
        }
        let device = record.device.clone();
        self.append(&device, Some(&socket.connection), EventData::Disconnected { cause });
    }

    /// Ends the socket and the open authorisations that are bound to a token.
    fn end_bound_to(&mut self, place: usize, token: &str, reason: EndReason) {
        if self.records[place].socket.as_ref().is_some_and(|socket| socket.token == token) {
            self.end_socket(place, Some(DisconnectCause::Engine(reason)));
            self.keep_record_after(place, self.now);
        }
        let why = match reason {
            EndReason::TokenExpired => RedeemError::Expired,
            _ => RedeemError::Revoked,
        };
        let until = self.after(self.limits.half_ref_memory);
        for half_ref in self.half_refs.values_mut() {
            if half_ref.is_bound_to(token) {
                (half_ref.state, half_ref.until) = (HalfRefState::Closed(why), until);
            }
        }
    }

    /// Disconnects a device: its socket, its tokens and its record end.
    pub fn disconnect(&mut self, device: &str) {
        if let Some(place) = self.place(device) {
            self.end_record(place);
        }
    }

    /// Erases a device, right after a comparison.
    pub fn erase(&mut self, device: &str) -> Erased {
        let record = self.record(device);
        let epoch = record.and_then(|record| record.epoch.as_ref()).map(ToString::to_string);
        let outbox = record.iter().flat_map(|record| &record.conversation.outbox);
        let outbox: Vec<_> = outbox.map(|message| message.seq).collect();
        self.disconnect(device);
        let (unseen_events, events) = self.stream.erase(device);
        let half_refs = self.half_refs.len();
        self.half_refs.retain(|_, half_ref| half_ref.device != device);
        Erased {
            unseen_events,
            outbox: outbox
                .into_iter()
                .map(|seq| (epoch.clone().unwrap_or_default(), seq))
                .collect(),
            events,
            half_refs: self.half_refs.len() < half_refs,
        }
    }

    fn end_record(&mut self, place: usize) {
        self.end_socket(place, Some(DisconnectCause::Engine(EndReason::Revoked)));
        let tokens: Vec<_> = self.records[place].tokens.drain(..).collect();
        for token in tokens {
            self.end_bound_to(place, &token.name, EndReason::Revoked);
        }
        let record = self.records.remove(place);
        for message in &record.conversation.outbox {
            self.append_expired(&record.device, record.epoch.as_ref(), message.seq);
        }
    }

    /// The process ends and another begins on its journal: its sockets are lost. Returns their
    /// names.
    pub fn restart(&mut self) -> Vec<String> {
        let mut lost = Vec::new();
        for place in 0..self.records.len() {
            if let Some(socket) = &self.records[place].socket {
                lost.push(socket.connection.clone());
                self.end_socket(place, None);
                self.keep_record_after(place, self.now);
            }
        }
        lost
    }

    /// The next time at which something is due.
    pub fn next_deadline(&self) -> Option<Millis> {
        let of_record = |record: &Record| {
            let tokens = record.tokens.iter().map(|token| token.expires);
            let conversation = record.conversation.deadlines();
            tokens.chain(conversation).chain([record.ends]).collect::<Vec<_>>()
        };
        let records = self.records.iter().flat_map(of_record);
        let half_refs = self.half_refs.values().map(|half_ref| half_ref.until);
        let events = self.stream.kept.iter().map(|event| event.at + millis(self.limits.event_ttl));
        records.chain(half_refs).chain(events).filter(|at| *at > self.now).min()
    }

    /// The next time at which a token with a socket or an open authorisation expires, or a record
    /// ends: what ends then, an engine may end with its next sweep only.
    pub fn next_end_by_sweep(&self) -> Option<Millis> {
        let is_bound = |token: &Token| {
            let mut sockets = self.records.iter().filter_map(|record| record.socket.as_ref());
            sockets.any(|socket| socket.token == token.name)
                || self.half_refs.values().any(|half_ref| half_ref.is_bound_to(&token.name))
        };
        let tokens = self.records.iter().flat_map(|record| &record.tokens);
        let tokens = tokens.filter(|token| is_bound(token)).map(|token| token.expires);
        let records = self.records.iter().map(|record| record.ends);
        tokens.chain(records).filter(|at| *at > self.now).min()
    }

    /// It is `now`, and everything that is due by then expires at this moment.
    pub fn expire(&mut self, now: Millis) {
        let before = std::mem::replace(&mut self.now, now);
        let due = |at: Millis| before < at && at <= now;
        for place in 0..self.records.len() {
            let record = &self.records[place];
            let expired = record.tokens.iter().filter(|token| due(token.expires));
            let expired: Vec<_> = expired.map(|token| token.name.clone()).collect();
            for token in expired {
                self.end_bound_to(place, &token, EndReason::TokenExpired);
            }
        }
        self.expire_messages();
        self.stream.expire(millis(self.limits.event_ttl), now);
        let is_over = |half_ref: &&mut HalfRef| half_ref.is_open() && half_ref.until <= now;
        for half_ref in self.half_refs.values_mut().filter(is_over) {
            half_ref.state = HalfRefState::Closed(RedeemError::Expired);
            half_ref.until += millis(self.limits.half_ref_memory);
        }
        self.half_refs.retain(|_, half_ref| !half_ref.is_forgotten(now));
        while let Some(place) = self.records.iter().position(|record| record.ends <= now) {
            self.end_record(place);
        }
        self.stream.by_clock = self.stream.appended.len();
    }
}

impl HalfRef {
    pub const fn is_open(&self) -> bool {
        matches!(self.state, HalfRefState::Open { .. })
    }

    fn is_bound_to(&self, token: &str) -> bool {
        matches!(&self.state, HalfRefState::Open { token: bound, .. } if bound == token)
    }

    const fn is_forgotten(&self, now: Millis) -> bool {
        !self.is_open() && self.until <= now
    }
}

impl Record {
    pub fn is_connection(&self, name: &str) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.connection == name)
    }
}
