//! The thread that commits entries, and recovers the state when a commit fails.

use std::{
    fs, io, mem,
    path::PathBuf,
    process,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    compaction::{CompactionStep, Journaled},
    queue::{COMMIT_DEADLINE, Committed, End, Entry, IDLE, Queue},
    settling::{Confirmation, Settling},
    store::Store,
};
use crate::{
    EngineError, EngineListener, Histogram, JournalStats, Millis,
    memory::{notifications::Notifications, state::Given},
};

/// Pause between two probes of a journal that failed.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Pause between two steps that shrink the file, while there is nothing to commit.
const SHRINK_INTERVAL: Duration = Duration::from_millis(20);

/// The same while there always is something to commit: a step takes a few milliseconds.
const SHRINK_INTERVAL_UNDER_LOAD: Duration = Duration::from_millis(200);

/// Pause between two checks whether the thread has ended.
const JOIN_INTERVAL: Duration = Duration::from_millis(1);

/// Reads the state again from the store; `None` where that fails.
type Reload = Box<dyn Fn(&Store) -> Option<Journaled> + Send>;

/// The handle of the thread, which ends when this is dropped.
pub struct Journal {
    queue: Arc<Queue>,
    settling: Settling,
    files: [PathBuf; 2],
    /// How long each commit took.
    commits: Arc<Histogram>,
    thread: JoinHandle<()>,
}

impl Journal {
    /// Starts the thread. It commits to `store`, replaces `state` by what `reload` returns after a
    /// failure, and notifies `listener` of what is committed.
    pub fn start(
        store: Store,
        state: Arc<Mutex<Journaled>>,
        listener: Arc<dyn EngineListener>,
        reload: impl Fn(&Store) -> Option<Journaled> + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let files = store.files();
        // From 50 microseconds to 13 seconds.
        let commits = Arc::new(Histogram::of_durations(Duration::from_micros(50), 19));
        let committer = Committer {
            queue: Arc::clone(&queue),
            store,
            state,
            listener,
            reload: Box::new(reload),
            compaction_began: None,
            commits: Arc::clone(&commits),
        };
        let thread =
            thread::Builder::new().name("journal".into()).spawn(move || committer.run())?;
        Ok(Self { queue, settling: Settling::default(), files, commits, thread })
    }

    /// Whether an operation may begin: the journal has not failed and keeps up.
    pub fn accepts(&self) -> bool {
        self.queue.accepts()
    }

    /// Queues a step for its commit, under the lock of its state, so that entries are in the order
    /// of their steps. `None` where the step changed nothing and nothing is queued before it.
    pub fn enqueue_step(
        &self,
        journaled: &mut Journaled,
    ) -> Result<Option<Committed>, EngineError> {
        self.queue.push_step(journaled)
    }

    /// Queues a share of a compaction that is due without a step, under the lock of the state.
    pub fn enqueue_share(
        &self,
        journaled: &mut Journaled,
    ) -> Result<Option<Committed>, EngineError> {
        self.queue.push_share(journaled)
    }

    /// Waits for the confirmation that what a client is to be given is committed. Dropped without
    /// it, that is unconfirmed.
    pub const fn expect(&self, given: Given) -> Confirmation<'_> {
        self.settling.expect(given)
    }

    /// Revokes what is unconfirmed: no client was given it.
    pub fn settle(&self, journaled: &mut Journaled, now: Millis) -> Result<(), EngineError> {
        self.settling.settle(journaled, &self.queue, now)
    }

    /// The journal's numbers, without those that its state has ([`Journaled::add_stats`]).
    pub fn stats(&self) -> JournalStats {
        let length = |file| fs::metadata(file).map_or(0, |metadata| metadata.len());
        let (entries, bytes) = self.queue.waiting();
        JournalStats {
            file_bytes: self.files.iter().map(length).sum(),
            waiting_entries: entries as u64,
            waiting_bytes: bytes as u64,
            commits: self.commits.stats(),
            ..JournalStats::default()
        }
    }

    /// Why operations fail, if they do.
    pub fn failure(&self) -> Option<String> {
        self.queue.failure()
    }

    /// Commits what is queued, records that nothing is missing, and ends the thread. Nothing is
    /// accepted any more.
    pub async fn shut_down(&self) {
        self.queue.end(End::Orderly);
        while !self.thread.is_finished() {
            tokio::time::sleep(JOIN_INTERVAL).await;
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue.end(End::Abrupt);
        // Bounded, so that a disk that hangs does not keep the process alive.
        let since = Instant::now();
        while !self.thread.is_finished() && since.elapsed() < COMMIT_DEADLINE {
            thread::sleep(JOIN_INTERVAL);
        }
    }
}

struct Committer {
    queue: Arc<Queue>,
    store: Store,
    state: Arc<Mutex<Journaled>>,
    listener: Arc<dyn EngineListener>,
    reload: Reload,
    /// The number of the commit with which the compaction under way began.
    compaction_began: Option<i64>,
    /// How long each commit took.
    commits: Arc<Histogram>,
}

/// Fails what is queued, so that no operation waits for a thread that ended. A panic ends the
/// process: a restart recovers, and a gateway that refuses everything helps no one.
impl Drop for Committer {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
        self.queue.fail();
    }
}

impl Committer {
    fn run(mut self) {
        let mut shrunk = Instant::now();
        loop {
            let idle_after = if self.store.shrinks() { SHRINK_INTERVAL } else { IDLE };
            let batch = match self.queue.next_batch(idle_after) {
                Ok(batch) => batch,
                Err(End::Abrupt) => return,
                Err(End::Orderly) => {
                    if let Err(error) = self.store.end_run() {
                        tracing::warn!(%error, "the journal could not be closed");
                    }
                    return;
                }
            };
            let is_idle = batch.is_empty();
            if self.commit(batch) {
                self.store.checkpoint();
                if self.store.shrinks()
                    && (is_idle || shrunk.elapsed() > SHRINK_INTERVAL_UNDER_LOAD)
                {
                    self.store.shrink();
                    shrunk = Instant::now();
                }
            } else if !self.recover() {
                return;
            }
        }
    }

    /// Commits a batch, delivers its notifications and answers its operations. Returns whether the
    /// commit succeeded.
    fn commit(&mut self, mut batch: Vec<Entry>) -> bool {
        let mut changes = Vec::new();
        for entry in &mut batch {
            if changes.is_empty() {
                changes = mem::take(&mut entry.changes);
            } else {
                changes.append(&mut entry.changes);
            }
        }
        let written = if changes.is_empty() {
            self.store.follow_clock();
            self.store.check()
        } else {
            let began = Instant::now();
            let committed = self.store.commit(&changes);
            self.commits.observe_duration(began.elapsed());
            committed.map(|n| self.track_compaction(&batch, n))
        };
        if let Err(error) = written {
            tracing::error!(%error, "the journal cannot be written");
            self.queue.note_failure(&error);
            return false;
        }
        let mut notifications = Notifications::default();
        for entry in &mut batch {
            notifications.append(&mut entry.notifications);
        }
        notifications.deliver(&*self.listener);
        for entry in batch {
            // The receiver is dropped where the operation was given up.
            let _ = entry.committed.send(());
        }
        true
    }

    /// Makes what is before a complete compaction obsolete.
    fn track_compaction(&mut self, batch: &[Entry], n: i64) {
        for CompactionStep { begins, ends } in batch.iter().map(|entry| entry.compaction) {
            if begins {
                self.compaction_began = Some(n);
            }
            if ends && let Some(began) = self.compaction_began.take() {
                self.store.mark_obsolete(began);
            }
        }
    }

    /// Fails everything until the journal can be written again, then replaces the state by what the
    /// journal has. Returns `false` where the thread is asked to end instead.
    fn recover(&mut self) -> bool {
        self.queue.fail();
        self.compaction_began = None;
        while !self.queue.wait_for_end(PROBE_INTERVAL) {
            if let Err(error) = self.store.probe() {
                self.queue.note_failure(&error);
                continue;
            }
            if let Some(fresh) = (self.reload)(&self.store) {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let replaced = mem::replace(&mut *state, fresh);
                self.queue.reopen();
                drop(state);
                drop(replaced);
                tracing::info!("the journal can be written again");
                return true;
            }
        }
        false
    }
}
