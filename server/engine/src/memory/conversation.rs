//! The operations on messages: `send`, `outbox`, `acknowledge`, `accept`, and those that read.

use std::{borrow::Cow, ops::Bound, sync::Arc};

use super::{
    change::{Change, QueuedKey},
    idempotency::Outcome,
    outbox::Conversation,
    record::Record,
    state::State,
};
use crate::{
    Acknowledgement, ConnectionId, DeviceState, EventData, Message, Millis, Outgoing, ReleaseError,
    SendError, Sent, SocketError, SocketState, millis,
};

impl State {
    pub fn send(&mut self, message: Outgoing<'_>, now: Millis) -> Result<Sent, SendError> {
        let Outgoing { device, data, ttl, idempotency } = message;
        let known = self.records.get_key_value(device).ok_or(SendError::UnknownDevice)?;
        let device = Arc::clone(known.0);
        let record = self.records.get_mut_clean(&device).ok_or(SendError::UnknownDevice)?;
        let (epoch, connected) = (Arc::clone(&record.epoch), record.socket.is_some());
        let (reserved, expired_size) = (record.reserved(&device), record.expired_size(&device));
        let conversation = record.conversation.get_or_insert_default();
        if let Some(request) = &idempotency {
            if let Some(key) = conversation.find_key(request, now)? {
                let (seq, connected) = (key.seq, key.connected);
                let acknowledged = key.outcome == Outcome::Acknowledged;
                return Ok(Sent { epoch, seq, connected, acknowledged, outbox: None });
            }
            conversation.check_room_for_key(&self.limits, now)?;
        }
        conversation.check_room(data, &self.limits, now)?;
        if !self.events.has_room_for_message(&device, reserved, expired_size, &self.limits) {
            return Err(SendError::EventsFull);
        }
        self.events.reserve(expired_size);
        let (seq, expires) = conversation.enqueue(data, ttl, now);
        let outbox = Some(conversation.fill());
        let key = idempotency.map(|request| {
            let expires = now + millis(self.limits.idempotency_memory);
            conversation.remember_key(request, connected, expires);
            QueuedKey { request, connected, expires }
        });
        if let Some(socket) = &record.socket {
            self.notifications.message_queued(&socket.connection);
        }
        self.changes.push(&Change::Queued {
            device: Cow::Borrowed(&device),
            seq,
            expires,
            data: Cow::Borrowed(data),
            key,
        });
        self.deadlines.messages.insert((expires, Arc::clone(&device), seq));
        self.extend_record(&device, now);
        Ok(Sent { epoch, seq, connected, acknowledged: false, outbox })
    }

    pub fn acknowledgement(&self, device: &str, epoch: &str, seq: u64) -> Acknowledgement {
        let record = self.records.get(device).filter(|record| &*record.epoch == epoch);
        record
            .and_then(|record| record.conversation.as_ref())
            .map_or(Acknowledgement::Never, |conversation| conversation.acknowledgement(seq))
    }

    pub fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        let record = self.records.get(device).filter(|record| has_socket(record, connection));
        let conversation = &record.ok_or(SocketError::Stale)?.conversation;
        Ok(conversation.as_ref().map_or_else(Vec::new, |it| it.messages_after(after, bytes)))
    }

    pub fn acknowledge(
        &mut self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError> {
        let device = Arc::clone(self.record_with_socket(device, connection)?.0);
        let Some(record) = self.records.get_mut_clean(&device) else { return Ok(()) };
        let expired_size = record.expired_size(&device);
        let Some(conversation) = record.conversation.as_mut() else { return Ok(()) };
        let Some(removed) = conversation.acknowledge(seq) else { return Ok(()) };
        self.events.unreserve(removed.len() * expired_size);
        for (seq, expires) in removed {
            self.deadlines.messages.remove(&(expires, Arc::clone(&device), seq));
        }
        self.changes.push(&Change::Acknowledged { device: Cow::Borrowed(&device), seq });
        self.notifications.messages_settled(&device);
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
        let (device, record) = self.record_with_socket(device, connection)?;
        if record.conversation.as_ref().is_some_and(|it| it.has_accepted(id)) {
            return Ok(());
        }
        let event = EventData::Message { id: id.into(), data: data.into() };
        let size = event.size(device, Some(connection));
        if !self.events.has_room(device, record.reserved(device), size, &self.limits) {
            return Err(SocketError::EventsFull);
        }
        let device = Arc::clone(device);
        let remembered = self.limits.remembered_ids;
        if let Some(record) = self.records.get_mut_clean(&device) {
            record.conversation.get_or_insert_default().accept(id, remembered);
        }
        let accepted = Change::Accepted { device: Cow::Borrowed(&device), id: Cow::Borrowed(id) };
        self.changes.push(&accepted);
        self.append_event(&device, Some(connection), event, now);
        Ok(())
    }

    pub fn device(&self, device: &str, now: Millis) -> Option<DeviceState> {
        let (device, record) = self.records.get_key_value(device)?;
        let socket = record.socket.as_ref().map(|socket| SocketState {
            connection: socket.connection.clone(),
            since: socket.since,
            linkinjected: socket.linkinjected.clone(),
        });
        let last_seen = socket.is_some().then(|| self.wall(now)).or(record.last_seen);
        Some(DeviceState {
            device: Arc::clone(device),
            socket,
            unacknowledged: record.conversation.as_ref().map_or(0, |it| it.unacknowledged()),
            device_data: record.device_data.clone(),
            last_seen,
        })
    }

    pub fn connected(
        &self,
        linkinjected: Option<&str>,
        after: &str,
        limit: usize,
        now: Millis,
    ) -> Vec<DeviceState> {
        let names: Vec<_> = match linkinjected {
            None => {
                let names =
                    self.connected.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
                names.take(limit).collect()
            }
            Some(link) => {
                let start = (Arc::from(link), Arc::from(after));
                let entries = self.linked.range((Bound::Excluded(start), Bound::Unbounded));
                let of_link = entries.take_while(|(its_link, _)| **its_link == *link);
                of_link.map(|(_, name)| name).take(limit).collect()
            }
        };
        names.into_iter().filter_map(|name| self.device(name, now)).collect()
    }

    pub fn release(&mut self, stream: &str, through: u64) -> Result<(), ReleaseError> {
        if *self.events.stream != *stream {
            return Err(ReleaseError::OtherStream);
        }
        if let Some(through) = self.events.release(through) {
            self.changes.push(&Change::Released { through });
        }
        Ok(())
    }

    /// Removes a message that is due from its outbox, if it is there still.
    pub(super) fn expire_message(&mut self, device: &Arc<str>, seq: u64, now: Millis) {
        let remembered = self.limits.outbox_messages;
        let Some(record) = self.records.get_mut_clean(device) else { return };
        let epoch = Arc::clone(&record.epoch);
        if record.conversation.as_mut().is_some_and(|it| it.expire(seq, remembered)) {
            self.changes.push(&Change::MessageExpired { device: Cow::Borrowed(device), seq });
            self.notifications.messages_settled(device);
            self.message_expired(device, &epoch, seq, now);
        }
    }

    /// Appends the event of a message that will not be delivered. It is out of its outbox already.
    pub(super) fn message_expired(
        &mut self,
        device: &Arc<str>,
        epoch: &Arc<str>,
        seq: u64,
        now: Millis,
    ) {
        let data = EventData::Expired { epoch: Arc::clone(epoch), seq };
        self.events.unreserve(data.size(device, None));
        self.append_event(device, None, data, now);
        self.notifications.message_expired();
    }

    /// The device's name and record, if the connection is its socket.
    fn record_with_socket(
        &self,
        device: &str,
        connection: &ConnectionId,
    ) -> Result<(&Arc<str>, &Record), SocketError> {
        let known = self.records.get_key_value(device);
        known.filter(|(_, record)| has_socket(record, connection)).ok_or(SocketError::Stale)
    }

    pub fn conversation(&mut self, device: &str) -> Option<&mut Conversation> {
        self.records.get_mut_clean(device)?.conversation.as_deref_mut()
    }
}

fn has_socket(record: &Record, connection: &ConnectionId) -> bool {
    record.socket.as_ref().is_some_and(|socket| socket.connection == *connection)
}
