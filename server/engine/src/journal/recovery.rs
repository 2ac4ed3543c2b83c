//! Makes the state from the journal.

use std::{collections::BTreeMap, sync::Arc};

use super::store::{Store, Unusable};
use crate::{
    Event, Limits, Millis,
    memory::{
        Change, RecordImage,
        state::{HalfRefState, Record, State, Token},
    },
    new_id,
};

/// The events that are kept, by number. A round writes old ones down after newer ones.
type Kepts = BTreeMap<u64, Event>;

impl State {
    /// What the journal has; and whether it should be written anew before it is written on.
    pub fn load(
        settings: Limits,
        rewrite_at: usize,
        store: &Store,
    ) -> Result<(Self, bool), Unusable> {
        let mut state = Self::journaled(settings, rewrite_at);
        let mut events = Kepts::new();
        let mut length = 0;
        store.read(|n, mut changes| {
            length += changes.len();
            while !changes.is_empty() {
                let (change, rest) =
                    postcard::take_from_bytes(changes).map_err(|_| Unusable::garbled(n))?;
                state.replay(change, &mut events);
                changes = rest;
            }
            state.records.take_touched();
            state.half_refs.take_touched();
            Ok(())
        })?;
        state.events.restore(events.into_values());
        state.find_what_is_due();
        let too_long = state.measure(length);
        Ok((state, too_long))
    }

    /// What the journal has, made ready to go on: what fell due meanwhile has ended, and so have
    /// the sockets of the process before.
    pub fn start(
        settings: Limits,
        rewrite_at: usize,
        store: &mut Store,
        lost: bool,
        now: Millis,
    ) -> Result<Self, Unusable> {
        /// What one commit takes, in bytes.
        const AT_A_TIME: usize = 4 * 1024 * 1024;
        let (mut state, too_long) = Self::load(settings, rewrite_at, store)?;
        if lost {
            tracing::warn!("the end of the journal may be lost: all epochs begin anew");
            store.doubt()?;
            state.begin_anew();
        }
        if lost || too_long {
            let before = store.next();
            state.rewrite(|changes| store.commit(changes).map(|_| ()))?;
            store.forget_before(before);
        }
        while !state.expire_some(now, AT_A_TIME) {
            store.commit(&state.noted())?;
        }
        state.end_all_sockets(now);
        state.note_stream();
        store.commit(&state.noted())?;
        state.calls.take();
        store.begin()?;
        Ok(state)
    }

    fn replay(&mut self, change: Change<'_>, events: &mut Kepts) {
        match change {
            Change::Stream { name, next } => self.events.begin(&name, next),
            Change::Record(image) => self.restore_record(image),
            Change::RecordEnded { device } => self.drop_record(&device),
            Change::Conversation { device, conversation } => {
                if let Some(record) = self.records.get_mut_untouched(&*device) {
                    record.conversation = Some(Box::new(conversation.into_owned()));
                }
            }
            Change::Queued { device, seq, until, data, answered } => {
                if let Some(record) = self.records.get_mut_untouched(&*device) {
                    let conversation = record.conversation.get_or_insert_default();
                    conversation.restore(seq, until, &data);
                    if let Some((request, connected, until)) = answered {
                        conversation.remember(request, seq, connected, until);
                    }
                }
            }
            Change::Acknowledged { device, seq } => {
                if let Some(conversation) = self.conversation(&device) {
                    conversation.acknowledge(seq);
                }
            }
            Change::MessageExpired { device, seq } => {
                let remembered = self.settings.outbox_messages;
                if let Some(conversation) = self.conversation(&device) {
                    conversation.expire(seq, remembered);
                }
            }
            Change::Accepted { device, id } => {
                let remembered = self.settings.remembered_ids;
                if let Some(record) = self.records.get_mut_untouched(&*device) {
                    record.conversation.get_or_insert_default().accepted(&id, remembered);
                }
            }
            Change::HalfRef(digest, known) => self.half_refs.insert(digest, known.into_owned()),
            Change::HalfRefForgotten(digest) => {
                self.half_refs.remove(&digest);
            }
            Change::Event(event) => {
                let mut event = event.into_owned();
                // One name in memory for all that is of the device.
                if let Some((name, _)) = self.records.get_key_value(&*event.device) {
                    event.device = Arc::clone(name);
                }
                self.events.count_to(event.n);
                events.insert(event.n, event);
            }
            Change::Released { through } => *events = events.split_off(&(through + 1)),
        }
    }

    fn restore_record(&mut self, image: RecordImage<'_>) {
        // Every record has a token.
        let Some(holder) = image.holder() else { return };
        let before = self.records.remove(&*image.device);
        for token in before.iter().flat_map(|record| record.holder.tokens()) {
            self.tokens.remove(&token);
        }
        let before = before.filter(|record| *record.epoch == *image.epoch);
        let device: Arc<str> = (*image.device).into();
        for (token, expires) in image.tokens {
            self.tokens.insert(token, Token { device: Arc::clone(&device), expires });
        }
        let record = Record {
            epoch: (*image.epoch).into(),
            holder,
            waiting: Vec::new(),
            socket: image.socket.map(std::borrow::Cow::into_owned),
            conversation: before.and_then(|record| record.conversation),
            ends_at: image.ends_at,
            rate: 0,
        };
        self.records.insert(device, record);
    }

    fn drop_record(&mut self, device: &str) {
        let ended = self.records.remove(device);
        for token in ended.iter().flat_map(|record| record.holder.tokens()) {
            self.tokens.remove(&token);
        }
    }

    /// What follows from the rest and is not written down.
    fn find_what_is_due(&mut self) {
        for (device, record) in self.records.iter() {
            self.due.records.insert((record.ends_at, Arc::clone(device)));
            if record.socket.is_some() {
                self.connected.insert(Arc::clone(device));
            }
            for (seq, until) in record.conversation.iter().flat_map(|it| it.waiting()) {
                self.due.messages.insert((until, Arc::clone(device), seq));
            }
        }
        self.due.tokens.extend(self.tokens.iter().map(|(token, known)| (known.expires, *token)));
        for (half_ref, known) in self.half_refs.iter() {
            match known.state {
                HalfRefState::Waiting { .. } => {
                    self.due.waiting.insert((known.until, *half_ref));
                    if let Some(record) = self.records.get_mut_untouched(&known.device) {
                        record.waiting.push(*half_ref);
                    }
                }
                HalfRefState::Dead(_) => {
                    self.due.remembered.insert((known.until, *half_ref));
                }
            }
        }
    }

    /// The process that held the sockets is gone, and they with it.
    pub fn end_all_sockets(&mut self, now: Millis) {
        let connected: Vec<_> = self.connected.iter().cloned().collect();
        for device in connected {
            let socket = self.records.get_mut(&device).and_then(|record| record.socket.take());
            if let Some(socket) = socket {
                self.socket_ended(&device, &socket, None, now);
                self.keep_record_after(&device, now);
            }
        }
    }

    /// What was answered may be missing: from now on every numbering is another one.
    pub fn begin_anew(&mut self) {
        let devices: Vec<_> = self.records.iter().map(|(device, _)| Arc::clone(device)).collect();
        for device in devices {
            if let Some(record) = self.records.get_mut(&device) {
                record.epoch = new_id().into();
            }
        }
        let next = self.events.next();
        self.events.begin(&new_id(), next);
    }
}
