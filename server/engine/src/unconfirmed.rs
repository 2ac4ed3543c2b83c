//! Outcomes that are unknown: the store may have what an operation did, but no answer came, so no
//! client was given it. A token that claimed its device would lock it out, and a socket would stay
//! connected without a connection. They are revoked as soon as the store answers again.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// At most this many are remembered; later ones are dropped. Far above what the connections of a
/// gateway can wait for at a time.
const MAX: usize = 100_000;

/// What is unconfirmed, the oldest first.
pub struct Unconfirmed<T>(Mutex<VecDeque<T>>);

impl<T> Default for Unconfirmed<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Unconfirmed<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an outcome, if there is room.
    pub fn push(&self, outcome: T) {
        let mut outcomes = self.lock();
        if outcomes.len() < MAX {
            outcomes.push_back(outcome);
        }
    }

    /// Up to `limit` outcomes after the `skipped` oldest.
    pub fn oldest_after(&self, skipped: usize, limit: usize) -> Vec<T> {
        self.lock().iter().skip(skipped).take(limit).cloned().collect()
    }

    /// Removes the `count` oldest: they are revoked.
    pub fn remove_oldest(&self, count: usize) {
        let mut outcomes = self.lock();
        let count = count.min(outcomes.len());
        outcomes.drain(..count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let unconfirmed = Unconfirmed::default();
        for n in 0..=MAX {
            unconfirmed.push(n);
        }
        assert_eq!(unconfirmed.oldest_after(MAX - 1, 10), [MAX - 1]);
        unconfirmed.remove_oldest(MAX - 1);
        assert_eq!(unconfirmed.oldest_after(0, 10), [MAX - 1]);
    }
}
