//! What the embedded engine knows, and when each thing ends.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    super::{
        ConnectionId, Digest, Ending, EngineSettings, EventKind, Millis, RedeemError,
        RequestTokenError, millis,
    },
    calls::Calls,
    events::{EventLog, Said},
    journal::{Change, Notes, Relog},
    outbox::Conversation,
    tracked::Tracked,
};
use crate::secret;

/// Everything, as one value under one lock.
pub struct State {
    pub(super) settings: EngineSettings,
    /// What the sockets are to hear of the step.
    pub(super) calls: Calls,
    /// What the journal is to have of the step, beside what `records` and `half_refs` remember.
    pub(super) notes: Notes,
    pub(super) relog: Relog,
    pub(super) records: Tracked<Arc<str>, Record>,
    /// The devices with a socket, in the order of their names.
    pub(super) connected: BTreeSet<Arc<str>>,
    pub(super) events: EventLog,
    /// Every token of every record, live or expired.
    pub(super) tokens: HashMap<Digest, Token>,
    /// Every `halfRef` that waits or is remembered.
    pub(super) half_refs: Tracked<Digest, HalfRef>,
    pub(super) due: Deadlines,
}

/// All that is kept for one device.
pub struct Record {
    pub(super) epoch: Arc<str>,
    pub(super) holder: Holder,
    /// The `halfRef`s that wait to be redeemed.
    pub(super) waiting: Vec<Digest>,
    pub(super) socket: Option<Socket>,
    /// What was said; made when the first word is.
    pub(super) conversation: Option<Box<Conversation>>,
    /// The end of the record, but for a socket that is still open then.
    pub(super) ends_at: Millis,
    /// When the device's rate of authorisations is used up, in microseconds (GCRA: the theoretical
    /// arrival time). It is not written down: a restart forgives.
    pub(super) rate: u64,
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
    pub(super) device: Arc<str>,
    pub(super) expires: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Socket {
    pub(super) connection: ConnectionId,
    pub(super) since: Millis,
    pub(super) linkinjected: Option<Arc<str>>,
    pub(super) token: Digest,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct HalfRef {
    pub(super) device: Arc<str>,
    pub(super) state: HalfRefState,
    /// When it stops waiting or is forgotten.
    pub(super) until: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub enum HalfRefState {
    Waiting { token: Digest, linkinjected: Option<Arc<str>> },
    Dead(RedeemError),
}

/// What ends when, in order.
#[derive(Default)]
pub struct Deadlines {
    pub(super) tokens: BTreeSet<(Millis, Digest)>,
    pub(super) waiting: BTreeSet<(Millis, Digest)>,
    pub(super) remembered: BTreeSet<(Millis, Digest)>,
    pub(super) records: BTreeSet<(Millis, Arc<str>)>,
    pub(super) messages: BTreeSet<(Millis, Arc<str>, u64)>,
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
    pub fn new(settings: EngineSettings) -> Self {
        Self {
            settings,
            calls: Calls::default(),
            notes: Notes::new(false),
            relog: Relog::new(0),
            records: Tracked::default(),
            connected: BTreeSet::new(),
            events: EventLog::new(),
            tokens: HashMap::new(),
            half_refs: Tracked::default(),
            due: Deadlines::default(),
        }
    }

    /// Nothing yet. The journal is written anew from `rewrite_at` bytes on.
    pub fn journaled(settings: EngineSettings, rewrite_at: usize) -> Self {
        Self { notes: Notes::new(true), relog: Relog::new(rewrite_at), ..Self::new(settings) }
    }

    /// Something happened: the operator's stream has it.
    pub(super) fn happened(
        &mut self,
        kind: EventKind,
        device: &Arc<str>,
        connection: Option<&ConnectionId>,
        said: &Said<'_>,
        now: Millis,
    ) {
        let kept = self.events.push(kind, device, connection, said, now);
        self.notes.note(&kept.change());
        self.calls.happened();
    }

    /// The name of the device's record, which is made where there is none.
    pub(super) fn record(
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
            epoch: secret::new_id().into(),
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

    pub(super) fn close(
        &mut self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
        now: Millis,
    ) {
        let Some(record) = self.records.get_mut(device) else { return };
        if let Some(socket) = record.socket.take_if(|socket| socket.connection == *connection) {
            self.socket_ended(device, &socket, code, now);
            self.keep_record_after(device, now);
        }
    }

    /// Writes down that a socket ended. It is out of its record already.
    pub(super) fn socket_ended(
        &mut self,
        device: &str,
        socket: &Socket,
        code: Option<u16>,
        now: Millis,
    ) {
        // The name is in the set for as long as there is a socket.
        let Some(device) = self.connected.take(device) else { return };
        let said = Said { code, ..Said::default() };
        self.happened(EventKind::Disconnected, &device, Some(&socket.connection), &said, now);
    }

    /// The record lives on for its full time after `at`.
    pub(super) fn keep_record_after(&mut self, device: &str, at: Millis) {
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

    pub(super) fn end_record(&mut self, device: &str, now: Millis) {
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
            self.socket_ended(&device, &socket, Some(Ending::Revoked.code()), now);
            self.calls.end(&socket.connection, Ending::Revoked);
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
    pub(super) fn expire(&mut self, now: Millis) {
        self.expire_some(now, usize::MAX);
    }

    /// Ends what is due until so many bytes are noted of it; says whether that was all.
    pub(super) fn expire_some(&mut self, now: Millis, bytes: usize) -> bool {
        // The tokens stay known as expired ones, until their record ends.
        while self.notes.len() < bytes
            && let Some(token) = pop_due(&mut self.due.tokens, now)
        {
            let Some(Token { device, .. }) = self.tokens.get(&token) else {
                continue;
            };
            let device = Arc::clone(device);
            self.end_bound_to(&device, &token, Ending::TokenEnded, now);
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
