//! The operation `erase`: a device's record ends, and then everything that names the device is removed
//! step by step, so that others have their turn in between.

use super::{change::Change, state::State};
use crate::Millis;

/// `halfRef`s, or events, that one step visits, at most.
const VISITED_PER_STEP: usize = 4096;

/// What is left of an erasure. What comes to the device later, by a record of its own, is not part of
/// it.
pub struct Erasure {
    /// Every `halfRef` from this place on was visited.
    half_refs: usize,
    /// The order of the first authorisation that is later.
    later_order: u64,
    /// The first event to be visited, and the last one.
    events: (u64, u64),
}

impl State {
    /// Ends the device's record, as its disconnect does. The rest is for [`State::erase_some`].
    pub fn begin_erasure(&mut self, device: &str, now: Millis) -> Erasure {
        self.delete_record(device, now);
        Erasure {
            half_refs: usize::MAX,
            later_order: self.next_order,
            events: (self.events.oldest(), self.events.next() - 1),
        }
    }

    /// Erases a part; returns whether that was the last.
    pub fn erase_some(&mut self, device: &str, erasure: &mut Erasure) -> bool {
        if erasure.half_refs > 0 {
            self.erase_half_refs(device, erasure);
            return false;
        }
        let (events, next) = self.events.erase(device, erasure.events, VISITED_PER_STEP);
        erasure.events.0 = next.unwrap_or(u64::MAX);
        // Also without an event: the journal may have some that were released.
        self.changes.push(&Change::Erased { events });
        next.is_none()
    }

    /// Erases the `halfRef`s that are remembered of the device, as far as one step visits them.
    fn erase_half_refs(&mut self, device: &str, erasure: &mut Erasure) {
        for _ in 0..VISITED_PER_STEP {
            let Some((place, digest, half_ref)) = self.half_refs.before(erasure.half_refs) else {
                erasure.half_refs = 0;
                break;
            };
            erasure.half_refs = place;
            if *half_ref.device == *device && half_ref.order < erasure.later_order {
                let digest = *digest;
                self.remove_half_ref(&digest);
            }
        }
    }
}
