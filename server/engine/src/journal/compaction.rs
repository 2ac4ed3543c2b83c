//! Keeps the journal short: in rounds, all that there is gets written down again, a little of it
//! with each step. When a round is through, what the journal had from before it began can go.
//!
//! A round begins when the journal has grown to twice what the last round wrote, and writes two
//! bytes for each that the steps write themselves, so the journal is never longer than about four
//! times what is in memory. A start makes sure of that by itself, because a round that was under
//! way has ended with its process.

use std::{borrow::Cow, convert::Infallible, sync::Arc};

use crate::memory::{Change, image, state::State};

/// What a step's share of a round is at the most, in bytes.
const SHARE_AT_MOST: usize = 1024 * 1024;

/// How far the rewriting has come.
pub struct Compaction {
    /// A journal shorter than this is not worth a round, in bytes.
    at_least: usize,
    /// Bytes that steps have written since the last round began.
    written: usize,
    /// Bytes that the last round wrote.
    live: usize,
    walk: Option<Walk>,
}

/// A round under way: the places before which everything is still to be written.
struct Walk {
    records: usize,
    half_refs: usize,
    /// The first event that is still to be written, and the first that is newer than the round.
    events: (u64, u64),
    bytes: usize,
}

/// What an entry means for the journal before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// A round begins with this entry.
    pub begins: bool,
    /// Nothing from before the entry that began the round is needed any more.
    pub ends: bool,
}

impl Compaction {
    pub const fn new(at_least: usize) -> Self {
        Self { at_least, written: 0, live: 0, walk: None }
    }
}

impl State {
    /// What was changed, as the journal is to have it.
    pub fn noted(&mut self) -> Vec<u8> {
        self.note_touched();
        self.notes.take()
    }

    /// What the step has changed, as the journal is to have it, with its share of a round.
    pub fn written(&mut self) -> (Vec<u8>, Round) {
        self.note_touched();
        let own = self.notes.len();
        if own == 0 {
            return (Vec::new(), Round::default());
        }
        self.relog.written += own;
        let begins = self.relog.walk.is_none()
            && self.relog.written > self.relog.at_least.max(2 * self.relog.live);
        if begins {
            self.begin_round();
        }
        let share = (2 * own).min(SHARE_AT_MOST);
        while self.relog.walk.as_ref().is_some_and(|walk| !walk.is_through())
            && self.notes.len() < own + share
        {
            self.note_next();
        }
        let ends = self.relog.walk.take_if(|walk| walk.is_through()).is_some_and(|walk| {
            self.relog.live = walk.bytes;
            true
        });
        (self.notes.take(), Round { begins, ends })
    }

    /// The journal has so many bytes. Says whether that is too long, as rounds would have it.
    pub fn measure(&mut self, bytes: usize) -> bool {
        let mut live = 0;
        // Nothing fails that writes nothing.
        let _ = self.rewrite(|changes| {
            live += changes.len();
            Ok::<_, Infallible>(())
        });
        (self.relog.live, self.relog.written) = (live, bytes.saturating_sub(live));
        bytes > self.relog.at_least + 4 * live
    }

    /// Writes down all there is, some of it at a time.
    pub fn rewrite<E>(&mut self, mut commit: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.begin_round();
        while self.relog.walk.as_ref().is_some_and(|walk| !walk.is_through()) {
            self.note_next();
            if self.notes.len() > SHARE_AT_MOST {
                commit(&self.notes.take())?;
            }
        }
        self.relog.live = self.relog.walk.take().map_or(0, |walk| walk.bytes);
        self.records.take_touched();
        self.half_refs.take_touched();
        commit(&self.notes.take())
    }

    fn note_touched(&mut self) {
        let (records, half_refs) = (self.records.take_touched(), self.half_refs.take_touched());
        if !self.notes.are_kept() {
            return;
        }
        for device in records {
            let change = match self.records.get(&device) {
                Some(record) => image(&self.tokens, &device, record),
                None => Change::RecordEnded { device: Cow::Borrowed(&device) },
            };
            self.notes.note(&change);
        }
        for half_ref in half_refs {
            let change = match self.half_refs.get(&half_ref) {
                Some(known) => Change::HalfRef(half_ref, Cow::Borrowed(known)),
                None => Change::HalfRefForgotten(half_ref),
            };
            self.notes.note(&change);
        }
    }

    fn begin_round(&mut self) {
        self.relog.written = 0;
        self.relog.walk = Some(Walk {
            records: self.records.len(),
            half_refs: self.half_refs.len(),
            events: (0, self.events.next()),
            bytes: 0,
        });
        self.note_stream();
    }

    /// Writes down the event stream's name.
    pub fn note_stream(&mut self) {
        let (name, next) = (Arc::clone(&self.events.stream), self.events.next());
        self.notes.note(&Change::Stream { name: Cow::Borrowed(&name), next });
    }

    /// Writes down the next thing of the round.
    fn note_next(&mut self) {
        let Some(walk) = &mut self.relog.walk else { return };
        let before = self.notes.len();
        if let Some((place, device, record)) = self.records.before(walk.records) {
            walk.records = place;
            self.notes.note(&image(&self.tokens, device, record));
            if let Some(conversation) = record.conversation.as_deref() {
                let conversation = Cow::Borrowed(conversation);
                self.notes
                    .note(&Change::Conversation { device: Cow::Borrowed(device), conversation });
            }
        } else if let Some((place, half_ref, known)) = self.half_refs.before(walk.half_refs) {
            (walk.records, walk.half_refs) = (0, place);
            self.notes.note(&Change::HalfRef(*half_ref, Cow::Borrowed(known)));
        } else if let Some(event) = self.events.kept_from(walk.events.0)
            && event.n < walk.events.1
        {
            walk.events.0 = event.n + 1;
            self.notes.note(&Change::Event(Cow::Borrowed(event)));
        } else {
            // Nothing is left, also where less is there than when the round began.
            (walk.records, walk.half_refs, walk.events.0) = (0, 0, walk.events.1);
        }
        walk.bytes += self.notes.len() - before;
    }
}

impl Walk {
    const fn is_through(&self) -> bool {
        self.records == 0 && self.half_refs == 0 && self.events.0 >= self.events.1
    }
}
