//! Recovery: reads the state from the journal and makes it ready to serve.

use std::{
    borrow::Cow,
    collections::{BTreeMap, hash_map::Entry},
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
};

use super::{
    committer::Journal,
    compaction::Journaled,
    error::JournalError,
    progress::{Progress, Report},
    run::Durability,
    store::Store,
};
use crate::{
    Clock, EngineListener, Limits, RateState,
    memory::{
        change::{Change, RecordImage, TokenImage},
        record::{HalfRefState, Record, Token},
        segments::StoredEvent,
        state::State,
    },
    time::Timeline,
};

/// Opens the journal in `folder`, recovers its state and starts to commit.
///
/// The journal is compacted once it is longer than `compaction_threshold` bytes and much longer
/// than the state.
pub fn open(
    folder: &Path,
    durability: Durability,
    limits: &Limits,
    compaction_threshold: usize,
    clock: Arc<dyn Clock>,
    listener: Arc<dyn EngineListener>,
) -> Result<(Arc<Mutex<Journaled>>, Timeline, Journal), JournalError> {
    let began = Instant::now();
    let (mut store, lost_tail) = Store::open(folder, durability, clock)?;
    let report: Report<'_> = &|what: &str, done, of| listener.recovery_progressed(what, done, of);
    let (mut journaled, too_long) = load(limits, compaction_threshold, &store, report)?;
    if store.next() > 1 {
        tracing::info!(
            folder = %folder.display(),
            commit = store.next() - 1,
            devices = journaled.state.records.len(),
            millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "journal recovered"
        );
    }
    let timeline = store.timeline().clone();
    prepare(&mut journaled, &mut store, lost_tail, too_long, report)?;
    let state = Arc::new(Mutex::new(journaled));
    let limits = limits.clone();
    let reload = move |store: &Store| {
        load(&limits, compaction_threshold, store, &|_, _, _| {})
            .map_err(|error| tracing::error!(%error, "the journal cannot be read"))
            .map(|(journaled, _)| journaled)
            .ok()
    };
    let journal = Journal::start(store, Arc::clone(&state), listener, reload)?;
    Ok((state, timeline, journal))
}

/// Reads the state as the last commit left it. Returns as well whether the journal is longer than
/// it should be.
fn load(
    limits: &Limits,
    compaction_threshold: usize,
    store: &Store,
    report: Report<'_>,
) -> Result<(Journaled, bool), JournalError> {
    let mut replay = Replay::new(limits.clone());
    let mut length = 0;
    let mut progress = Progress::begin("reading the journal", report);
    let (mut commits, all) = (0, store.commits());
    store.read(|n, changes| {
        progress.log(commits, all);
        commits += 1;
        length += changes.len();
        decode(n, changes, |change| replay.apply(change))?;
        replay.state.discard_dirty();
        Ok(())
    })?;
    let has_erasures = replay.has_erasures;
    let mut journaled = Journaled::new(replay.finish(), compaction_threshold);
    let too_long = journaled.measure(length);
    if has_erasures {
        journaled.request_compaction();
    }
    Ok((journaled, too_long))
}

/// Decodes the changes of commit `n`.
pub fn decode<'a>(
    n: i64,
    mut changes: &'a [u8],
    mut each: impl FnMut(Change<'a>),
) -> Result<(), JournalError> {
    while !changes.is_empty() {
        let (change, rest) =
            postcard::take_from_bytes(changes).map_err(|_| JournalError::Damaged { entry: n })?;
        each(change);
        changes = rest;
    }
    Ok(())
}

/// Makes a state that was read ready to serve: expires what fell due, closes the sockets of the
/// process before, and starts new epochs where the tail may be lost.
fn prepare(
    journaled: &mut Journaled,
    store: &mut Store,
    lost_tail: bool,
    too_long: bool,
    report: Report<'_>,
) -> Result<(), JournalError> {
    if lost_tail {
        tracing::warn!(
            "the end of the journal may be lost: new epochs and a new event stream begin"
        );
        store.record_lost_tail()?;
        journaled.state.renumber();
    }
    if lost_tail || too_long {
        let before = store.next();
        let mut progress = Progress::begin("compacting the journal", report);
        let (mut bytes, all) = (0, journaled.live_bytes());
        journaled.write_all(|changes| {
            bytes += changes.len() as u64;
            progress.log(bytes, all);
            store.commit(changes).map(|_| ())
        })?;
        store.mark_obsolete(before);
    }
    let moment = store.timeline().now();
    let (state, now) = (&mut journaled.state, moment.engine);
    state.wall_offset = moment.wall_offset();
    let left = |state: &State| (state.deadlines.due(now) + state.connected.len()) as u64;
    let (mut progress, all) = (Progress::begin("ending what is over", report), left(state));
    while !state.expire_some(now) || !state.close_some(now) {
        progress.log_by(|| (all.saturating_sub(left(state)), all));
        store.commit(&state.take_changes())?;
        store.checkpoint();
    }
    state.push_stream();
    store.commit(&state.take_changes())?;
    // Nothing of the process before waits for them.
    drop(state.take_notifications());
    store.begin_run()
}

/// A state while the changes of the journal are applied to it.
struct Replay {
    state: State,
    /// The events by number: a compaction writes old ones after newer ones.
    events: BTreeMap<u64, StoredEvent>,
    /// Whether a device was erased and what it said may still be in the journal.
    has_erasures: bool,
}

impl Replay {
    fn new(limits: Limits) -> Self {
        Self { state: State::journaled(limits), events: BTreeMap::new(), has_erasures: false }
    }

    fn apply(&mut self, change: Change<'_>) {
        let state = &mut self.state;
        match change {
            Change::Stream { name, oldest, next } => {
                state.events.rename(&name, next);
                state.events.skip_before(oldest);
            }
            Change::Record(image) => self.restore_record(image),
            Change::RecordDeleted { device } => {
                self.remove_record(&device);
            }
            Change::Conversation { device, conversation } => {
                if let Some(record) = state.records.get_mut_clean(&*device) {
                    record.conversation = Some(Box::new(conversation.into_owned()));
                }
            }
            Change::Queued { device, seq, expires, data, key } => {
                if let Some(record) = state.records.get_mut_clean(&*device) {
                    let conversation = record.conversation.get_or_insert_default();
                    conversation.restore(seq, expires, &data);
                    if let Some(key) = key {
                        conversation.remember_key(key.request, key.connected, key.expires);
                    }
                }
            }
            Change::Acknowledged { device, seq } => {
                if let Some(conversation) = state.conversation(&device) {
                    conversation.acknowledge(seq);
                }
            }
            Change::MessageExpired { device, seq } => {
                let remembered = state.limits.outbox_messages;
                if let Some(conversation) = state.conversation(&device) {
                    conversation.expire(seq, remembered);
                }
            }
            Change::Accepted { device, id } => {
                let remembered = state.limits.remembered_ids;
                if let Some(record) = state.records.get_mut_clean(&*device) {
                    record.conversation.get_or_insert_default().accept(&id, remembered);
                }
            }
            Change::HalfRef(digest, half_ref) => {
                state.half_refs.insert(digest, half_ref.into_owned());
            }
            Change::HalfRefForgotten(digest) => {
                state.half_refs.remove(&digest);
            }
            Change::Event(stored) => {
                let mut stored = stored.into_owned();
                let event = &mut stored.event;
                // All that is of one device shares one allocation of its name.
                if let Some((name, _)) = state.records.get_key_value(&*event.device) {
                    event.device = Arc::clone(name);
                }
                state.events.skip_to(event.n);
                self.events.insert(event.n, stored);
            }
            Change::DeviceData { device, data } => {
                if let Some(record) = state.records.get_mut_clean(&*device) {
                    record.device_data = Some((*data).into());
                }
            }
            Change::Released { through } => {
                self.events = self.events.split_off(&(through + 1));
                state.events.skip_before(through + 1);
            }
            Change::Erased { events } => {
                for n in events {
                    self.events.remove(&n);
                }
                self.has_erasures = true;
            }
        }
    }

    fn restore_record(&mut self, image: RecordImage<'_>) {
        // A claim without a token is not written; one that was read is ignored.
        let Some(holder) = image.holder() else { return };
        let state = &mut self.state;
        // The name is shared by all that is of the device.
        let device =
            if let Some((device, record)) = state.records.get_full_mut_clean(&*image.device) {
                for token in record.holder.tokens() {
                    if !holder.tokens().contains(token) {
                        state.tokens.remove(token);
                    }
                }
                if *record.epoch != *image.epoch {
                    record.epoch = (*image.epoch).into();
                    (record.device_data, record.conversation) = (None, None);
                }
                record.holder = holder;
                record.last_seen = image.last_seen;
                record.socket = image.socket.map(Cow::into_owned);
                record.expires = image.expires;
                Arc::clone(device)
            } else {
                let device: Arc<str> = (*image.device).into();
                let record = Record {
                    epoch: (*image.epoch).into(),
                    holder,
                    device_data: None,
                    last_seen: image.last_seen,
                    pending: Vec::new(),
                    socket: image.socket.map(Cow::into_owned),
                    conversation: None,
                    expires: image.expires,
                    authorisations: RateState::default(),
                };
                state.records.insert(Arc::clone(&device), record);
                device
            };
        for TokenImage { token, expires, key } in image.tokens {
            match state.tokens.entry(token) {
                Entry::Occupied(mut known) if known.get().device == device => {
                    (known.get_mut().expires, known.get_mut().key) = (expires, key);
                }
                entry => {
                    entry.insert_entry(Token { device: Arc::clone(&device), expires, key });
                }
            }
        }
    }

    /// Removes a record with its tokens.
    fn remove_record(&mut self, device: &str) -> Option<Record> {
        let record = self.state.records.remove(device);
        for token in record.iter().flat_map(|record| record.holder.tokens()) {
            self.state.tokens.remove(token);
        }
        record
    }

    /// The state with what the journal does not store, because it follows from the rest.
    fn finish(self) -> State {
        let Self { mut state, events, has_erasures: _ } = self;
        state.events.restore(events.into_values());
        // A tree that is made from all its deadlines is made far faster than one at a time.
        let (mut records, mut messages) = (Vec::with_capacity(state.records.len()), Vec::new());
        for (device, record) in state.records.iter() {
            records.push((record.expires, Arc::clone(device)));
            if let Some(socket) = &record.socket {
                state.connected.insert(Arc::clone(device));
                if let Some(link) = &socket.linkinjected {
                    state.linked.insert((Arc::clone(link), Arc::clone(device)));
                }
            }
            state.events.reserve(record.reserved(device));
            for (seq, expires) in record.conversation.iter().flat_map(|it| it.deadlines()) {
                messages.push((expires, Arc::clone(device), seq));
            }
        }
        state.deadlines.records = records.into_iter().collect();
        state.deadlines.messages = messages.into_iter().collect();
        let tokens = state.tokens.iter().map(|(token, known)| (known.expires, *token));
        state.deadlines.tokens = tokens.collect();
        for (digest, half_ref) in state.half_refs.iter() {
            let deadlines = match half_ref.state {
                HalfRefState::Pending { .. } => &mut state.deadlines.pending,
                HalfRefState::Ended(_) => &mut state.deadlines.remembered,
            };
            deadlines.insert((half_ref.expires, *digest));
            state.next_order = state.next_order.max(half_ref.order + 1);
        }
        let pending = state.deadlines.pending.iter().map(|(_, digest)| *digest);
        let mut pending: Vec<_> = pending
            .filter_map(|digest| state.half_refs.get(&digest).map(|it| (it.order, digest)))
            .collect();
        pending.sort_unstable();
        for (_, digest) in pending {
            if let Some(half_ref) = state.half_refs.get(&digest)
                && let Some(record) = state.records.get_mut_clean(&half_ref.device)
            {
                record.pending.push(digest);
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn image(epoch: &'static str, tokens: &[&str]) -> Change<'static> {
        let of = |name: &&str| TokenImage { token: digest(name), expires: 5, key: None };
        Change::Record(RecordImage {
            device: "phone".into(),
            epoch: epoch.into(),
            claimed: true,
            tokens: tokens.iter().map(of).collect(),
            socket: None,
            last_seen: None,
            expires: 6,
        })
    }

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn replayed(changes: Vec<Change<'_>>) -> State {
        let mut replay = Replay::new(Limits::default());
        for change in changes {
            replay.apply(change);
        }
        replay.finish()
    }

    fn queued() -> Change<'static> {
        let data = "1".into();
        Change::Queued { device: "phone".into(), seq: 1, expires: 9, data, key: None }
    }

    #[test]
    fn a_record_that_is_written_again_keeps_its_messages_and_loses_its_earlier_tokens() {
        let state = replayed(vec![image("1", &["a", "b"]), queued(), image("1", &["b", "c"])]);
        assert_eq!(state.deadlines.messages.len(), 1);
        let known = |name| state.tokens.contains_key(&digest(name));
        assert_eq!(["a", "b", "c"].map(known), [false, true, true]);
        assert_eq!(state.deadlines.tokens.len(), 2);
        assert_eq!(state.deadlines.records.len(), 1);
    }

    #[test]
    fn a_record_of_another_epoch_begins_without_messages() {
        let described = Change::device_data("phone", "{}");
        let state = replayed(vec![image("1", &["a"]), described, queued(), image("2", &["a"])]);
        assert_eq!(state.deadlines.messages.len(), 0);
        assert!(state.records.get("phone").is_some_and(|record| record.device_data.is_none()));
    }

    #[test]
    fn a_start_tells_how_much_of_what_is_over_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(crate::SystemClock);
        let (mut store, _) =
            Store::open(folder.path(), Durability::Process, clock).expect("opened");
        let mut state = State::journaled(Limits::default());
        for n in 0..3000 {
            let device = format!("device-{n}");
            let issued =
                state.request_token(&device, crate::Requester::Operator, None, digest(&device), 0);
            assert!(issued.is_ok());
        }
        state.take_changes();
        let reported = Mutex::new(Vec::new());
        let report = |what: &str, done, of| {
            reported.lock().expect("whole").push((what.to_owned(), done, of));
        };
        let mut journaled = Journaled::new(state, usize::MAX / 8);
        prepare(&mut journaled, &mut store, false, false, &report).expect("prepared");
        let reported = reported.into_inner().expect("whole");
        assert!(reported.len() > 2, "{reported:?}");
        assert!(reported.is_sorted_by(|one, next| one.1 < next.1), "{reported:?}");
        assert!(reported.iter().all(|it| it.0 == "ending what is over" && it.2 == 6000));
    }

    #[test]
    fn a_long_state_is_estimated_and_a_short_one_is_counted() {
        let mut state = State::journaled(Limits::default());
        for n in 0..1000 {
            let device = format!("device-{n:04}");
            let requester = crate::Requester::Operator;
            let issued = state.request_token(&device, requester, None, digest(&device), 0);
            assert!(issued.is_ok());
        }
        let journal = state.take_changes().len();
        let mut counted = Journaled::new(state, usize::MAX / 8);
        assert!(!counted.measure(journal));
        let exactly = counted.live_bytes();
        let mut estimated = Journaled::new(counted.state, 1);
        assert!(!estimated.measure(2 * journal), "not yet four times as long");
        assert!(estimated.live_bytes().abs_diff(exactly) < exactly / 20);
        assert!(estimated.measure(8 * journal), "far longer than the state");
        assert_eq!(estimated.live_bytes(), exactly);
    }
}
