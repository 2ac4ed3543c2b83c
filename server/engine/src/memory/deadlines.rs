//! When each thing expires, in the order of time.

use std::{collections::BTreeSet, sync::Arc};

use crate::{Digest, Millis};

/// The deadlines of everything that expires. What expires together is in the order of its key.
#[derive(Default)]
pub struct Deadlines {
    pub tokens: BTreeSet<(Millis, Digest)>,
    /// Of `halfRef`s that can be redeemed.
    pub pending: BTreeSet<(Millis, Digest)>,
    /// Of `halfRef`s that are remembered only.
    pub remembered: BTreeSet<(Millis, Digest)>,
    pub records: BTreeSet<(Millis, Arc<str>)>,
    pub messages: BTreeSet<(Millis, Arc<str>, u64)>,
}

impl Deadlines {
    /// The first deadline of all.
    pub fn next(&self) -> Option<Millis> {
        let digests = [&self.tokens, &self.pending, &self.remembered];
        let digests = digests.into_iter().filter_map(|deadlines| deadlines.first());
        let records = self.records.first().map(|(at, _)| *at);
        let messages = self.messages.first().map(|(at, ..)| *at);
        digests.map(|(at, _)| *at).chain(records).chain(messages).min()
    }

    /// How many have passed.
    pub fn due(&self, now: Millis) -> usize {
        let digests = [&self.tokens, &self.pending, &self.remembered].into_iter();
        let passed = |at: Millis| at <= now;
        digests.map(|it| it.iter().take_while(|(at, _)| passed(*at)).count()).sum::<usize>()
            + self.records.iter().take_while(|(at, _)| passed(*at)).count()
            + self.messages.iter().take_while(|(at, ..)| passed(*at)).count()
    }

    /// Takes out the message that is due first, by device and number.
    pub fn pop_message(&mut self, now: Millis) -> Option<(Arc<str>, u64)> {
        self.messages.first().filter(|(at, ..)| *at <= now)?;
        self.messages.pop_first().map(|(_, device, seq)| (device, seq))
    }
}

/// Takes out what is due first.
pub fn pop_due<K: Ord>(deadlines: &mut BTreeSet<(Millis, K)>, now: Millis) -> Option<K> {
    deadlines.first().filter(|(at, _)| *at <= now)?;
    deadlines.pop_first().map(|(_, key)| key)
}
