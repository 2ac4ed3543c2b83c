//! Keeps the journal short: a compaction writes the whole state again, a share of it with each
//! step, and then everything from before it is obsolete.
//!
//! A compaction begins when the journal has grown to twice what the last one wrote, and writes two
//! bytes for each byte of the steps' own changes. So the journal is at most about four times as
//! long as the state. A start compacts at once if it is longer, because a compaction that was under
//! way ended with its process.

use std::{borrow::Cow, convert::Infallible};

use crate::memory::{
    change::{Change, RecordImage},
    state::State,
};

/// The share of a compaction that one step writes, at most, in bytes.
const SHARE_BYTES: usize = 1024 * 1024;

/// A state with the progress of its compaction: what the engine's lock guards.
pub struct Journaled {
    pub state: State,
    compaction: Compaction,
}

/// How far compaction has come.
struct Compaction {
    /// A journal shorter than this is not compacted, in bytes.
    threshold: usize,
    /// Bytes of changes since the last compaction began.
    written: usize,
    /// Bytes that the last compaction wrote: the length of the state.
    live: usize,
    under_way: Option<Cursor>,
}

/// A compaction under way: everything before these places is still to be written.
struct Cursor {
    records: usize,
    half_refs: usize,
    /// The next event to be written, and the first that is newer than the compaction.
    events: (u64, u64),
    /// Bytes written so far.
    bytes: usize,
}

/// What an entry means for the entries before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactionStep {
    /// A compaction begins with this entry.
    pub begins: bool,
    /// A compaction ends with it: nothing from before the entry with which it began is needed.
    pub ends: bool,
}

impl Journaled {
    /// A state that is compacted from a journal of `threshold` bytes on.
    pub const fn new(state: State, threshold: usize) -> Self {
        let compaction = Compaction { threshold, written: 0, live: 0, under_way: None };
        Self { state, compaction }
    }

    /// Takes the changes of a step, together with a share of a compaction.
    pub fn take_entry(&mut self) -> (Vec<u8>, CompactionStep) {
        let Self { state, compaction } = self;
        state.flush_dirty();
        let own = state.changes.len();
        if own == 0 {
            return (Vec::new(), CompactionStep::default());
        }
        compaction.written += own;
        let begins = compaction.under_way.is_none()
            && compaction.written > compaction.threshold.max(2 * compaction.live);
        if begins {
            compaction.begin(state);
        }
        let share = (2 * own).min(SHARE_BYTES);
        while compaction.is_under_way() && state.changes.len() < own + share {
            compaction.write_next(state);
        }
        let ends = compaction.finish();
        (state.changes.take(), CompactionStep { begins, ends })
    }

    /// Sets the counters for a journal of `bytes` bytes; returns whether it is longer than
    /// compaction would leave it.
    pub fn measure(&mut self, bytes: usize) -> bool {
        let mut live = 0;
        let counted = self.write_all(|changes| {
            live += changes.len();
            Ok::<_, Infallible>(())
        });
        let Ok(()) = counted;
        self.compaction.live = live;
        self.compaction.written = bytes.saturating_sub(live);
        bytes > self.compaction.threshold + 4 * live
    }

    /// Writes the whole state, as a compaction in one go, in parts of about [`SHARE_BYTES`].
    pub fn write_all<E>(
        &mut self,
        mut commit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { state, compaction } = self;
        compaction.begin(state);
        while compaction.is_under_way() {
            compaction.write_next(state);
            if state.changes.len() > SHARE_BYTES {
                commit(&state.changes.take())?;
            }
        }
        compaction.finish();
        state.discard_dirty();
        commit(&state.changes.take())
    }
}

impl Compaction {
    fn begin(&mut self, state: &mut State) {
        self.written = 0;
        self.under_way = Some(Cursor {
            records: state.records.len(),
            half_refs: state.half_refs.len(),
            events: (0, state.events.next()),
            bytes: 0,
        });
        state.push_stream();
    }

    fn is_under_way(&self) -> bool {
        self.under_way.as_ref().is_some_and(|cursor| !cursor.is_at_end())
    }

    /// Ends a compaction that has written everything; returns whether there was one.
    fn finish(&mut self) -> bool {
        let Some(cursor) = self.under_way.take_if(|cursor| cursor.is_at_end()) else {
            return false;
        };
        self.live = cursor.bytes;
        true
    }

    /// Writes one thing more.
    fn write_next(&mut self, state: &mut State) {
        let Some(cursor) = &mut self.under_way else { return };
        let before = state.changes.len();
        if let Some((index, device, record)) = state.records.before(cursor.records) {
            cursor.records = index;
            let image = RecordImage::of(device, record, &state.tokens);
            state.changes.push(&Change::Record(image));
            if let Some(conversation) = record.conversation.as_deref() {
                state.changes.push(&Change::Conversation {
                    device: Cow::Borrowed(device),
                    conversation: Cow::Borrowed(conversation),
                });
            }
        } else if let Some((index, digest, half_ref)) = state.half_refs.before(cursor.half_refs) {
            (cursor.records, cursor.half_refs) = (0, index);
            state.changes.push(&Change::HalfRef(*digest, Cow::Borrowed(half_ref)));
        } else if let Some(stored) = state.events.first_from(cursor.events.0)
            && stored.event.n < cursor.events.1
        {
            cursor.events.0 = stored.event.n + 1;
            state.changes.push(&Change::Event(Cow::Borrowed(stored)));
        } else {
            // Nothing is left, also where entries were removed since the compaction began.
            (cursor.records, cursor.half_refs, cursor.events.0) = (0, 0, cursor.events.1);
        }
        cursor.bytes += state.changes.len() - before;
    }
}

impl Cursor {
    const fn is_at_end(&self) -> bool {
        self.records == 0 && self.half_refs == 0 && self.events.0 >= self.events.1
    }
}
