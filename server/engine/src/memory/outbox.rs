//! A device's conversation: what waits for the prospect and what was accepted from it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::super::{Idempotency, Limits, Message, Millis, SendError, millis};

/// What is said between one prospect and the operator.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Conversation {
    queue: VecDeque<Queued>,
    bytes: usize,
    /// The number of the newest message; the first is 1.
    newest: u64,
    /// Up to where the prospect has acknowledged.
    acknowledged: u64,
    /// The numbers that ran out of time last, the oldest first.
    expired: VecDeque<u64>,
    /// The ids of the prospect's messages that were accepted last, the oldest first.
    accepted: VecDeque<Box<str>>,
    /// The idempotency keys that are remembered, the oldest first.
    keys: VecDeque<Answered>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Queued {
    seq: u64,
    data: Arc<str>,
    until: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
struct Answered {
    request: Idempotency,
    seq: u64,
    connected: bool,
    until: Millis,
}

impl Conversation {
    /// How many messages are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.queue.len()
    }

    /// Whether `seq` is acknowledged.
    pub fn is_acknowledged(&self, seq: u64) -> bool {
        seq <= self.acknowledged && !self.expired.contains(&seq)
    }

    /// What a request with this key was answered with, if there was one: the number, and whether
    /// the device had a socket.
    pub fn answered(
        &mut self,
        request: &Idempotency,
        now: Millis,
    ) -> Result<Option<(u64, bool)>, SendError> {
        while self.keys.front().is_some_and(|key| key.until <= now) {
            self.keys.pop_front();
        }
        match self.keys.iter().find(|known| known.request.key == request.key) {
            None => Ok(None),
            Some(known) if known.request.body == request.body => {
                Ok(Some((known.seq, known.connected)))
            }
            Some(_) => Err(SendError::KeyReused),
        }
    }

    /// Whether another key can be remembered.
    pub fn room_for_key(&self, settings: &Limits, now: Millis) -> Result<(), SendError> {
        match self.keys.front() {
            Some(oldest) if self.keys.len() >= settings.idempotency_keys => {
                Err(SendError::KeysFull(wait(oldest.until, now)))
            }
            _ => Ok(()),
        }
    }

    /// Remembers what a request with this key was answered with.
    pub fn remember(&mut self, request: Idempotency, seq: u64, connected: bool, until: Millis) {
        self.keys.push_back(Answered { request, seq, connected, until });
    }

    /// Queues a message; says its number.
    pub fn push(
        &mut self,
        data: &str,
        ttl: Duration,
        settings: &Limits,
        now: Millis,
    ) -> Result<(u64, Millis), SendError> {
        let full = self.queue.len() >= settings.outbox_messages
            || self.bytes + data.len() > settings.outbox_bytes;
        if full {
            let first = self.queue.iter().map(|message| message.until).min();
            return Err(SendError::OutboxFull(wait(first.unwrap_or(now), now)));
        }
        let until = now + millis(ttl);
        self.restore(self.newest + 1, until, data);
        Ok((self.newest, until))
    }

    /// Queues the message that got this number.
    pub fn restore(&mut self, seq: u64, until: Millis, data: &str) {
        self.newest = seq;
        self.bytes += data.len();
        self.queue.push_back(Queued { seq, data: data.into(), until });
    }

    /// The messages after `after`.
    pub fn after(&self, after: u64, bytes: usize) -> Vec<Message> {
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

    /// Takes out everything up to `seq`; gives the numbers and deadlines of what was there, or
    /// `None` where so much was acknowledged before.
    pub fn acknowledge(&mut self, seq: u64) -> Option<Vec<(u64, Millis)>> {
        let seq = seq.min(self.newest);
        if seq <= self.acknowledged {
            return None;
        }
        self.acknowledged = seq;
        let mut taken = Vec::new();
        while let Some(message) = self.queue.pop_front_if(|message| message.seq <= seq) {
            self.bytes -= message.data.len();
            taken.push((message.seq, message.until));
        }
        Some(taken)
    }

    /// Takes out one message, if it is there, and remembers that it was not acknowledged.
    pub fn expire(&mut self, seq: u64, at_most: usize) -> bool {
        let Ok(at) = self.queue.binary_search_by_key(&seq, |message| message.seq) else {
            return false;
        };
        let message = self.queue.remove(at);
        self.bytes -= message.map_or(0, |message| message.data.len());
        if self.expired.len() >= at_most {
            self.expired.pop_front();
        }
        self.expired.push_back(seq);
        true
    }

    /// The numbers and deadlines of all that waits.
    pub fn waiting(&self) -> Vec<(u64, Millis)> {
        self.queue.iter().map(|message| (message.seq, message.until)).collect()
    }

    /// Whether a message of this id was accepted lately.
    pub fn has_accepted(&self, id: &str) -> bool {
        self.accepted.iter().any(|accepted| &**accepted == id)
    }

    /// Remembers the id of an accepted message.
    pub fn accepted(&mut self, id: &str, at_most: usize) {
        if self.accepted.len() >= at_most {
            self.accepted.pop_front();
        }
        self.accepted.push_back(id.into());
    }
}

fn wait(until: Millis, now: Millis) -> Duration {
    Duration::from_millis(until.saturating_sub(now))
}
