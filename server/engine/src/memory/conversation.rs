//! The steps of the conversation: what the operator sends, what the prospect says, and who is there.

use std::{borrow::Cow, ops::Bound, sync::Arc};

use super::{
    super::{
        ConnectionId, DeviceState, EventData, Message, Millis, Outgoing, SendError, Sent,
        SocketError, SocketState, millis,
    },
    Change,
    outbox::Conversation,
    state::{Record, State},
};

impl State {
    pub fn send(&mut self, message: Outgoing<'_>, now: Millis) -> Result<Sent, SendError> {
        let Outgoing { device, data, ttl, idempotency } = message;
        let known = self.records.get_key_value(device).ok_or(SendError::UnknownDevice)?;
        let device = Arc::clone(known.0);
        let record = self.records.get_mut_untouched(&device).ok_or(SendError::UnknownDevice)?;
        let (epoch, connected) = (Arc::clone(&record.epoch), record.socket.is_some());
        let conversation = record.conversation.get_or_insert_default();
        if let Some(request) = &idempotency {
            if let Some((seq, connected)) = conversation.answered(request, now)? {
                let acknowledged = conversation.is_acknowledged(seq);
                return Ok(Sent { epoch, seq, connected, acknowledged });
            }
            conversation.room_for_key(&self.settings, now)?;
        }
        let (seq, until) = conversation.push(data, ttl, &self.settings, now)?;
        let answered = idempotency.map(|request| {
            let until = now + millis(self.settings.idempotency_memory);
            conversation.remember(request, seq, connected, until);
            (request, connected, until)
        });
        if let Some(socket) = &record.socket {
            self.calls.queued(&socket.connection);
        }
        self.notes.note(&Change::Queued {
            device: Cow::Borrowed(&device),
            seq,
            until,
            data: Cow::Borrowed(data),
            answered,
        });
        self.due.messages.insert((until, Arc::clone(&device), seq));
        self.keep_record_after(&device, now);
        Ok(Sent { epoch, seq, connected, acknowledged: false })
    }

    pub fn is_acknowledged(&self, device: &str, epoch: &str, seq: u64) -> bool {
        let record = self.records.get(device).filter(|record| &*record.epoch == epoch);
        record
            .and_then(|record| record.conversation.as_ref())
            .is_some_and(|conversation| conversation.is_acknowledged(seq))
    }

    pub fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        let record = self.records.get(device).filter(|record| holds(record, connection));
        let conversation = &record.ok_or(SocketError::Stale)?.conversation;
        Ok(conversation.as_ref().map_or_else(Vec::new, |it| it.after(after, bytes)))
    }

    pub fn acknowledge(
        &mut self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError> {
        let device = self.device_of(device, connection)?;
        let Some(conversation) = self.conversation(&device) else { return Ok(()) };
        let Some(taken) = conversation.acknowledge(seq) else { return Ok(()) };
        for (seq, until) in taken {
            self.due.messages.remove(&(until, Arc::clone(&device), seq));
        }
        self.notes.note(&Change::Acknowledged { device: Cow::Borrowed(&device), seq });
        self.calls.acknowledged(&device);
        Ok(())
    }

    pub fn accept(
        &mut self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
        now: Millis,
    ) -> Result<(), SocketError> {
        let device = self.device_of(device, connection)?;
        if self.conversation(&device).is_some_and(|conversation| conversation.has_accepted(id)) {
            return Ok(());
        }
        if self.events.is_full(&device, &self.settings) {
            return Err(SocketError::EventsFull);
        }
        let remembered = self.settings.remembered_ids;
        if let Some(record) = self.records.get_mut_untouched(&device) {
            record.conversation.get_or_insert_default().accepted(id, remembered);
        }
        let note = Change::Accepted { device: Cow::Borrowed(&device), id: Cow::Borrowed(id) };
        self.notes.note(&note);
        let data = EventData::Message { id: id.into(), data: data.into() };
        self.happened(&device, Some(connection), data, now);
        Ok(())
    }

    pub fn device(&self, device: &str) -> Option<DeviceState> {
        self.records.get_key_value(device).map(described)
    }

    pub fn connected(&self, after: &str, limit: usize) -> Vec<DeviceState> {
        let names = self.connected.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let records = names.filter_map(|name| self.records.get_key_value(name));
        records.take(limit).map(described).collect()
    }

    /// The operator has dealt with the events up to number `through`.
    pub(crate) fn release(&mut self, through: u64) {
        if self.events.release(through) {
            self.notes.note(&Change::Released { through });
        }
    }

    /// A message's time ran out.
    pub(crate) fn expire_message(&mut self, device: &Arc<str>, seq: u64, now: Millis) {
        let remembered = self.settings.outbox_messages;
        let Some(record) = self.records.get_mut_untouched(device) else { return };
        let epoch = Arc::clone(&record.epoch);
        if record.conversation.as_mut().is_some_and(|it| it.expire(seq, remembered)) {
            self.notes.note(&Change::MessageExpired { device: Cow::Borrowed(device), seq });
            self.message_expired(device, &epoch, seq, now);
        }
    }

    /// Writes down that a message will not be delivered. It is out of its outbox already.
    pub(crate) fn message_expired(
        &mut self,
        device: &Arc<str>,
        epoch: &Arc<str>,
        seq: u64,
        now: Millis,
    ) {
        self.happened(device, None, EventData::Expired { epoch: Arc::clone(epoch), seq }, now);
    }

    /// The device's name, if the connection is its socket.
    fn device_of(&self, device: &str, connection: &ConnectionId) -> Result<Arc<str>, SocketError> {
        match self.records.get_key_value(device) {
            Some((device, record)) if holds(record, connection) => Ok(Arc::clone(device)),
            Some(_) | None => Err(SocketError::Stale),
        }
    }

    pub(crate) fn conversation(&mut self, device: &str) -> Option<&mut Conversation> {
        self.records.get_mut_untouched(device)?.conversation.as_deref_mut()
    }
}

fn holds(record: &Record, connection: &ConnectionId) -> bool {
    record.socket.as_ref().is_some_and(|socket| socket.connection == *connection)
}

fn described((device, record): (&Arc<str>, &Record)) -> DeviceState {
    let socket = record.socket.as_ref().map(|socket| SocketState {
        connection: socket.connection.clone(),
        since: socket.since,
        linkinjected: socket.linkinjected.clone(),
    });
    let unacknowledged = record.conversation.as_ref().map_or(0, |it| it.unacknowledged());
    DeviceState { device: Arc::clone(device), socket, unacknowledged }
}
