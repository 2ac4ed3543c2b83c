//! What the operator sends and a prospect acknowledges, and what a prospect says.

use std::{collections::BTreeSet, mem, time::Duration};

use engine::{Acknowledgement, EventData, Message, Millis, SendError, SocketError};

use super::{Model, Record};

/// One record's messages in both directions.
#[derive(Default)]
pub struct Conversation {
    pub outbox: Vec<Queued>,
    /// The number of the newest message.
    pub newest: u64,
    acknowledged: u64,
    /// The numbers of all expired messages.
    expired: BTreeSet<u64>,
    /// The ids of accepted messages that are remembered, the oldest first.
    pub accepted: Vec<String>,
    /// The idempotency keys that are remembered, the oldest first.
    answers: Vec<Answer>,
}

pub struct Queued {
    pub seq: u64,
    pub data: String,
    pub until: Millis,
}

/// What a request with an idempotency key was answered.
struct Answer {
    key: String,
    body: String,
    seq: u64,
    connected: bool,
    until: Millis,
}

/// A message of the operator, as the model sees it.
pub struct Outgoing<'a> {
    pub data: &'a str,
    pub ttl: Duration,
    /// The idempotency key and the body that it stands for.
    pub key: Option<(&'a str, &'a str)>,
}

/// What sending a message was answered.
pub struct Sent {
    /// The number of the device's record.
    pub record: usize,
    pub seq: u64,
    pub connected: bool,
    pub acknowledged: bool,
    /// It is the answer of an earlier request with the same key.
    pub repeated: bool,
}

impl Conversation {
    /// What is known of the acknowledgement of a message.
    pub fn acknowledgement(&self, seq: u64) -> Acknowledgement {
        if self.outbox.iter().any(|message| message.seq == seq) {
            Acknowledgement::Pending
        } else if self.has_acknowledged(seq) {
            Acknowledgement::Acknowledged
        } else {
            Acknowledgement::Never
        }
    }

    /// Whether a message was acknowledged before it expired.
    fn has_acknowledged(&self, seq: u64) -> bool {
        seq <= self.acknowledged && !self.expired.contains(&seq)
    }

    /// Whether an engine that remembers this many expired messages knows of each that it expired.
    pub fn remembers_all_expired(&self, remembered: usize) -> bool {
        self.expired.len() <= remembered
    }

    fn bytes(&self) -> usize {
        self.outbox.iter().map(|message| message.data.len()).sum()
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Millis> {
        let messages = self.outbox.iter().map(|message| message.until);
        messages.chain(self.answers.iter().map(|answer| answer.until))
    }
}

impl Model {
    pub fn send(&mut self, device: &str, message: &Outgoing) -> Result<Sent, SendError> {
        let place = self.place(device).ok_or(SendError::UnknownDevice)?;
        let record = &self.records[place];
        let (number, connected) = (record.number, record.socket.is_some());
        let conversation = &record.conversation;
        if let Some((key, body)) = message.key {
            match conversation.answers.iter().find(|answer| answer.key == key) {
                Some(answer) if answer.body != body => return Err(SendError::KeyReused),
                Some(&Answer { seq, connected, .. }) => {
                    let acknowledged = conversation.has_acknowledged(seq);
                    return Ok(Sent {
                        record: number,
                        seq,
                        connected,
                        acknowledged,
                        repeated: true,
                    });
                }
                None if conversation.answers.len() == self.limits.idempotency_keys => {
                    let ends = conversation.answers.iter().map(|answer| answer.until);
                    return Err(SendError::KeysFull(self.wait(ends)));
                }
                None => {}
            }
        }
        if conversation.outbox.len() == self.limits.outbox_messages
            || conversation.bytes() + message.data.len() > self.limits.outbox_bytes
        {
            let ends = conversation.outbox.iter().map(|queued| queued.until);
            return Err(SendError::OutboxFull(self.wait(ends)));
        }
        if !self.has_room_for_message(device) {
            return Err(SendError::EventsFull);
        }

        let until = self.after(message.ttl);
        let remembered = self.after(self.limits.idempotency_memory);
        let conversation = &mut self.records[place].conversation;
        conversation.newest += 1;
        let seq = conversation.newest;
        conversation.outbox.push(Queued { seq, data: message.data.to_owned(), until });
        if let Some((key, body)) = message.key {
            let (key, body) = (key.to_owned(), body.to_owned());
            conversation.answers.push(Answer { key, body, seq, connected, until: remembered });
        }
        if let Some(socket) = &self.records[place].socket {
            self.queued.push(socket.connection.clone());
        }
        self.keep_record_after(place, self.now);
        Ok(Sent { record: number, seq, connected, acknowledged: false, repeated: false })
    }

    /// How long until the first of these times.
    fn wait(&self, until: impl Iterator<Item = Millis>) -> Duration {
        Duration::from_millis(until.min().unwrap_or(self.now) - self.now)
    }

    fn record_of(&mut self, device: &str, name: &str) -> Result<&mut Record, SocketError> {
        let record = self.records.iter_mut().find(|record| record.device == device);
        record.filter(|record| record.is_connection(name)).ok_or(SocketError::Stale)
    }

    pub fn outbox(
        &mut self,
        device: &str,
        name: &str,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        let mut batch: Vec<Message> = Vec::new();
        let mut total = 0;
        for Queued { seq, data, .. } in &self.record_of(device, name)?.conversation.outbox {
            if *seq <= after {
                continue;
            }
            total += data.len();
            if !batch.is_empty() && total > bytes {
                break;
            }
            batch.push(Message { seq: *seq, data: data.as_str().into() });
        }
        Ok(batch)
    }

    pub fn acknowledge(&mut self, device: &str, name: &str, seq: u64) -> Result<(), SocketError> {
        let conversation = &mut self.record_of(device, name)?.conversation;
        let seq = seq.min(conversation.newest);
        conversation.acknowledged = conversation.acknowledged.max(seq);
        conversation.outbox.retain(|message| message.seq > seq);
        Ok(())
    }

    pub fn accept(
        &mut self,
        device: &str,
        name: &str,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        let conversation = &self.record_of(device, name)?.conversation;
        if conversation.accepted.iter().any(|accepted| accepted == id) {
            return Ok(());
        }
        let event = EventData::Message { id: id.into(), data: data.into() };
        if !self.has_room_for(device, name, event.clone()) {
            return Err(SocketError::EventsFull);
        }
        let remembered = self.limits.remembered_ids;
        let accepted = &mut self.record_of(device, name)?.conversation.accepted;
        accepted.push(id.to_owned());
        let forgotten = accepted.len().saturating_sub(remembered);
        accepted.drain(..forgotten);
        self.append(device, Some(name), event);
        Ok(())
    }

    /// Messages whose time is over leave their outboxes, the earliest first.
    pub(super) fn expire_messages(&mut self) {
        let now = self.now;
        for place in 0..self.records.len() {
            let conversation = &mut self.records[place].conversation;
            conversation.answers.retain(|answer| answer.until > now);
            let outbox = mem::take(&mut conversation.outbox);
            let (mut due, waiting): (Vec<_>, _) =
                outbox.into_iter().partition(|message| message.until <= now);
            conversation.outbox = waiting;
            due.sort_by_key(|message| (message.until, message.seq));
            conversation.expired.extend(due.iter().map(|message| message.seq));
            let record = &self.records[place];
            let (device, epoch) = (record.device.clone(), record.epoch.clone());
            for message in due {
                self.append_expired(&device, epoch.as_ref(), message.seq);
            }
        }
    }
}
