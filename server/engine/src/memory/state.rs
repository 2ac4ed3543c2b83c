//! What the embedded engine knows, and when each thing ends.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{journal::Compaction, new_id};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        ConnectionId, Digest, DisconnectCause, EndReason, EventData, Limits, Millis, RedeemError,
        RequestTokenError, millis,
    },
    Change, ChangeBuffer,
    dirty_map::DirtyMap,
    events::EventLog,
    notifications::Notifications,
    outbox::Conversation,
};

/// Everything, as one value under one lock.
pub struct State {
    pub(crate) settings: Limits,
    /// What the sockets are to hear of the step.
    pub(crate) calls: Notifications,
    /// What the journal is to have of the step, beside what `records` and `half_refs` remember.
    pub(crate) notes: ChangeBuffer,
    pub(crate) relog: Compaction,
    pub(crate) records: DirtyMap<Arc<str>, Record>,
    /// The devices with a socket, in the order of their names.
    pub(crate) connected: BTreeSet<Arc<str>>,
    pub(crate) events: EventLog,
    /// Every token of every record, live or expired.
    pub(crate) tokens: HashMap<Digest, Token>,
    /// Every `halfRef` that waits or is remembered.
    pub(crate) half_refs: DirtyMap<Digest, HalfRef>,
    pub(crate) due: Deadlines,
}

/// All that is kept for one device.
pub struct Record {
    pub(crate) epoch: Arc<str>,
    pub(crate) holder: Holder,
    /// The `halfRef`s that wait to be redeemed.
    pub(crate) waiting: Vec<Digest>,
    pub(crate) socket: Option<Socket>,
    /// What was said; made when the first word is.
    pub(crate) conversation: Option<Box<Conversation>>,
    /// The end of the record, but for a socket that is still open then.
    pub(crate) ends_at: Millis,
    /// When the device's rate of authorisations is used up, in microseconds (GCRA: the theoretical
    /// arrival time). It is not written down: a restart forgives.
    pub(crate) rate: u64,
}

/// Who may speak for the device.
pub enum Holder {
    /// Whoever has one of these, the oldest first.
    Test(Vec<Digest>),
    /// Whoever has the newest; `before` is good as well until the newest is first used.
    Claim { newest: Digest, before: Option<Digest> },
}

impl Holder {
    pub fn tokens(&self) -> Vec<Digest> {
        match self {
            Self::Test(tokens) => tokens.clone(),
            Self::Claim { newest, before } => [*newest].into_iter().chain(*before).collect(),
        }
    }
}

pub struct Token {
    pub(crate) device: Arc<str>,
    pub(crate) expires: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Socket {
    pub(crate) connection: ConnectionId,
    pub(crate) since: Millis,
    pub(crate) linkinjected: Option<Arc<str>>,
    pub(crate) token: Digest,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct HalfRef {
    pub(crate) device: Arc<str>,
    pub(crate) state: HalfRefState,
    /// When it stops waiting or is forgotten.
    pub(crate) until: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub enum HalfRefState {
    Waiting { token: Digest, linkinjected: Option<Arc<str>> },
    Dead(RedeemError),
}

/// What ends when, in order.
#[derive(Default)]
pub struct Deadlines {
    pub(crate) tokens: BTreeSet<(Millis, Digest)>,
    pub(crate) waiting: BTreeSet<(Millis, Digest)>,
    pub(crate) remembered: BTreeSet<(Millis, Digest)>,
    pub(crate) records: BTreeSet<(Millis, Arc<str>)>,
    pub(crate) messages: BTreeSet<(Millis, Arc<str>, u64)>,
}

impl Deadlines {
    fn pop_message(&mut self, now: Millis) -> Option<(Arc<str>, u64)> {
        self.messages.first().filter(|(at, ..)| *at <= now)?;
        self.messages.pop_first().map(|(_, device, seq)| (device, seq))
    }
}

/// Takes out the first entry that is due.
fn pop_due<K: Ord>(deadlines: &mut BTreeSet<(Millis, K)>, now: Millis) -> Option<K> {
    let (at, _) = deadlines.first()?;
    if *at > now {
        return None;
    }
    deadlines.pop_first().map(|(_, key)| key)
}

impl State {
    /// Nothing yet, and no journal.
    pub fn new(settings: Limits) -> Self {
        Self {
            settings,
            calls: Notifications::default(),
            notes: ChangeBuffer::new(false),
            relog: Compaction::new(0),
            records: DirtyMap::default(),
            connected: BTreeSet::new(),
            events: EventLog::new(),
            tokens: HashMap::new(),
            half_refs: DirtyMap::default(),
            due: Deadlines::default(),
        }
    }

    /// Nothing yet. The journal is written anew from `rewrite_at` bytes on.
    pub fn journaled(settings: Limits, rewrite_at: usize) -> Self {
        Self {
            notes: ChangeBuffer::new(true),
            relog: Compaction::new(rewrite_at),
            ..Self::new(settings)
        }
    }

    /// Something happened: the operator's stream has it.
    pub(crate) fn happened(
        &mut self,
        device: &Arc<str>,
        connection: Option<&ConnectionId>,
        data: EventData,
        now: Millis,
    ) {
        let event = self.events.push(device, connection, data, now);
        self.notes.note(&Change::Event(Cow::Borrowed(event)));
        self.calls.events_appended();
    }

    /// The name of the device's record, which is made where there is none.
    pub(crate) fn record(
        &mut self,
        device: &str,
        holder: impl FnOnce() -> Holder,
        now: Millis,
    ) -> Result<Arc<str>, RequestTokenError> {
        if let Some((device, _)) = self.records.get_key_value(device) {
            return Ok(Arc::clone(device));
        }
        if self.records.len() >= self.settings.devices {
            return Err(RequestTokenError::DevicesFull);
        }
        let device: Arc<str> = device.into();
        let record = Record {
            epoch: new_id().into(),
            holder: holder(),
            waiting: Vec::new(),
            socket: None,
            conversation: None,
            ends_at: now,
            rate: 0,
        };
        self.due.records.insert((record.ends_at, Arc::clone(&device)));
        self.records.insert(Arc::clone(&device), record);
        Ok(device)
    }

    pub(crate) fn close(
        &mut self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
        now: Millis,
    ) {
        let Some(record) = self.records.get_mut(device) else { return };
        if let Some(socket) = record.socket.take_if(|socket| socket.connection == *connection) {
            self.socket_ended(device, &socket, code.map(DisconnectCause::Gateway), now);
            self.keep_record_after(device, now);
        }
    }

    /// Writes down that a socket ended. It is out of its record already.
    pub(crate) fn socket_ended(
        &mut self,
        device: &str,
        socket: &Socket,
        cause: Option<DisconnectCause>,
        now: Millis,
    ) {
        // The name is in the set for as long as there is a socket.
        let Some(device) = self.connected.take(device) else { return };
        let data = EventData::Disconnected { cause };
        self.happened(&device, Some(&socket.connection), data, now);
    }

    /// The record lives on for its full time after `at`.
    pub(crate) fn keep_record_after(&mut self, device: &str, at: Millis) {
        let ends_at = at + millis(self.settings.record_ttl);
        let Some((device, record)) = self.records.get_key_value(device) else {
            return;
        };
        if ends_at <= record.ends_at {
            return;
        }
        let device = Arc::clone(device);
        if let Some(record) = self.records.get_mut(&device) {
            self.due.records.remove(&(record.ends_at, Arc::clone(&device)));
            record.ends_at = ends_at;
            self.due.records.insert((ends_at, device));
        }
    }

    pub(crate) fn end_record(&mut self, device: &str, now: Millis) {
        let Some((device, _)) = self.records.get_key_value(device) else {
            return;
        };
        let device = Arc::clone(device);
        let Some(mut record) = self.records.remove(&device) else {
            return;
        };
        self.due.records.remove(&(record.ends_at, Arc::clone(&device)));
        for token in record.holder.tokens() {
            self.drop_token(&token);
        }
        if let Some(socket) = record.socket.take() {
            let cause = DisconnectCause::Engine(EndReason::Revoked);
            self.socket_ended(&device, &socket, Some(cause), now);
            self.calls.end(&socket.connection, EndReason::Revoked);
        }
        if let Some(conversation) = &record.conversation {
            for (seq, until) in conversation.waiting() {
                self.due.messages.remove(&(until, Arc::clone(&device), seq));
                self.message_expired(&device, &record.epoch, seq, now);
            }
        }
        for half_ref in record.waiting {
            self.end_waiting(&half_ref, RedeemError::Revoked, now);
        }
    }

    /// Ends what is due.
    pub(crate) fn expire(&mut self, now: Millis) {
        self.expire_some(now, usize::MAX);
    }

    /// Ends what is due until so many bytes are noted of it; says whether that was all.
    pub(crate) fn expire_some(&mut self, now: Millis, bytes: usize) -> bool {
        // The tokens stay known as expired ones, until their record ends.
        while self.notes.len() < bytes
            && let Some(token) = pop_due(&mut self.due.tokens, now)
        {
            let Some(Token { device, .. }) = self.tokens.get(&token) else {
                continue;
            };
            let device = Arc::clone(device);
            self.end_bound_to(&device, &token, EndReason::TokenExpired, now);
        }
        while self.notes.len() < bytes
            && let Some((device, seq)) = self.due.pop_message(now)
        {
            self.expire_message(&device, seq, now);
        }
        if let Some(through) = self.events.expire(self.settings.event_ttl, now) {
            self.notes.note(&Change::Released { through });
        }
        while let Some(half_ref) = pop_due(&mut self.due.waiting, now) {
            self.end_waiting(&half_ref, RedeemError::Expired, now);
        }
        while let Some(half_ref) = pop_due(&mut self.due.remembered, now) {
            self.half_refs.remove(&half_ref);
        }
        while self.notes.len() < bytes
            && let Some(device) = pop_due(&mut self.due.records, now)
        {
            let Some(record) = self.records.get_mut(&device) else {
                continue;
            };
            if record.socket.is_some() {
                record.ends_at = now + millis(self.settings.record_ttl);
                self.due.records.insert((record.ends_at, device));
            } else {
                self.end_record(&device, now);
            }
        }
        self.notes.len() < bytes
    }
}
