//! Tokens whose outcome is unknown: Redis may have stored them, but no answer came, so no client has
//! them. One that claimed its device would lock it out. They are revoked after the next connect.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::Digest;

/// At most this many unconfirmed tokens are remembered; later ones are dropped.
const MAX_TOKENS: usize = 10_000;

/// The unconfirmed tokens, oldest first.
#[derive(Default)]
pub struct UnconfirmedTokens(Mutex<VecDeque<Digest>>);

impl UnconfirmedTokens {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a token, if there is room.
    pub fn push(&self, token: Digest) {
        let mut tokens = self.lock();
        if tokens.len() < MAX_TOKENS {
            tokens.push_back(token);
        }
    }

    /// The oldest token.
    pub fn first(&self) -> Option<Digest> {
        self.lock().front().copied()
    }

    /// Removes the oldest token: it has been revoked.
    pub fn pop(&self) {
        self.lock().pop_front();
    }
}
