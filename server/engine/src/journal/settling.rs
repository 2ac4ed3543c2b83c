//! Settles what is unconfirmed: revokes what operations did that were given up before their commit.
//!
//! The revocation is a step like any other, queued behind what it revokes. So where that is
//! committed after all, no later step sees it. An outcome is remembered until its revocation is
//! committed: where that fails, the recovered state may have what the revocation undid.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot::error::TryRecvError;

use super::{
    compaction::Journaled,
    queue::{Answer, Committed, Queue},
};
use crate::{EngineError, Millis, memory::state::Given, unconfirmed::Unconfirmed};

/// Outcomes that one entry revokes, at most.
const REVOKED_PER_ENTRY: usize = 1000;

/// What is unconfirmed, and how far its revocation is.
#[derive(Default)]
pub struct Settling {
    unconfirmed: Unconfirmed<Given>,
    /// The revocations that wait for their commit: how many outcomes each has, the oldest first.
    revocations: Mutex<VecDeque<(usize, Answer)>>,
}

/// Makes what a client is to be given unconfirmed, unless it is confirmed.
pub struct Confirmation<'a> {
    settling: &'a Settling,
    given: Option<Given>,
}

impl Settling {
    /// Waits for the confirmation that `given` is committed, until it is dropped.
    pub const fn expect(&self, given: Given) -> Confirmation<'_> {
        Confirmation { settling: self, given: Some(given) }
    }

    /// Revokes what is unconfirmed. The caller holds the lock of the state.
    pub fn settle(
        &self,
        journaled: &mut Journaled,
        queue: &Arc<Queue>,
        now: Millis,
    ) -> Result<(), EngineError> {
        let mut revocations = self.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((count, answer)) = revocations.front_mut() {
            match answer.try_recv() {
                Ok(()) => {
                    self.unconfirmed.remove_oldest(*count);
                    revocations.pop_front();
                }
                Err(TryRecvError::Empty) => break,
                // The commit failed, and those behind it with it.
                Err(TryRecvError::Closed) => revocations.clear(),
            }
        }
        loop {
            let revoked = revocations.iter().map(|(count, _)| count).sum();
            let outcomes = self.unconfirmed.oldest_after(revoked, REVOKED_PER_ENTRY);
            if outcomes.is_empty() {
                return Ok(());
            }
            for given in &outcomes {
                journaled.state.revoke_unconfirmed(given, now);
            }
            tracing::info!(count = outcomes.len(), "unconfirmed tokens and sockets revoked");
            match queue.push_step(journaled)? {
                Some(Committed { answer, .. }) => revocations.push_back((outcomes.len(), answer)),
                None => self.unconfirmed.remove_oldest(outcomes.len()),
            }
        }
    }
}

impl Confirmation<'_> {
    /// The step is committed, and its caller answers.
    pub fn confirm(mut self) {
        self.given = None;
    }
}

impl Drop for Confirmation<'_> {
    fn drop(&mut self) {
        if let Some(given) = self.given.take() {
            self.settling.unconfirmed.push(given);
        }
    }
}
