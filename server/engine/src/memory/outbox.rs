//! What a device and the operator say to each other: the outbox of messages to the device, and the
//! ids and keys that tell a repeated message from a new one.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    accepted_ids::AcceptedIds,
    idempotency::{IdempotencyKey, IdempotencyKeys, Outcome},
};
use crate::{Acknowledgement, Idempotency, Limits, Message, Millis, OutboxFill, SendError, millis};

/// The conversation between one prospect and the operator.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// The messages that are not acknowledged, by rising numbers.
    queue: VecDeque<QueuedMessage>,
    /// Bytes of the queue's data.
    bytes: usize,
    /// The number of the newest message; the first is 1.
    last_seq: u64,
    /// Every message up to this number left the queue by an acknowledgement, or expired.
    acknowledged_seq: u64,
    /// The messages that expired last, the latest at the end: at most as many as fit in an outbox.
    expired: VecDeque<u64>,
    /// The highest number that was dropped from `expired`; of messages up to it is not known
    /// whether they were acknowledged.
    unknown_seq: u64,
    /// The ids of the prospect's messages that were accepted last.
    accepted_ids: AcceptedIds,
    keys: IdempotencyKeys,
}

#[derive(Clone, Serialize, Deserialize)]
struct QueuedMessage {
    seq: u64,
    data: Arc<str>,
    expires: Millis,
}

impl Conversation {
    /// How many messages are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.queue.len()
    }

    /// How full the outbox is.
    pub fn fill(&self) -> OutboxFill {
        OutboxFill { messages: self.queue.len() as u64, bytes: self.bytes as u64 }
    }

    /// Whether message `seq` is known to be acknowledged, or is still queued.
    pub fn acknowledgement(&self, seq: u64) -> Acknowledgement {
        if self.queue.binary_search_by_key(&seq, |message| message.seq).is_ok() {
            return Acknowledgement::Pending;
        }
        let is_acknowledged =
            seq <= self.acknowledged_seq && seq > self.unknown_seq && !self.expired.contains(&seq);
        if is_acknowledged { Acknowledgement::Acknowledged } else { Acknowledgement::Never }
    }

    /// The key of an earlier request like this one, if it is remembered.
    pub fn find_key(
        &mut self,
        request: &Idempotency,
        now: Millis,
    ) -> Result<Option<&IdempotencyKey>, SendError> {
        self.keys.expire(now);
        match self.keys.get(&request.key) {
            Some(known) if known.request.body != request.body => Err(SendError::KeyReused),
            known => Ok(known),
        }
    }

    /// Checks whether one more key can be remembered.
    pub fn check_room_for_key(&self, limits: &Limits, now: Millis) -> Result<(), SendError> {
        match self.keys.oldest() {
            Some(oldest) if self.keys.len() >= limits.idempotency_keys => {
                Err(SendError::KeysFull(until(oldest.expires, now)))
            }
            _ => Ok(()),
        }
    }

    /// Remembers the key of the newest message.
    pub fn remember_key(&mut self, request: Idempotency, connected: bool, expires: Millis) {
        let (seq, outcome) = (self.last_seq, Outcome::Queued);
        self.keys.insert(IdempotencyKey { request, seq, connected, outcome, expires });
    }

    /// Checks whether one more message can be queued.
    pub fn check_room(&self, data: &str, limits: &Limits, now: Millis) -> Result<(), SendError> {
        let full = self.queue.len() >= limits.outbox_messages
            || self.bytes + data.len() > limits.outbox_bytes;
        if full {
            let first = self.queue.iter().map(|message| message.expires).min();
            return Err(SendError::OutboxFull(until(first.unwrap_or(now), now)));
        }
        Ok(())
    }

    /// Queues a message; returns its number and when it expires.
    pub fn enqueue(&mut self, data: &str, ttl: Duration, now: Millis) -> (u64, Millis) {
        let expires = now + millis(ttl);
        self.restore(self.last_seq + 1, expires, data);
        (self.last_seq, expires)
    }

    /// Queues the message that has this number.
    pub fn restore(&mut self, seq: u64, expires: Millis, data: &str) {
        self.last_seq = seq;
        self.bytes += data.len();
        self.queue.push_back(QueuedMessage { seq, data: data.into(), expires });
    }

    /// The messages after `after`: at least one, if there are any, and up to `bytes` bytes.
    pub fn messages_after(&self, after: u64, bytes: usize) -> Vec<Message> {
        let from = self.queue.partition_point(|message| message.seq <= after);
        let mut total = 0;
        self.queue
            .range(from..)
            .take_while(|message| {
                let fits = total == 0 || total + message.data.len() <= bytes;
                total += message.data.len().max(1);
                fits
            })
            .map(|message| Message { seq: message.seq, data: Arc::clone(&message.data) })
            .collect()
    }

    /// Removes every message up to `seq`; returns the numbers and expiries of the removed ones, or
    /// `None` where nothing is acknowledged that was not before.
    pub fn acknowledge(&mut self, seq: u64) -> Option<Vec<(u64, Millis)>> {
        let seq = seq.min(self.last_seq);
        if seq <= self.acknowledged_seq {
            return None;
        }
        self.acknowledged_seq = seq;
        let mut removed = Vec::new();
        while let Some(message) = self.queue.pop_front_if(|message| message.seq <= seq) {
            self.bytes -= message.data.len();
            self.keys.settle(message.seq, Outcome::Acknowledged);
            removed.push((message.seq, message.expires));
        }
        Some(removed)
    }

    /// Removes a message because it expired; returns whether it was queued. At most `remembered`
    /// expired messages are told from acknowledged ones.
    pub fn expire(&mut self, seq: u64, remembered: usize) -> bool {
        let Ok(index) = self.queue.binary_search_by_key(&seq, |message| message.seq) else {
            return false;
        };
        let message = self.queue.remove(index);
        self.bytes -= message.map_or(0, |message| message.data.len());
        self.keys.settle(seq, Outcome::Expired);
        self.expired.push_back(seq);
        if self.expired.len() > remembered
            && let Some(dropped) = self.expired.pop_front()
        {
            self.unknown_seq = self.unknown_seq.max(dropped);
        }
        true
    }

    /// The numbers and expiries of all queued messages.
    pub fn deadlines(&self) -> Vec<(u64, Millis)> {
        self.queue.iter().map(|message| (message.seq, message.expires)).collect()
    }

    /// Whether the prospect's message with this id is one of those accepted last.
    pub fn has_accepted(&self, id: &str) -> bool {
        self.accepted_ids.contains(id)
    }

    /// Remembers the id of an accepted message, and at most `remembered` of them.
    pub fn accept(&mut self, id: &str, remembered: usize) {
        self.accepted_ids.insert(id, remembered);
    }
}

/// How long it is until `at`.
fn until(at: Millis, now: Millis) -> Duration {
    Duration::from_millis(at.saturating_sub(now))
}
