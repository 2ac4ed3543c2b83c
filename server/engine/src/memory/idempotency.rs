//! The idempotency keys of one device, found by hash.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Digest, Idempotency, Millis};

/// The keys that are remembered, in the order in which they were used.
#[derive(Clone, Default)]
pub struct IdempotencyKeys {
    by_key: HashMap<Digest, IdempotencyKey>,
    /// The message's number and the key, by rising numbers.
    order: VecDeque<(u64, Digest)>,
}

/// A key and the answer that its request got.
#[derive(Clone, Serialize, Deserialize)]
pub struct IdempotencyKey {
    pub request: Idempotency,
    /// The number of the message.
    pub seq: u64,
    /// Whether the device had a socket when the message was queued.
    pub connected: bool,
    pub outcome: Outcome,
    /// Until when the key is remembered.
    pub expires: Millis,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is in the outbox.
    Queued,
    Acknowledged,
    Expired,
}

impl IdempotencyKeys {
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn get(&self, key: &Digest) -> Option<&IdempotencyKey> {
        self.by_key.get(key)
    }

    /// The key that was used first.
    pub fn oldest(&self) -> Option<&IdempotencyKey> {
        self.order.front().and_then(|(_, key)| self.by_key.get(key))
    }

    /// Remembers a key in place of an earlier use of it. Its message's number is above that of every
    /// key before.
    pub fn insert(&mut self, key: IdempotencyKey) {
        self.order.push_back((key.seq, key.request.key));
        // A journal has the uses of keys, not their expiry.
        if let Some(earlier) = self.by_key.insert(key.request.key, key)
            && let Some(index) = self.index(earlier.seq)
        {
            self.order.remove(index);
        }
    }

    /// Records what became of a message, if it was queued under a key that is remembered.
    pub fn settle(&mut self, seq: u64, outcome: Outcome) {
        if let Some(index) = self.index(seq)
            && let Some(key) = self.by_key.get_mut(&self.order[index].1)
        {
            key.outcome = outcome;
        }
    }

    /// The place of a message's key in the order.
    fn index(&self, seq: u64) -> Option<usize> {
        self.order.binary_search_by_key(&seq, |(seq, _)| *seq).ok()
    }

    /// Forgets the keys that have expired.
    pub fn expire(&mut self, now: Millis) {
        while self.oldest().is_some_and(|key| key.expires <= now) {
            if let Some((_, key)) = self.order.pop_front() {
                self.by_key.remove(&key);
            }
        }
    }
}

impl Serialize for IdempotencyKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys: Vec<_> = self.order.iter().filter_map(|(_, key)| self.by_key.get(key)).collect();
        keys.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for IdempotencyKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = Self::default();
        Vec::deserialize(deserializer)?.into_iter().for_each(|key| keys.insert(key));
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seq: u64, expires: Millis) -> IdempotencyKey {
        let digest = Digest::of(b"key");
        let request = Idempotency { key: digest, body: digest };
        IdempotencyKey { request, seq, connected: false, outcome: Outcome::Queued, expires }
    }

    #[test]
    fn a_key_that_is_used_again_takes_one_place() {
        let mut keys = IdempotencyKeys::default();
        keys.insert(key(1, 10));
        keys.insert(key(3, 30));
        assert_eq!(keys.len(), 1);
        keys.settle(1, Outcome::Expired);
        keys.settle(3, Outcome::Acknowledged);
        let outcome = |keys: &IdempotencyKeys| keys.oldest().map(|key| key.outcome);
        assert_eq!(outcome(&keys), Some(Outcome::Acknowledged));
        keys.expire(29);
        assert_eq!(keys.len(), 1);
        keys.expire(30);
        assert_eq!(keys.len(), 0);
    }
}
