//! The changes of a step, encoded as the step makes them. Without a journal they are dropped.

use std::mem;

use super::change::Change;

/// Bytes that are allocated for the next changes, at most.
const MAX_RESERVED: usize = 1024;

/// Encoded changes, in the order in which they were made.
pub struct ChangeBuffer {
    bytes: Vec<u8>,
    enabled: bool,
}

impl ChangeBuffer {
    /// A buffer that keeps changes for a journal.
    pub const fn enabled() -> Self {
        Self { bytes: Vec::new(), enabled: true }
    }

    /// A buffer that drops every change.
    pub const fn disabled() -> Self {
        Self { bytes: Vec::new(), enabled: false }
    }

    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    pub fn push(&mut self, change: &Change<'_>) {
        if self.enabled {
            // Encoding fails only for sequences of unknown length, and no change has one.
            self.bytes = postcard::to_extend(change, mem::take(&mut self.bytes))
                .expect("every change can be encoded");
        }
    }

    /// Bytes of encoded changes.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the encoded changes out. Those of the next step are likely to be as long.
    pub fn take(&mut self) -> Vec<u8> {
        let capacity = self.bytes.len().min(MAX_RESERVED);
        mem::replace(&mut self.bytes, Vec::with_capacity(capacity))
    }
}
