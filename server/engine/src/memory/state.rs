//! The state of the embedded engine: records, tokens, `halfRef`s and events, and how they expire.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    mem,
    sync::Arc,
};

use super::{
    change::{Change, RecordImage},
    change_buffer::ChangeBuffer,
    deadlines::{Deadlines, pop_due},
    dirty_map::DirtyMap,
    events::EventLog,
    notifications::Notifications,
    record::{HalfRef, Holder, Record, Socket, Token},
};
use crate::{
    ConnectionId, Digest, DisconnectCause, EndReason, EngineFill, EventData, Limits, Millis,
    RateState, RedeemError, RequestTokenError, millis, new_id,
};

/// Things that expire in one entry, at most: so an entry stays far below what the journal takes, and
/// other operations get the lock in between.
const EXPIRED_PER_ENTRY: usize = 1000;

/// Bytes of changes from which nothing more expires in an entry.
const EXPIRED_BYTES: usize = 256 * 1024;

/// What an operation gives to one client.
#[derive(Clone)]
pub enum Given {
    /// The socket of a device.
    Socket { device: Arc<str>, connection: ConnectionId },
    /// A token that was issued.
    Token(Digest),
}

/// What may still expire in an entry.
struct Budget {
    things: usize,
}

impl Budget {
    /// Takes one thing out of the budget; returns `false` when the entry is full.
    const fn take(&mut self, changes: &ChangeBuffer) -> bool {
        if self.things == 0 || changes.len() >= EXPIRED_BYTES {
            return false;
        }
        self.things -= 1;
        true
    }
}

/// Everything the engine remembers. An operation is one method call on it.
pub struct State {
    pub limits: Limits,
    /// What the wall clock shows more than the engine's timeline, which all other times are of.
    pub wall_offset: i64,
    /// What the step must notify the gateway of.
    pub notifications: Notifications,
    /// The step's changes, but for the records and `halfRef`s that are dirty still.
    pub changes: ChangeBuffer,
    pub records: DirtyMap<Arc<str>, Record>,
    /// The devices whose `device_data` the step has changed. It is large and changes seldom, so it is
    /// no part of a record's image.
    pub described: Vec<Arc<str>>,
    /// The devices with a socket, ordered by name.
    pub connected: BTreeSet<Arc<str>>,
    /// Those whose socket came with a link: link and device, in this order.
    pub linked: BTreeSet<(Arc<str>, Arc<str>)>,
    pub events: EventLog,
    /// Every token of every record, live or expired.
    pub tokens: HashMap<Digest, Token>,
    /// Every `halfRef` that can be redeemed or is remembered.
    pub half_refs: DirtyMap<Digest, HalfRef>,
    /// The order of the next authorisation.
    pub next_order: u64,
    pub deadlines: Deadlines,
}

impl State {
    /// An empty state whose changes go nowhere.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            wall_offset: 0,
            notifications: Notifications::default(),
            changes: ChangeBuffer::disabled(),
            records: DirtyMap::default(),
            described: Vec::new(),
            connected: BTreeSet::new(),
            linked: BTreeSet::new(),
            events: EventLog::new(),
            tokens: HashMap::new(),
            half_refs: DirtyMap::default(),
            next_order: 0,
            deadlines: Deadlines::default(),
        }
    }

    /// An empty state whose changes go to a journal.
    pub fn journaled(limits: Limits) -> Self {
        Self { changes: ChangeBuffer::enabled(), ..Self::new(limits) }
    }

    /// What the wall clock shows at `now`.
    pub(super) const fn wall(&self, now: Millis) -> Millis {
        now.saturating_add_signed(self.wall_offset)
    }

    /// Appends an event to the operator's stream.
    pub(super) fn append_event(
        &mut self,
        device: &Arc<str>,
        connection: Option<&ConnectionId>,
        data: EventData,
        now: Millis,
    ) {
        let at = self.wall(now);
        let event = self.events.append(device, connection, data, at, now);
        self.changes.push(&Change::Event(Cow::Borrowed(event)));
        self.notifications.events_appended();
    }

    /// The name of the device's record, which is made if there is none.
    pub(super) fn ensure_record(
        &mut self,
        device: &str,
        holder: impl FnOnce() -> Holder,
        now: Millis,
    ) -> Result<Arc<str>, RequestTokenError> {
        if let Some((device, _)) = self.records.get_key_value(device) {
            return Ok(Arc::clone(device));
        }
        if self.records.len() >= self.limits.devices {
            return Err(RequestTokenError::DevicesFull);
        }
        let device: Arc<str> = device.into();
        let record = Record {
            epoch: new_id().into(),
            holder: holder(),
            device_data: None,
            last_seen: None,
            pending: Vec::new(),
            socket: None,
            conversation: None,
            expires: now,
            authorisations: RateState::default(),
        };
        self.deadlines.records.insert((record.expires, Arc::clone(&device)));
        self.records.insert(Arc::clone(&device), record);
        Ok(device)
    }

    /// The operation of the same name: a connection closed, and the gateway knows by which code.
    pub fn close(
        &mut self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
        now: Millis,
    ) {
        let Some(record) = self.records.get_mut(device) else { return };
        if let Some(socket) = record.socket.take_if(|socket| socket.connection == *connection) {
            self.socket_ended(device, &socket, code.map(DisconnectCause::Gateway), now);
            self.extend_record(device, now);
        }
    }

    /// Revokes what no client was given.
    pub fn revoke_unconfirmed(&mut self, given: &Given, now: Millis) {
        match given {
            Given::Socket { device, connection } => self.close(device, connection, None, now),
            Given::Token(token) => self.revoke_unconfirmed_token(token, now),
        }
    }

    /// Closes sockets without a cause, because the process that held them ended, as many as one
    /// entry holds; returns whether those were all.
    pub fn close_some(&mut self, now: Millis) -> bool {
        let connected: Vec<_> = self.connected.iter().take(EXPIRED_PER_ENTRY).cloned().collect();
        for device in connected {
            let socket = self.records.get_mut(&device).and_then(|record| record.socket.take());
            if let Some(socket) = socket {
                self.socket_ended(&device, &socket, None, now);
                self.extend_record(&device, now);
            }
        }
        self.connected.is_empty()
    }

    /// Appends the event of a socket's end. The socket is out of its record already.
    pub(super) fn socket_ended(
        &mut self,
        device: &str,
        socket: &Socket,
        cause: Option<DisconnectCause>,
        now: Millis,
    ) {
        // The device is in the set as long as its record has a socket.
        let Some(device) = self.connected.take(device) else { return };
        if let Some(link) = &socket.linkinjected {
            self.linked.remove(&(Arc::clone(link), Arc::clone(&device)));
        }
        self.seen(&device, now);
        self.events.unreserve(socket.disconnected_size(&device));
        let data = EventData::Disconnected { cause };
        self.append_event(&device, Some(&socket.connection), data, now);
    }

    /// Records that the device was there.
    pub(super) fn seen(&mut self, device: &str, now: Millis) {
        let at = self.wall(now);
        if let Some(record) = self.records.get_mut(device) {
            record.last_seen = Some(at);
        }
    }

    /// Lets the record live for its whole lifetime after `at`.
    pub(super) fn extend_record(&mut self, device: &str, at: Millis) {
        let expires = at + millis(self.limits.record_ttl);
        let Some((device, record)) = self.records.get_key_value(device) else {
            return;
        };
        if expires <= record.expires {
            return;
        }
        let device = Arc::clone(device);
        if let Some(record) = self.records.get_mut(&device) {
            self.deadlines.records.remove(&(record.expires, Arc::clone(&device)));
            record.expires = expires;
            self.deadlines.records.insert((expires, device));
        }
    }

    /// Deletes a device's record: closes its socket, revokes its tokens and authorisations, and
    /// expires its undelivered messages.
    pub fn delete_record(&mut self, device: &str, now: Millis) {
        let Some((device, _)) = self.records.get_key_value(device) else {
            return;
        };
        let device = Arc::clone(device);
        let Some(mut record) = self.records.remove(&device) else {
            return;
        };
        self.deadlines.records.remove(&(record.expires, Arc::clone(&device)));
        for token in record.holder.tokens() {
            self.remove_token(token);
        }
        if let Some(socket) = record.socket.take() {
            let cause = DisconnectCause::Engine(EndReason::Revoked);
            self.socket_ended(&device, &socket, Some(cause), now);
            self.notifications.end(&socket.connection, EndReason::Revoked);
        }
        if let Some(conversation) = &record.conversation {
            if conversation.unacknowledged() > 0 {
                self.notifications.messages_settled(&device);
            }
            for (seq, expires) in conversation.deadlines() {
                self.deadlines.messages.remove(&(expires, Arc::clone(&device), seq));
                self.message_expired(&device, &record.epoch, seq, now);
            }
        }
        for half_ref in record.pending {
            self.end_half_ref(&half_ref, RedeemError::Revoked, now);
        }
    }

    /// Starts new epochs and a new event stream, because what was numbered may be lost.
    pub fn renumber(&mut self) {
        let devices: Vec<_> = self.records.iter().map(|(device, _)| Arc::clone(device)).collect();
        for device in devices {
            if let Some(record) = self.records.get_mut(&device) {
                record.epoch = new_id().into();
            }
        }
        let next = self.events.next();
        self.events.rename(&new_id(), next);
    }

    /// Expires what is due, as much as one entry holds; returns whether that was everything.
    pub fn expire_some(&mut self, now: Millis) -> bool {
        if !self.is_anything_due(now) {
            return true;
        }
        let mut left = Budget { things: EXPIRED_PER_ENTRY };
        // An expired token stays known as one until its record is deleted.
        while left.take(&self.changes)
            && let Some(token) = pop_due(&mut self.deadlines.tokens, now)
        {
            let Some(Token { device, .. }) = self.tokens.get(&token) else {
                continue;
            };
            let device = Arc::clone(device);
            self.end_sessions_of(&device, &token, EndReason::TokenExpired, now);
        }
        while left.take(&self.changes)
            && let Some((device, seq)) = self.deadlines.pop_message(now)
        {
            self.expire_message(&device, seq, now);
        }
        if let Some(through) = self.events.expire(self.limits.event_ttl, left.things, now) {
            self.changes.push(&Change::Released { through });
        }
        while left.take(&self.changes)
            && let Some(half_ref) = pop_due(&mut self.deadlines.pending, now)
        {
            // It is remembered from its own end on, however late it is removed.
            let ended = self.half_refs.get(&half_ref).map_or(now, |known| known.expires);
            self.end_half_ref(&half_ref, RedeemError::Expired, ended);
        }
        while left.take(&self.changes)
            && let Some(half_ref) = pop_due(&mut self.deadlines.remembered, now)
        {
            self.half_refs.remove(&half_ref);
        }
        while left.take(&self.changes)
            && let Some(device) = pop_due(&mut self.deadlines.records, now)
        {
            let Some(record) = self.records.get_mut(&device) else {
                continue;
            };
            if record.socket.is_some() {
                record.expires = now + millis(self.limits.record_ttl);
                self.deadlines.records.insert((record.expires, device));
            } else {
                self.delete_record(&device, now);
            }
        }
        !self.is_anything_due(now)
    }

    fn is_anything_due(&self, now: Millis) -> bool {
        self.deadlines.next().is_some_and(|at| at <= now)
            || self.events.next_expiry(self.limits.event_ttl).is_some_and(|at| at <= now)
    }

    /// Adds the dirty records and `halfRef`s to the changes, each as it is now.
    pub fn flush_dirty(&mut self) {
        let (records, half_refs) = (self.records.take_dirty(), self.half_refs.take_dirty());
        let described = mem::take(&mut self.described);
        if !self.changes.is_enabled() {
            return;
        }
        for device in records {
            let change = match self.records.get(&device) {
                Some(record) => Change::Record(RecordImage::of(&device, record, &self.tokens)),
                None => Change::RecordDeleted { device: Cow::Borrowed(&device) },
            };
            self.changes.push(&change);
        }
        for device in described {
            if let Some(data) = self.records.get(&device).and_then(|it| it.device_data.as_deref()) {
                self.changes.push(&Change::device_data(&device, data));
            }
        }
        for digest in half_refs {
            let change = match self.half_refs.get(&digest) {
                Some(half_ref) => Change::HalfRef(digest, Cow::Borrowed(half_ref)),
                None => Change::HalfRefForgotten(digest),
            };
            self.changes.push(&change);
        }
    }

    /// Takes everything as clean: it is in the journal already.
    pub fn discard_dirty(&mut self) {
        self.records.take_dirty();
        self.half_refs.take_dirty();
        self.described.clear();
    }

    /// Adds the name of the event stream and the numbers of its ends to the changes.
    pub fn push_stream(&mut self) {
        self.changes.push(&Change::Stream {
            name: Cow::Borrowed(&self.events.stream),
            oldest: self.events.oldest(),
            next: self.events.next(),
        });
    }

    /// How full the engine is at `now`.
    pub fn fill(&self, now: Millis) -> EngineFill {
        let (events, event_bytes, reserved_bytes) = self.events.fill();
        EngineFill {
            devices: self.records.len() as u64,
            connected: self.connected.len() as u64,
            queued_messages: self.deadlines.messages.len() as u64,
            events: events as u64,
            event_bytes: event_bytes as u64,
            reserved_bytes: reserved_bytes as u64,
            oldest_event: self
                .events
                .oldest_appended()
                .map(|appended| now.saturating_sub(appended)),
        }
    }

    /// Takes the changes of the step, complete, out.
    pub fn take_changes(&mut self) -> Vec<u8> {
        self.flush_dirty();
        self.changes.take()
    }

    /// Takes the notifications of the step out.
    pub fn take_notifications(&mut self) -> Notifications {
        mem::take(&mut self.notifications)
    }
}
