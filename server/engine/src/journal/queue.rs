//! The queue of entries between the operations and the committer's thread.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::yield_now, time::timeout};

use super::{
    JournalError,
    compaction::{CompactionStep, Journaled},
};
use crate::{EngineError, memory::notifications::Notifications};

/// How long an operation waits for its commit, at most. A commit that takes longer counts as a
/// disk that hangs, and operations fail until it ends.
pub const COMMIT_DEADLINE: Duration = Duration::from_secs(10);

/// Changes in one batch, at most, in bytes. A larger entry is a batch of its own.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// How long the thread waits for entries before it checks the journal's files. It takes a batch then
/// whose end was not announced: see [`Gathering`].
pub const IDLE: Duration = Duration::from_secs(1);

/// Changes in the queue from which operations fail, in bytes.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// A queued step, to wait for its commit.
pub struct Committed {
    pub answer: Answer,
    gathering: Option<Gathering>,
}

/// Receives when the step is committed. An error means that it is not: it is undone, or its outcome
/// is unknown.
pub type Answer = oneshot::Receiver<()>;

/// The first step of a batch has this: the idle thread begins to commit when it is dropped.
struct Gathering(Arc<Queue>);

impl Committed {
    /// Waits for the commit, for at most [`COMMIT_DEADLINE`].
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] where the commit failed, which changes nothing.
    pub async fn wait(self) -> Result<(), EngineError> {
        if let Some(gathering) = self.gathering {
            // The steps of this turn of the event loop come into one batch. Without that, each would
            // wake the thread and get a batch of its own.
            yield_now().await;
            drop(gathering);
        }
        match timeout(COMMIT_DEADLINE, self.answer).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(EngineError::Unavailable),
            Err(_) => Err(EngineError::OutcomeUnknown),
        }
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.0.lock().is_gathering = false;
        self.0.changed.notify_one();
    }
}

/// What one step changed, and what follows from its commit.
pub struct Entry {
    pub changes: Vec<u8>,
    pub compaction: CompactionStep,
    pub notifications: Notifications,
    /// Is sent to when the entry is committed, and dropped when it is not.
    pub committed: oneshot::Sender<()>,
}

/// How the thread ends, after it has committed what is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Without a trace, as if the process had been killed.
    Abrupt,
    /// With a record that nothing is missing.
    Orderly,
}

#[derive(Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    /// Bytes of the entries' changes.
    bytes: usize,
    /// Whether more entries are to come before the idle thread begins to commit.
    is_gathering: bool,
    /// When the batch that is being committed was taken.
    committing_since: Option<Instant>,
    end: Option<End>,
    /// Whether the last commit failed; nothing is accepted until recovery.
    failed: bool,
    /// Why the last commit failed, or the last probe after it.
    failure: String,
}

impl Inner {
    fn hangs(&self) -> bool {
        self.committing_since.is_some_and(|since| since.elapsed() > COMMIT_DEADLINE)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an operation may begin: the journal has not failed and keeps up.
    pub fn accepts(&self) -> bool {
        let inner = self.lock();
        !inner.hangs() && !inner.failed && inner.bytes < QUEUE_BYTES
    }

    /// How many entries wait for their commit, and the bytes of their changes.
    pub fn waiting(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.entries.len(), inner.bytes)
    }

    /// Why no operation may begin.
    pub fn failure(&self) -> Option<String> {
        let inner = self.lock();
        if inner.failed {
            Some(inner.failure.clone())
        } else if inner.hangs() {
            Some("the disk does not answer".to_owned())
        } else {
            (inner.bytes >= QUEUE_BYTES).then(|| "the disk is too slow".to_owned())
        }
    }

    /// Keeps why the journal cannot be written.
    pub fn note_failure(&self, error: &JournalError) {
        self.lock().failure = error.to_string();
    }

    /// Queues what a step changed, under the lock of its state.
    pub fn push_step(
        self: &Arc<Self>,
        journaled: &mut Journaled,
    ) -> Result<Option<Committed>, EngineError> {
        let notifications = journaled.state.take_notifications();
        let (changes, compaction) = journaled.take_entry();
        self.push(changes, compaction, notifications)
    }

    /// Queues a share of a compaction that is due without a step, under the lock of the state.
    pub fn push_share(
        self: &Arc<Self>,
        journaled: &mut Journaled,
    ) -> Result<Option<Committed>, EngineError> {
        let (changes, compaction) = journaled.take_share();
        self.push(changes, compaction, Notifications::default())
    }

    /// Queues a step's changes. A step without changes waits for the entries before it, because it
    /// may have read what they changed; `None` where there are none.
    fn push(
        self: &Arc<Self>,
        changes: Vec<u8>,
        compaction: CompactionStep,
        notifications: Notifications,
    ) -> Result<Option<Committed>, EngineError> {
        let mut inner = self.lock();
        if inner.failed || inner.end.is_some() {
            return Err(EngineError::Unavailable);
        }
        if changes.is_empty() && inner.entries.is_empty() && inner.committing_since.is_none() {
            return Ok(None);
        }
        let (committed, answer) = oneshot::channel();
        inner.bytes += changes.len();
        let is_first = inner.entries.is_empty() && inner.committing_since.is_none();
        inner.entries.push(Entry { changes, compaction, notifications, committed });
        inner.is_gathering |= is_first;
        drop(inner);
        let gathering = is_first.then(|| Gathering(Arc::clone(self)));
        Ok(Some(Committed { answer, gathering }))
    }

    /// Waits for the next batch, which is empty after `idle_after`. The batch before it is committed.
    pub fn next_batch(&self, idle_after: Duration) -> Result<Vec<Entry>, End> {
        let mut inner = self.lock();
        inner.committing_since = None;
        let mut idle = false;
        loop {
            let gathers = inner.is_gathering && inner.end.is_none();
            if idle || !(inner.entries.is_empty() || gathers) {
                let mut bytes = 0;
                let fits = inner.entries.iter().take_while(|entry| {
                    bytes += entry.changes.len();
                    bytes <= BATCH_BYTES
                });
                let fits = fits.count().max(inner.entries.len().min(1));
                inner.committing_since = Some(Instant::now());
                inner.is_gathering = false;
                let batch: Vec<_> = if fits == inner.entries.len() {
                    mem::take(&mut inner.entries)
                } else {
                    inner.entries.drain(..fits).collect()
                };
                inner.bytes -= batch.iter().map(|entry| entry.changes.len()).sum::<usize>();
                return Ok(batch);
            }
            if let Some(end) = inner.end {
                return Err(end);
            }
            let waited = self.changed.wait_timeout(inner, idle_after);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            inner = guard;
            idle = timeout.timed_out() && inner.end.is_none();
        }
    }

    /// Fails every queued entry, and accepts none until [`Queue::reopen`].
    pub fn fail(&self) {
        let mut inner = self.lock();
        inner.failed = true;
        inner.entries.clear();
        (inner.bytes, inner.committing_since, inner.is_gathering) = (0, None, false);
    }

    /// Accepts entries again.
    pub fn reopen(&self) {
        self.lock().failed = false;
    }

    /// Asks the thread to end. The first request counts.
    pub fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_one();
    }

    /// Waits for a while; returns whether the thread is asked to end.
    pub fn wait_for_end(&self, timeout: Duration) -> bool {
        let (inner, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |inner| inner.end.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        inner.end.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_takes_too_long_has_an_unknown_outcome() {
        let (_committed, answer) = oneshot::channel();
        let committed = Committed { answer, gathering: None };
        assert_eq!(committed.wait().await, Err(EngineError::OutcomeUnknown));
    }

    #[tokio::test]
    async fn a_failed_commit_changes_nothing() {
        let (committed, answer) = oneshot::channel();
        drop(committed);
        let committed = Committed { answer, gathering: None };
        assert_eq!(committed.wait().await, Err(EngineError::Unavailable));
    }
}
