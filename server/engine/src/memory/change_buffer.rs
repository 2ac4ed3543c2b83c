//! What a step has changed, written down as it goes along, where there is a journal.

use std::mem;

use super::change::Change;

/// The changes of a step, in the journal's format.
pub struct ChangeBuffer {
    bytes: Vec<u8>,
    kept: bool,
}

impl ChangeBuffer {
    /// Notes that are kept, or thrown away because there is no journal.
    pub const fn new(kept: bool) -> Self {
        Self { bytes: Vec::new(), kept }
    }

    pub const fn are_kept(&self) -> bool {
        self.kept
    }

    pub fn note(&mut self, change: &Change<'_>) {
        if self.kept {
            // Writing to memory fails only for what has no length, and everything here has one.
            self.bytes = postcard::to_extend(change, mem::take(&mut self.bytes))
                .expect("a change can be written");
        }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.bytes)
    }
}
