//! The messages that were written to a socket and are not acknowledged on it yet.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Messages that are remembered, at most: as many as an outbox has by default. Later ones are not
/// measured.
const AT_MOST: usize = 1000;

/// The messages, by rising numbers.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "it takes one word of an idle socket")]
pub struct InFlight(Option<Box<VecDeque<Written>>>);

struct Written {
    seq: u64,
    bytes: usize,
    at: Instant,
}

impl InFlight {
    /// Message `seq`, with `bytes` bytes of data, was written.
    pub fn push(&mut self, seq: u64, bytes: usize) {
        let messages = self.0.get_or_insert_default();
        if messages.len() < AT_MOST {
            messages.push_back(Written { seq, bytes, at: Instant::now() });
        }
    }

    /// Takes out the messages up to `seq`, which are acknowledged, and passes to `each` the bytes of a
    /// message and the time since it was written.
    pub fn acknowledge(&mut self, seq: u64, mut each: impl FnMut(usize, Duration)) {
        let Some(messages) = &mut self.0 else { return };
        while let Some(message) = messages.pop_front_if(|message| message.seq <= seq) {
            each(message.bytes, message.at.elapsed());
        }
        if messages.is_empty() {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_acknowledged_once() {
        let mut in_flight = InFlight::default();
        for (seq, bytes) in [(1, 10), (2, 20), (3, 30)] {
            in_flight.push(seq, bytes);
        }
        let mut acknowledged = Vec::new();
        for seq in [2, 2, 9] {
            in_flight.acknowledge(seq, |bytes, _| acknowledged.push(bytes));
        }
        assert_eq!(acknowledged, [10, 20, 30]);
        assert!(in_flight.0.is_none());
    }

    #[test]
    fn no_more_is_remembered_than_an_outbox_has() {
        let mut in_flight = InFlight::default();
        for seq in 1..=2 * AT_MOST as u64 {
            in_flight.push(seq, 1);
        }
        let mut acknowledged = 0;
        in_flight.acknowledge(u64::MAX, |_, _| acknowledged += 1);
        assert_eq!(acknowledged, AT_MOST);
    }
}
