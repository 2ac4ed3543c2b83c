//! The events of the stream by rising numbers, in segments: so one can be taken out of the middle
//! without moving all that follow.

use std::{collections::VecDeque, mem};

use serde::{Deserialize, Serialize};

use crate::{Event, Millis};

/// An event as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredEvent {
    pub event: Event,
    /// When it was appended, by the engine's timeline; `at` of the event is the wall clock's.
    pub appended: Millis,
}

/// Events in one segment, at most.
const SEGMENT: usize = 128;

/// Events by rising numbers, with gaps.
#[derive(Default)]
pub struct Segments {
    /// None is empty.
    segments: VecDeque<VecDeque<StoredEvent>>,
    /// How many events there are.
    len: usize,
}

impl Segments {
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The event with the lowest number.
    pub fn first(&self) -> Option<&StoredEvent> {
        self.segments.front()?.front()
    }

    /// Adds an event whose number is above all others.
    pub fn push(&mut self, stored: StoredEvent) -> &StoredEvent {
        if self.segments.back().is_none_or(|last| last.len() >= SEGMENT) {
            self.segments.push_back(VecDeque::new());
        }
        self.len += 1;
        let last = self.segments.len() - 1;
        let segment = &mut self.segments[last];
        segment.push_back(stored);
        &segment[segment.len() - 1]
    }

    /// Takes out the event with the lowest number.
    pub fn pop_first(&mut self) -> Option<StoredEvent> {
        let segment = self.segments.front_mut()?;
        let first = segment.pop_front();
        if segment.is_empty() {
            self.segments.pop_front();
        }
        self.len -= usize::from(first.is_some());
        first
    }

    /// The events from number `n` on.
    pub fn from(&self, n: u64) -> impl Iterator<Item = &StoredEvent> {
        let segment = self.segment(n);
        let events = self.segments.range(segment..).flatten();
        let before = self
            .segments
            .get(segment)
            .map_or(0, |segment| segment.partition_point(|stored| stored.event.n < n));
        events.skip(before)
    }

    /// Takes out the events from number `from` up to `through` for which `is_taken` holds. Visits whole
    /// segments, at least one, until they have `visited` events. Returns what it took, and the
    /// number to continue from; `None` where it is done.
    pub fn take(
        &mut self,
        from: u64,
        through: u64,
        visited: usize,
        is_taken: impl Fn(&StoredEvent) -> bool,
    ) -> (Vec<StoredEvent>, Option<u64>) {
        let is_taken =
            |stored: &StoredEvent| (from..=through).contains(&stored.event.n) && is_taken(stored);
        let (mut taken, mut left, mut next) = (Vec::new(), visited, None);
        let newest = self.segments.len().saturating_sub(1);
        for index in self.segment(from)..self.segments.len() {
            let segment = &mut self.segments[index];
            let first = segment.front().map_or(u64::MAX, |stored| stored.event.n);
            if first > through {
                break;
            } else if left == 0 {
                next = Some(first);
                break;
            }
            left = left.saturating_sub(segment.len());
            if segment.iter().any(is_taken) {
                let (out, kept): (VecDeque<_>, _) =
                    mem::take(segment).into_iter().partition(is_taken);
                taken.extend(out);
                *segment = kept;
                if index < newest {
                    segment.shrink_to_fit();
                }
            }
        }
        if !taken.is_empty() {
            self.segments.retain(|segment| !segment.is_empty());
        }
        self.len -= taken.len();
        (taken, next)
    }

    /// The index of the first segment that has an event from number `n` on.
    fn segment(&self, n: u64) -> usize {
        self.segments.partition_point(|segment| segment.back().is_some_and(|last| last.event.n < n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, EventData};

    fn stored(n: u64) -> StoredEvent {
        let data = EventData::Disconnected { cause: None };
        let event = Event { n, device: "phone".into(), connection: None, at: 0, data };
        StoredEvent { event, appended: 0 }
    }

    fn filled(newest: u64) -> Segments {
        let mut segments = Segments::default();
        for n in 1..=newest {
            segments.push(stored(n));
        }
        segments
    }

    fn numbers(segments: &Segments, from: u64) -> Vec<u64> {
        segments.from(from).map(|stored| stored.event.n).collect()
    }

    #[test]
    fn what_is_taken_is_missing_and_everything_else_stays() {
        let is_taken = |n: u64| n.is_multiple_of(3) || (200..500).contains(&n);
        let mut segments = filled(1000);
        let (mut from, mut taken) = (Some(100), Vec::new());
        while let Some(next) = from {
            let (out, next) = segments.take(next, 900, 1, |stored| is_taken(stored.event.n));
            assert!(out.len() <= SEGMENT, "a segment at a time");
            taken.extend(out.iter().map(|stored| stored.event.n));
            from = next;
        }
        assert_eq!(taken, (100..=900).filter(|n| is_taken(*n)).collect::<Vec<_>>());
        let kept: Vec<_> = (1..=1000).filter(|n| !taken.contains(n)).collect();
        assert_eq!(segments.len(), kept.len());
        for from in [0, 1, 99, 100, 250, 499, 500, 899, 1000, 1001, u64::MAX] {
            let expected: Vec<_> = kept.iter().copied().filter(|n| *n >= from).collect();
            assert_eq!(numbers(&segments, from), expected, "{from}");
        }
        let popped: Vec<_> = std::iter::from_fn(|| segments.pop_first()).collect();
        assert_eq!(popped.iter().map(|stored| stored.event.n).collect::<Vec<_>>(), kept);
        assert_eq!(segments.len(), 0);
    }

    #[test]
    fn events_are_added_after_others_were_taken() {
        let mut segments = filled(300);
        segments.take(1, 300, usize::MAX, |_| true);
        assert!(segments.first().is_none());
        segments.push(stored(301));
        assert_eq!(numbers(&segments, 0), [301]);
    }
}
