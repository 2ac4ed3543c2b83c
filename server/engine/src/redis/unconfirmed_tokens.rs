//! Tokens of which nobody knows whether Redis has them. Nobody was given them either, so where one
//! has claimed a device, nobody could ever get the next.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::Digest;

/// Tokens that are remembered at the most; no further one is.
const AT_MOST: usize = 10_000;

/// Tokens that are in doubt.
#[derive(Default)]
pub struct UnconfirmedTokens(Mutex<VecDeque<Digest>>);

impl UnconfirmedTokens {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token is in doubt.
    pub fn push(&self, token: Digest) {
        let mut tokens = self.lock();
        if tokens.len() < AT_MOST {
            tokens.push_back(token);
        }
    }

    /// A token that is in doubt.
    pub fn first(&self) -> Option<Digest> {
        self.lock().front().copied()
    }

    /// The first token is in doubt no longer.
    pub fn pop(&self) {
        self.lock().pop_front();
    }
}
