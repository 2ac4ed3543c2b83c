//! The thread that commits what the steps have changed.

use std::{
    io, mem, process,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{compaction::Round, store::Store};
use crate::{
    EngineListener, Unavailable,
    memory::{notifications::Notifications, state::State},
};

/// The most that one commit takes, in bytes; a larger step is a commit of its own.
const COMMIT_AT_MOST: usize = 8 * 1024 * 1024;

/// How long a step waits for its commit. A disk that takes longer is as good as none.
pub const COMMIT_DEADLINE: Duration = Duration::from_secs(10);

/// The most that waits to be committed, in bytes.
const WAITING_AT_MOST: usize = 64 * 1024 * 1024;

/// How long until a journal that took nothing is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How often it is looked whether the thread has ended.
const MOMENT: Duration = Duration::from_millis(1);

/// Hears that a step stands; its end without a word says that it does not.
pub type Committed = oneshot::Receiver<()>;

/// Makes the state anew from what the journal has.
type Reload = Box<dyn Fn(&Store) -> Option<State> + Send>;

/// The way to the thread, which ends with this.
pub struct Journal {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Nothing is taken, because the last commit failed.
    away: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    bytes: usize,
    /// Since when there is a commit under way.
    since: Option<Instant>,
    ending: Option<End>,
}

/// How the thread ends, when everything before is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// As if the process had been killed.
    Now,
    /// With a word that nothing is missing.
    Complete,
}

/// What one step has changed.
struct Entry {
    changes: Vec<u8>,
    round: Round,
    calls: Notifications,
    committed: oneshot::Sender<()>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Begins to commit to `store`. After a failure `reload` makes the state anew.
    pub fn start(
        store: Store,
        state: Arc<Mutex<State>>,
        sockets: Arc<dyn EngineListener>,
        reload: impl Fn(&Store) -> Option<State> + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let committer = Committer {
            queue: Arc::clone(&queue),
            store,
            state,
            sockets,
            reload: Box::new(reload),
            round_began: None,
        };
        let thread =
            thread::Builder::new().name("journal".into()).spawn(move || committer.run())?;
        Ok(Self { queue, thread })
    }

    /// Whether a step may be taken: the journal has not failed and keeps up.
    pub fn takes(&self) -> bool {
        let waiting = self.queue.lock();
        let hangs = waiting.since.is_some_and(|since| since.elapsed() > COMMIT_DEADLINE);
        !hangs && waiting.bytes < WAITING_AT_MOST && !self.queue.away.load(Ordering::Acquire)
    }

    /// Has a step committed. A step that changed nothing waits for those that it may have seen, if
    /// there are any.
    pub fn enqueue(
        &self,
        (changes, round): (Vec<u8>, Round),
        calls: Notifications,
    ) -> Result<Option<Committed>, Unavailable> {
        let mut waiting = self.queue.lock();
        if self.queue.away.load(Ordering::Acquire) || waiting.ending.is_some() {
            return Err(Unavailable);
        }
        if changes.is_empty() && waiting.entries.is_empty() && waiting.since.is_none() {
            return Ok(None);
        }
        let (committed, answer) = oneshot::channel();
        waiting.bytes += changes.len();
        waiting.entries.push(Entry { changes, round, calls, committed });
        if waiting.entries.len() == 1 {
            self.queue.arrived.notify_one();
        }
        Ok(Some(answer))
    }

    /// Commits what waits, and says in the journal that nothing is missing. Nothing is taken after
    /// this.
    pub async fn complete(&self) {
        self.finish(End::Complete);
        while !self.thread.is_finished() {
            tokio::time::sleep(MOMENT).await;
        }
    }

    fn finish(&self, end: End) {
        self.queue.lock().ending.get_or_insert(end);
        self.queue.arrived.notify_one();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish(End::Now);
        // A disk that hangs does not keep the process from ending.
        let since = Instant::now();
        while !self.thread.is_finished() && since.elapsed() < COMMIT_DEADLINE {
            thread::sleep(MOMENT);
        }
    }
}

struct Committer {
    queue: Arc<Queue>,
    store: Store,
    state: Arc<Mutex<State>>,
    sockets: Arc<dyn EngineListener>,
    reload: Reload,
    /// The commit that the round under way began with.
    round_began: Option<i64>,
}

/// Nobody is left waiting for a thread that is gone. One that panics takes the process with it: a
/// restart is safe, and a gateway that refuses everything is not worth keeping.
impl Drop for Committer {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
        let mut waiting = self.queue.lock();
        self.queue.away.store(true, Ordering::Release);
        waiting.entries.clear();
    }
}

impl Committer {
    fn run(mut self) {
        loop {
            let entries = match self.next() {
                Ok(entries) => entries,
                Err(End::Now) => return,
                Err(End::Complete) => {
                    if let Err(error) = self.store.end() {
                        tracing::warn!(%error, "the journal could not be closed");
                    }
                    return;
                }
            };
            if self.commit(entries) {
                self.store.tidy();
            } else if !self.recover() {
                return;
            }
        }
    }

    /// Waits for the next entries, as many as one commit takes.
    fn next(&self) -> Result<Vec<Entry>, End> {
        let mut waiting = self.queue.lock();
        waiting.since = None;
        loop {
            if !waiting.entries.is_empty() {
                let mut bytes = 0;
                let fits = waiting.entries.iter().take_while(|entry| {
                    bytes += entry.changes.len();
                    bytes <= COMMIT_AT_MOST
                });
                let fits = fits.count().max(1);
                waiting.since = Some(Instant::now());
                let entries: Vec<_> = if fits == waiting.entries.len() {
                    mem::take(&mut waiting.entries)
                } else {
                    waiting.entries.drain(..fits).collect()
                };
                waiting.bytes -= entries.iter().map(|entry| entry.changes.len()).sum::<usize>();
                return Ok(entries);
            }
            if let Some(end) = waiting.ending {
                return Err(end);
            }
            waiting = self.queue.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Commits entries and answers them; says whether they stand.
    fn commit(&mut self, mut entries: Vec<Entry>) -> bool {
        let mut changes = Vec::new();
        for entry in &mut entries {
            if changes.is_empty() {
                changes = mem::take(&mut entry.changes);
            } else {
                changes.append(&mut entry.changes);
            }
        }
        if !changes.is_empty() {
            match self.store.commit(&changes) {
                Ok(n) => self.count_rounds(&entries, n),
                Err(error) => {
                    tracing::error!(%error, "the journal takes nothing");
                    return false;
                }
            }
        }
        for Entry { calls, committed, .. } in entries {
            calls.make(&*self.sockets);
            // Who does not wait any more needs no answer.
            let _ = committed.send(());
        }
        true
    }

    fn count_rounds(&mut self, entries: &[Entry], n: i64) {
        for Round { begins, ends } in entries.iter().map(|entry| entry.round) {
            if begins {
                self.round_began = Some(n);
            }
            if ends && let Some(began) = self.round_began.take() {
                self.store.forget_before(began);
            }
        }
    }

    /// Refuses all that waits and lets nothing in until the journal takes entries again; then the
    /// state is what the journal has. Says whether to go on.
    fn recover(&mut self) -> bool {
        {
            let mut waiting = self.queue.lock();
            self.queue.away.store(true, Ordering::Release);
            waiting.entries.clear();
            (waiting.bytes, waiting.since) = (0, None);
        }
        self.round_began = None;
        loop {
            let waiting = self.queue.lock();
            let goes_on = |waiting: &mut Waiting| waiting.ending.is_none();
            let (waiting, _) = self
                .queue
                .arrived
                .wait_timeout_while(waiting, RETRY, goes_on)
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.ending.is_some() {
                return false;
            }
            drop(waiting);
            if self.store.probe().is_ok()
                && let Some(fresh) = (self.reload)(&self.store)
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let before = mem::replace(&mut *state, fresh);
                self.queue.away.store(false, Ordering::Release);
                drop(state);
                drop(before);
                tracing::info!("the journal takes entries again");
                return true;
            }
        }
    }
}
