//! The engine of one gateway: everything in memory, each action one step under one lock; with a
//! journal, if it is to outlive the process.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::time::timeout;

use crate::journal::{COMMIT_DEADLINE, Journal, Store};
use crate::memory::state::State;
use crate::{
    Authorisation, AuthoriseError, Clock, ConnectionId, DeviceState, Digest, Durability, Engine,
    EngineListener, Events, Limits, Message, Millis, Opened, Outgoing, RedeemError,
    RequestTokenError, Requester, SendError, Sent, SocketError, TokenError, Unavailable,
};

/// A journal shorter than this is not written anew, in bytes.
pub const REWRITE_AT: usize = 16 * 1024 * 1024;

/// The embedded engine.
pub struct Embedded {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    sockets: Arc<dyn EngineListener>,
    journal: Option<Journal>,
}

impl Embedded {
    /// An engine that knows nothing yet, ends sockets through `sockets`, and forgets everything
    /// with its process.
    #[must_use]
    pub fn new(settings: Limits, clock: Arc<dyn Clock>, sockets: Arc<dyn EngineListener>) -> Self {
        let state = Arc::new(Mutex::new(State::new(settings)));
        Self { state, clock, sockets, journal: None }
    }

    /// An engine that goes on where the journal in `folder` ends, and writes it on. Where answered
    /// steps may be missing there, it has new epochs and a new event stream. The journal is written
    /// anew when it is longer than `rewrite_at` bytes and much longer than what it says.
    ///
    /// # Errors
    /// Why the journal cannot be used.
    pub fn open(
        settings: Limits,
        clock: Arc<dyn Clock>,
        sockets: Arc<dyn EngineListener>,
        folder: &Path,
        durability: Durability,
        rewrite_at: usize,
    ) -> Result<Self, String> {
        let unusable = |why: &dyn std::fmt::Display| {
            format!("--data-dir {} cannot be used: {why}.", folder.display())
        };
        let (mut store, lost) = Store::open(folder, durability).map_err(|why| unusable(&why))?;
        let state = State::start(settings.clone(), rewrite_at, &mut store, lost, clock.now())
            .map_err(|why| unusable(&why))?;
        let state = Arc::new(Mutex::new(state));
        let reload = move |store: &Store| {
            State::load(settings.clone(), rewrite_at, store)
                .map_err(|error| tracing::error!(%error, "the journal cannot be read"))
                .map(|(state, _)| state)
                .ok()
        };
        let journal = Journal::start(store, Arc::clone(&state), Arc::clone(&sockets), reload)
            .map_err(|why| unusable(&why))?;
        Ok(Self { state, clock, sockets, journal: Some(journal) })
    }

    /// Takes one step, and answers when it stands: nobody is told what a crash could take back.
    async fn step<T>(
        &self,
        action: impl FnOnce(&mut State, Millis) -> T,
    ) -> Result<T, Unavailable> {
        let (answer, committed) = self.begin(action)?;
        stands(committed).await?;
        Ok(answer)
    }

    /// The step itself. The clock is read under the lock, so that steps see time in order; what is
    /// due has ended before a step begins.
    fn begin<T>(
        &self,
        action: impl FnOnce(&mut State, Millis) -> T,
    ) -> Result<(T, Option<crate::journal::Committed>), Unavailable> {
        // No step panics half-way; were one to, the others' devices would still be whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.journal.as_ref().is_none_or(Journal::takes) {
            return Err(Unavailable);
        }
        let now = self.clock.now();
        state.expire(now);
        let answer = action(&mut state, now);
        let (calls, written) = (state.calls.take(), state.written());
        if let Some(journal) = &self.journal {
            return Ok((answer, journal.enqueue(written, calls)?));
        }
        calls.make(&*self.sockets);
        Ok((answer, None))
    }
}

/// Waits until a step stands.
async fn stands(committed: Option<crate::journal::Committed>) -> Result<(), Unavailable> {
    match committed {
        None => Ok(()),
        Some(committed) => match timeout(COMMIT_DEADLINE, committed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unavailable),
        },
    }
}

#[async_trait]
impl Engine for Embedded {
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        token: &Digest,
    ) -> Result<(), RequestTokenError> {
        self.step(|state, now| state.request_token(device, requester, *token, now)).await?
    }

    async fn check_token(&self, token: &Digest) -> Result<(), TokenError> {
        self.step(|state, now| state.live_token(token, now).map(|_| ())).await?
    }

    async fn revoke_token(&self, token: &Digest) -> Result<(), Unavailable> {
        self.step(|state, now| state.revoke_token(token, now)).await
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
        if let Err(unavailable) = stands(committed).await {
            // It may come to stand after all, and nobody would hold the socket.
            if let Ok(opened) = opened {
                let _ = self.begin(|state, now| state.close(&opened.device, connection, None, now));
            }
            return Err(unavailable.into());
        }
        opened
    }

    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), Unavailable> {
        self.step(|state, now| state.close(device, connection, code, now)).await
    }

    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError> {
        self.step(|state, now| state.send(message, now)).await?
    }

    async fn is_acknowledged(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<bool, Unavailable> {
        self.step(|state, _| state.is_acknowledged(device, epoch, seq)).await
    }

    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        self.step(|state, _| state.outbox(device, connection, after, bytes)).await?
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

    async fn device(&self, device: &str) -> Result<Option<DeviceState>, Unavailable> {
        self.step(|state, _| state.device(device)).await
    }

    async fn connected(&self, after: &str, limit: usize) -> Result<Vec<DeviceState>, Unavailable> {
        self.step(|state, _| state.connected(after, limit)).await
    }

    async fn disconnect(&self, device: &str) -> Result<(), Unavailable> {
        self.step(|state, now| state.end_record(device, now)).await
    }

    async fn stream(&self) -> Result<Arc<str>, Unavailable> {
        self.step(|state, _| Arc::clone(&state.events.stream)).await
    }

    async fn events(&self, from: u64, limit: usize) -> Result<Events, Unavailable> {
        self.step(|state, _| state.events.from(from, limit)).await
    }

    async fn release(&self, through: u64) -> Result<(), Unavailable> {
        self.step(|state, _| state.release(through)).await
    }

    async fn expire(&self) -> Result<(), Unavailable> {
        self.step(|_, _| ()).await
    }

    async fn ready(&self) -> Result<(), Unavailable> {
        match &self.journal {
            Some(journal) if !journal.takes() => Err(Unavailable),
            Some(_) | None => Ok(()),
        }
    }

    async fn end(&self) {
        if let Some(journal) = &self.journal {
            // A disk that takes longer than this will not say that nothing is missing.
            let _ = timeout(COMMIT_DEADLINE, journal.complete()).await;
        }
    }
}
