//! Keeps the journal short: a compaction writes the whole state again, a share of it with each
//! step, and then everything from before it is obsolete.
//!
//! A compaction begins when the journal has grown to twice what the last one wrote, and writes two
//! bytes for each byte of the steps' own changes. So the journal is at most about four times as
//! long as the state was. A start compacts at once if it is longer, because a compaction that was
//! under way ended with its process.
//!
//! A state that shrinks does so with few bytes of changes. So the housekeeping surveys it from time
//! to time, a share at a time, and begins a compaction when the journal is much longer than the
//! state. It continues every compaction, so that one ends also where no step follows.
//!
//! The erasure of a device requests a compaction: until it has ended, the journal has what the device
//! said.

use std::{
    borrow::Cow,
    time::{Instant, SystemTime},
};

use super::progress::Progress;
use crate::{
    CompactionStats, JournalStats,
    memory::{
        change::{Change, RecordImage},
        state::State,
    },
};

/// The share of a compaction that one step writes, at most, in bytes.
const SHARE_BYTES: usize = 1024 * 1024;

/// The part of the threshold from which a survey can lead to a compaction.
const SMALL: usize = 16;

/// How many times as long as the state a survey leaves the journal.
const SURVEYED_RATIO: usize = 4;

/// How many times as long as the state a start leaves the journal.
const LONGEST_RATIO: usize = 4;

/// Calls of the housekeeping between two surveys.
const SURVEY_PAUSE: u32 = 20;

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
    /// Bytes that the last compaction wrote, or the start counted: the length of the state.
    live: usize,
    /// Bytes of the journal that are not obsolete.
    length: usize,
    /// The bytes of these that become obsolete when the compaction under way ends.
    obsolete: usize,
    under_way: Option<Cursor>,
    /// Whether another is to begin, however long the journal is.
    requested: bool,
    survey: Option<Cursor>,
    /// Compactions that have ended.
    ended: u64,
    last: Option<CompactionStats>,
    /// Whether anything changed since the last survey began.
    is_changed: bool,
    /// Calls of the housekeeping until the next survey may begin.
    survey_pause: u32,
}

/// A visit of the whole state: everything before these places is still to be written.
struct Cursor {
    records: usize,
    half_refs: usize,
    /// The next event to be written, and the first that is newer than the visit.
    events: (u64, u64),
    /// Bytes written so far.
    bytes: usize,
    /// How many things there were when the visit began.
    things: u64,
    began: Instant,
    progress: Progress<'static>,
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
        let compaction = Compaction {
            threshold,
            written: 0,
            live: 0,
            length: 0,
            obsolete: 0,
            under_way: None,
            requested: false,
            survey: None,
            ended: 0,
            last: None,
            is_changed: true,
            survey_pause: 0,
        };
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
        compaction.is_changed = true;
        let begins = compaction.is_due()
            || compaction.under_way.is_none()
                && compaction.written > compaction.threshold.max(2 * compaction.live);
        if begins {
            compaction.begin(state);
        }
        let share = (2 * own).min(SHARE_BYTES);
        while compaction.is_under_way() && state.changes.len() < own + share {
            compaction.write_next(state);
        }
        (compaction.take(state), CompactionStep { begins, ends: compaction.progress() })
    }

    /// Takes a share of a compaction that is under way, or that is due because the state is much
    /// shorter than the journal.
    pub fn take_share(&mut self) -> (Vec<u8>, CompactionStep) {
        let Self { state, compaction } = self;
        let begins = compaction.is_due() || compaction.survey(state);
        if begins {
            compaction.begin(state);
        }
        while compaction.is_under_way() && state.changes.len() < SHARE_BYTES {
            compaction.write_next(state);
        }
        (compaction.take(state), CompactionStep { begins, ends: compaction.progress() })
    }

    /// Has a compaction begin with a later entry than all that are queued, and after the one that is
    /// under way.
    pub const fn request_compaction(&mut self) {
        self.compaction.requested = true;
    }

    /// Sets the counters for a journal of `bytes` bytes; returns whether it is longer than
    /// compaction would leave it. Of a state that is long enough for the journal, the rest is
    /// estimated: a start waits for this.
    pub fn measure(&mut self, bytes: usize) -> bool {
        let Self { state, compaction } = self;
        let threshold = compaction.threshold;
        let enough = threshold.max(bytes.saturating_sub(threshold).div_ceil(LONGEST_RATIO));
        let mut cursor = Cursor::new(state);
        while !cursor.is_at_end() && cursor.bytes < enough {
            cursor.write_next(state);
            if state.changes.len() > SHARE_BYTES {
                state.changes.take();
            }
        }
        state.changes.take();
        let live = cursor.estimate();
        compaction.live = live;
        compaction.written = bytes.saturating_sub(live);
        compaction.length = bytes;
        cursor.is_at_end() && bytes > threshold + LONGEST_RATIO * live
    }

    /// Adds how long the journal is and how far its compaction is.
    pub fn add_stats(&self, stats: &mut JournalStats) {
        let compaction = &self.compaction;
        stats.entry_bytes = compaction.length as u64;
        stats.state_bytes = compaction.live as u64;
        stats.compaction = compaction.under_way.as_ref().map(Cursor::share);
        (stats.compactions, stats.last_compaction) = (compaction.ended, compaction.last);
    }

    /// The length of the state when it was last written, or estimated at the start, in bytes.
    pub const fn live_bytes(&self) -> u64 {
        self.compaction.live as u64
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
                commit(&compaction.take(state))?;
            }
        }
        state.discard_dirty();
        let rest = compaction.take(state);
        compaction.finish();
        commit(&rest)
    }
}

impl Compaction {
    fn begin(&mut self, state: &mut State) {
        (self.written, self.survey, self.requested) = (0, None, false);
        // The entry that begins it is needed: its length is added when it is taken.
        self.obsolete = self.length;
        self.under_way = Some(Cursor::new(state));
        state.push_stream();
    }

    /// Takes what is to be written next.
    fn take(&mut self, state: &mut State) -> Vec<u8> {
        let changes = state.changes.take();
        self.length += changes.len();
        changes
    }

    /// Counts a share of the state, if that is due; returns whether a compaction is worth it.
    fn survey(&mut self, state: &mut State) -> bool {
        let spare = self.threshold / SMALL;
        if self.under_way.is_some() || self.length <= spare {
            return false;
        }
        if self.survey.is_none() {
            self.survey_pause = self.survey_pause.saturating_sub(1);
            if self.survey_pause > 0 || !self.is_changed {
                return false;
            }
            (self.is_changed, self.survey_pause) = (false, SURVEY_PAUSE);
        }
        let cursor = self.survey.get_or_insert_with(|| Cursor::new(state));
        while !cursor.is_at_end() && state.changes.len() < SHARE_BYTES {
            cursor.write_next(state);
        }
        state.changes.take();
        let (bytes, is_complete) = (cursor.bytes, cursor.is_at_end());
        let is_short = self.length <= spare + SURVEYED_RATIO * bytes;
        if is_complete || is_short {
            self.survey = None;
        }
        is_complete && !is_short
    }

    /// Whether a compaction that was requested can begin.
    const fn is_due(&self) -> bool {
        self.requested && self.under_way.is_none()
    }

    fn is_under_way(&self) -> bool {
        self.under_way.as_ref().is_some_and(|cursor| !cursor.is_at_end())
    }

    /// Logs how far a compaction is, and ends one that has written everything; returns whether it did.
    fn progress(&mut self) -> bool {
        let Some(cursor) = &mut self.under_way else { return false };
        cursor.progress.log(cursor.things.saturating_sub(cursor.left()), cursor.things);
        let (began, was_logged) = (cursor.began, cursor.progress.was_logged());
        if !self.finish() {
            return false;
        }
        let took = began.elapsed();
        self.ended += 1;
        self.last = Some(CompactionStats { ended: SystemTime::now(), took });
        if was_logged {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(bytes = self.live, millis, "journal compacted");
        }
        true
    }

    /// Ends a compaction that has written everything; returns whether there was one.
    fn finish(&mut self) -> bool {
        let Some(cursor) = self.under_way.take_if(|cursor| cursor.is_at_end()) else {
            return false;
        };
        self.live = cursor.bytes;
        self.length -= self.obsolete;
        true
    }

    /// Writes one thing more.
    fn write_next(&mut self, state: &mut State) {
        if let Some(cursor) = &mut self.under_way {
            cursor.write_next(state);
        }
    }
}

impl Cursor {
    fn new(state: &State) -> Self {
        let oldest = state.events.first_from(0).map(|oldest| oldest.event.n);
        let mut cursor = Self {
            records: state.records.len(),
            half_refs: state.half_refs.len(),
            events: (oldest.unwrap_or_default(), state.events.next()),
            bytes: 0,
            things: 0,
            began: Instant::now(),
            progress: Progress::begin("compacting the journal", &|_, _, _| {}),
        };
        cursor.things = cursor.left();
        cursor
    }

    /// How many things are left, at most.
    const fn left(&self) -> u64 {
        (self.records + self.half_refs) as u64 + self.events.1.saturating_sub(self.events.0)
    }

    /// How far the visit is, from 0 to 1.
    fn share(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share is for people")]
        let share = self.left() as f64 / self.things.max(1) as f64;
        1.0 - share.min(1.0)
    }

    /// The bytes of everything, by those of what was visited.
    fn estimate(&self) -> usize {
        let visited = u128::from(self.things.saturating_sub(self.left()).max(1));
        let bytes = self.bytes as u128 * u128::from(self.things.max(1)) / visited;
        if self.is_at_end() { self.bytes } else { usize::try_from(bytes).unwrap_or(usize::MAX) }
    }

    const fn is_at_end(&self) -> bool {
        self.records == 0 && self.half_refs == 0 && self.events.0 >= self.events.1
    }

    /// Writes one thing more.
    fn write_next(&mut self, state: &mut State) {
        let before = state.changes.len();
        if let Some((index, device, record)) = state.records.before(self.records) {
            self.records = index;
            let image = RecordImage::of(device, record, &state.tokens);
            state.changes.push(&Change::Record(image));
            if let Some(data) = record.device_data.as_deref() {
                state.changes.push(&Change::device_data(device, data));
            }
            if let Some(conversation) = record.conversation.as_deref() {
                state.changes.push(&Change::Conversation {
                    device: Cow::Borrowed(device),
                    conversation: Cow::Borrowed(conversation),
                });
            }
        } else if let Some((index, digest, half_ref)) = state.half_refs.before(self.half_refs) {
            (self.records, self.half_refs) = (0, index);
            state.changes.push(&Change::HalfRef(*digest, Cow::Borrowed(half_ref)));
        } else if let Some(stored) = state.events.first_from(self.events.0)
            && stored.event.n < self.events.1
        {
            self.events.0 = stored.event.n + 1;
            state.changes.push(&Change::Event(Cow::Borrowed(stored)));
        } else {
            // Nothing is left, also where entries were removed since the compaction began.
            (self.records, self.half_refs, self.events.0) = (0, 0, self.events.1);
        }
        self.bytes += state.changes.len() - before;
    }
}
