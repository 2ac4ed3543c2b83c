//! The engine of one gateway: everything in memory, each operation one step under one lock, and
//! optionally a journal on disk.
//!
//! The way of one operation:
//!
//! ```text
//!  caller's task                                     journal's thread
//!  ─────────────                                     ────────────────
//!  lock the state
//!    expire what is due     (in entries of their own, if it is much)
//!    the step (memory/) ──> change buffer ─┐
//!                       └─> notifications ─┤
//!    take both as one entry                │
//!    queue the entry ──────────────────────┴──────>  commit a batch of entries
//!  unlock                                            deliver their notifications
//!  wait ... <──────────────────────────────────────  answer
//!  return
//! ```
//!
//! An idle thread begins once the event loop has had its turn, so that what was ready goes into one
//! batch.
//!
//! Without a journal the notifications are delivered after the lock is released, and nothing waits.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::{task::yield_now, time::timeout};

use crate::{
    Acknowledgement, Authorisation, AuthoriseError, Clock, ConnectionId, DeviceState, Digest,
    Durability, Engine, EngineError, EngineListener, EngineStats, Events, JournalError, Limits,
    Message, Millis, Opened, Outgoing, RedeemError, ReleaseError, RequestTokenError, Requester,
    SendError, Sent, SocketError, TokenError, TokenId,
    journal::{self, COMMIT_DEADLINE, Committed, Journal, Journaled},
    memory::state::{Given, State},
    time::Timeline,
};

/// Length of a journal from which it is compacted, in bytes: 16 MiB.
pub const COMPACTION_THRESHOLD: usize = 16 * 1024 * 1024;

/// The embedded engine.
pub struct Embedded {
    state: Arc<Mutex<Journaled>>,
    timeline: Timeline,
    listener: Arc<dyn EngineListener>,
    journal: Option<Journal>,
}

impl Embedded {
    /// An empty engine without a journal: everything ends with the process.
    #[must_use]
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, listener: Arc<dyn EngineListener>) -> Self {
        let state = Arc::new(Mutex::new(Journaled::new(State::new(limits), 0)));
        Self { state, timeline: Timeline::new(clock), listener, journal: None }
    }

    /// An engine with the state of the journal in `folder`, which is made if there is none.
    ///
    /// Sockets that the journal knows of are closed. Where the end of the journal may be lost,
    /// every device gets a new epoch and the event stream a new name. The journal is compacted once
    /// it is longer than `compaction_threshold` bytes and much longer than the state.
    ///
    /// # Errors
    /// [`JournalError`], when the journal cannot be opened, read or written.
    pub fn open(
        limits: &Limits,
        clock: Arc<dyn Clock>,
        listener: Arc<dyn EngineListener>,
        folder: &Path,
        durability: Durability,
        compaction_threshold: usize,
    ) -> Result<Self, JournalError> {
        let (state, timeline, journal) = journal::open(
            folder,
            durability,
            limits,
            compaction_threshold,
            clock,
            Arc::clone(&listener),
        )?;
        Ok(Self { state, timeline, listener, journal: Some(journal) })
    }

    /// Runs one step, and returns when it is committed: no one sees what a crash could undo.
    ///
    /// # Errors
    /// [`EngineError::OutcomeUnknown`] where the commit takes longer than [`COMMIT_DEADLINE`].
    async fn step<T>(
        &self,
        operation: impl FnOnce(&mut State, Millis) -> T,
    ) -> Result<T, EngineError> {
        let (answer, committed) = self.begin(operation)?;
        wait_for(committed).await?;
        Ok(answer)
    }

    /// Runs one step that changes nothing. It waits for the commits of what it has read.
    async fn read<T>(
        &self,
        operation: impl FnOnce(&mut State, Millis) -> T,
    ) -> Result<T, EngineError> {
        self.step(operation).await.map_err(|_| EngineError::Unavailable)
    }

    /// Runs one step without waiting for its commit.
    fn begin<T>(
        &self,
        operation: impl FnOnce(&mut State, Millis) -> T,
    ) -> Result<(T, Option<Committed>), EngineError> {
        loop {
            let mut state = self.lock()?;
            // Read under the lock, so that time does not go back from one step to the next.
            let moment = self.timeline.now();
            let now = moment.engine;
            state.state.wall_offset = moment.wall_offset();
            if let Some(journal) = &self.journal {
                journal.settle(&mut state, now)?;
            }
            if state.state.expire_some(now) {
                let answer = operation(&mut state.state, now);
                return Ok((answer, self.finish(state)?));
            }
            // What is due is more than one entry holds; other steps have their turn in between.
            self.finish(state)?;
        }
    }

    /// Locks the state for a step, which begins only where the journal accepts it.
    fn lock(&self) -> Result<MutexGuard<'_, Journaled>, EngineError> {
        // No step panics half-way. If one did, the records of other devices would be whole.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.journal.as_ref().is_none_or(Journal::accepts) {
            Ok(state)
        } else {
            Err(EngineError::Unavailable)
        }
    }

    /// Waits for the commit of a step that gives something to a client. Where it is not confirmed, or
    /// the caller does not wait, no client gets it, and it is revoked.
    async fn confirm(
        &self,
        given: Option<Given>,
        committed: Option<Committed>,
    ) -> Result<(), EngineError> {
        let journal = self.journal.as_ref();
        let confirmation = journal.zip(given).map(|(journal, given)| journal.expect(given));
        wait_for(committed).await?;
        if let Some(confirmation) = confirmation {
            confirmation.confirm();
        }
        Ok(())
    }

    /// Queues what a step changed, and releases the lock.
    fn finish(
        &self,
        mut state: MutexGuard<'_, Journaled>,
    ) -> Result<Option<Committed>, EngineError> {
        if let Some(journal) = &self.journal {
            return journal.enqueue_step(&mut state);
        }
        let notifications = state.state.take_notifications();
        // Nothing is written down, and a dirty entry stays one until it is taken out.
        state.state.discard_dirty();
        drop(state);
        notifications.deliver(&*self.listener);
        Ok(None)
    }
}

/// Waits until a step is committed.
async fn wait_for(committed: Option<Committed>) -> Result<(), EngineError> {
    match committed {
        None => Ok(()),
        Some(committed) => committed.wait().await,
    }
}

#[async_trait]
impl Engine for Embedded {
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        device_data: Option<&str>,
        token: &Digest,
    ) -> Result<(), RequestTokenError> {
        let (issued, committed) = self
            .begin(|state, now| state.request_token(device, requester, device_data, *token, now))?;
        self.confirm(issued.is_ok().then_some(Given::Token(*token)), committed).await?;
        issued
    }

    async fn check_token(&self, token: &TokenId) -> Result<(), TokenError> {
        self.read(|state, now| state.live_token(&token.digest, now).map(|_| ())).await?
    }

    async fn revoke_token(&self, token: &TokenId) -> Result<(), EngineError> {
        self.step(|state, now| state.revoke_token(&token.digest, now)).await
    }

    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError> {
        self.step(|state, now| state.authorise(authorisation, now)).await?
    }

    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError> {
        let (opened, committed) =
            self.begin(|state, now| state.redeem(half_ref, connection, now))?;
        let given = opened.as_ref().ok().map(|opened| Given::Socket {
            device: Arc::clone(&opened.device),
            connection: connection.clone(),
        });
        self.confirm(given, committed).await?;
        opened
    }

    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), EngineError> {
        self.step(|state, now| state.close(device, connection, code, now)).await
    }

    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError> {
        self.step(|state, now| state.send(message, now)).await?
    }

    async fn acknowledgement(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<Acknowledgement, EngineError> {
        self.read(|state, _| state.acknowledgement(device, epoch, seq)).await
    }

    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        self.read(|state, _| state.outbox(device, connection, after, bytes)).await?
    }

    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError> {
        self.step(|state, _| state.acknowledge(device, connection, seq)).await?
    }

    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        self.step(|state, now| state.accept(device, connection, id, data, now)).await?
    }

    async fn device(&self, device: &str) -> Result<Option<DeviceState>, EngineError> {
        self.read(|state, now| state.device(device, now)).await
    }

    async fn connected(
        &self,
        linkinjected: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<DeviceState>, EngineError> {
        self.read(|state, now| state.connected(linkinjected, after, limit, now)).await
    }

    async fn disconnect(&self, device: &str) -> Result<(), EngineError> {
        self.step(|state, now| state.delete_record(device, now)).await
    }

    async fn erase(&self, device: &str) -> Result<(), EngineError> {
        let mut erasure = self.step(|state, now| state.begin_erasure(device, now)).await?;
        loop {
            let erased = self.step(|state, _| state.erase_some(device, &mut erasure)).await;
            if erased.map_err(|_| EngineError::OutcomeUnknown)? {
                break;
            }
            // Without a journal nothing else lets other tasks have their turn.
            yield_now().await;
        }
        if self.journal.is_some() {
            // What was said is committed, and so is its erasure: a compaction from here on has neither.
            self.state.lock().unwrap_or_else(PoisonError::into_inner).request_compaction();
        }
        Ok(())
    }

    async fn stream(&self, _partition: usize) -> Result<Arc<str>, EngineError> {
        self.read(|state, _| Arc::clone(&state.events.stream)).await
    }

    async fn events(
        &self,
        _partition: usize,
        from: u64,
        limit: usize,
    ) -> Result<Events, EngineError> {
        self.read(|state, _| state.events.read(from, limit)).await
    }

    async fn release(
        &self,
        _partition: usize,
        stream: &str,
        through: u64,
    ) -> Result<(), ReleaseError> {
        self.step(|state, _| state.release(stream, through)).await?
    }

    async fn expire(&self) -> Result<(), EngineError> {
        self.read(|_, _| ()).await?;
        let Some(journal) = &self.journal else { return Ok(()) };
        let committed = journal.enqueue_share(&mut *self.lock()?)?;
        wait_for(committed).await.map_err(|_| EngineError::Unavailable)
    }

    async fn ready(&self) -> Result<(), EngineError> {
        match &self.journal {
            Some(journal) if !journal.accepts() => Err(EngineError::Unavailable),
            Some(_) | None => Ok(()),
        }
    }

    async fn stats(&self) -> EngineStats {
        // This asks the file system, so no operation waits for it.
        let mut journal = self.journal.as_ref().map(Journal::stats);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stats) = &mut journal {
            state.add_stats(stats);
        }
        EngineStats {
            serves: self.journal.as_ref().is_none_or(Journal::accepts),
            fill: Some(state.state.fill(self.timeline.now().engine)),
            journal,
            redis: None,
        }
    }

    fn failure(&self) -> Option<String> {
        self.journal.as_ref()?.failure()
    }

    async fn end(&self) {
        if let Some(journal) = &self.journal {
            // Settles what is unconfirmed. Where that is refused, the shutdown changes nothing of it.
            let _ = self.begin(|_, _| ());
            // A disk that takes longer leaves a journal as after a crash.
            let _ = timeout(COMMIT_DEADLINE, journal.shut_down()).await;
        }
    }
}
