//! The engine of one gateway: everything in memory, each action one step under one lock.

mod authorisations;
mod conversation;
mod events;
mod outbox;
mod state;
mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Authorisation, AuthoriseError, Clock, ConnectionId, DeviceState, Digest, Engine,
    EngineSettings, Events, Message, Millis, Opened, Outgoing, RedeemError, RequestTokenError,
    Requester, SendError, Sent, SocketError, Sockets, TokenError, Unavailable,
};
use state::State;

pub use events::rfc3339;

/// The embedded engine.
pub struct Embedded {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

impl Embedded {
    /// An engine that knows nothing yet and ends sockets through `sockets`.
    #[must_use]
    pub fn new(settings: EngineSettings, clock: Arc<dyn Clock>, sockets: Arc<dyn Sockets>) -> Self {
        let state = State::new(settings, sockets);
        Self { state: Mutex::new(state), clock }
    }

    /// The state as it is now, and the time. The clock is read under the lock, so that steps see
    /// time in order; what is due has ended before a step begins.
    fn step(&self) -> (MutexGuard<'_, State>, Millis) {
        // No step panics half-way; were one to, the others' devices would still be whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        state.expire(now);
        (state, now)
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
        let (mut state, now) = self.step();
        state.request_token(device, requester, *token, now)
    }

    async fn check_token(&self, token: &Digest) -> Result<(), TokenError> {
        let (state, now) = self.step();
        state.live_token(token, now).map(|_| ())
    }

    async fn revoke_token(&self, token: &Digest) -> Result<(), Unavailable> {
        let (mut state, now) = self.step();
        state.revoke_token(token, now);
        Ok(())
    }

    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError> {
        let (mut state, now) = self.step();
        state.authorise(authorisation, now)
    }

    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError> {
        let (mut state, now) = self.step();
        state.redeem(half_ref, connection, now)
    }

    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), Unavailable> {
        let (mut state, now) = self.step();
        state.close(device, connection, code, now);
        Ok(())
    }

    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError> {
        let (mut state, now) = self.step();
        state.send(message, now)
    }

    async fn is_acknowledged(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<bool, Unavailable> {
        let (state, _) = self.step();
        Ok(state.is_acknowledged(device, epoch, seq))
    }

    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        let (state, _) = self.step();
        state.outbox(device, connection, after, bytes)
    }

    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError> {
        let (mut state, _) = self.step();
        state.acknowledge(device, connection, seq)
    }

    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        let (mut state, now) = self.step();
        state.accept(device, connection, id, data, now)
    }

    async fn device(&self, device: &str) -> Result<Option<DeviceState>, Unavailable> {
        let (state, _) = self.step();
        Ok(state.device(device))
    }

    async fn connected(&self, after: &str, limit: usize) -> Result<Vec<DeviceState>, Unavailable> {
        let (state, _) = self.step();
        Ok(state.connected(after, limit))
    }

    async fn forget(&self, device: &str) -> Result<(), Unavailable> {
        let (mut state, now) = self.step();
        state.end_record(device, now);
        Ok(())
    }

    async fn stream(&self) -> Result<Arc<str>, Unavailable> {
        let (state, _) = self.step();
        Ok(Arc::clone(&state.events.stream))
    }

    async fn events(&self, from: u64, limit: usize) -> Result<Events, Unavailable> {
        let (state, _) = self.step();
        Ok(state.events.from(from, limit))
    }

    async fn release(&self, through: u64) -> Result<(), Unavailable> {
        let (mut state, _) = self.step();
        state.events.release(through);
        Ok(())
    }

    async fn expire(&self) -> Result<(), Unavailable> {
        drop(self.step());
        Ok(())
    }

    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
