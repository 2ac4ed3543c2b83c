//! The connection to Redis as operations use it: one at a time, replaced by `connector.rs` whenever it
//! fails.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use redis::ConnectionAddr;
use tokio::{
    sync::watch,
    time::{self, timeout_at},
};

use super::{
    calls::{self, Caller, Failure, Waiter},
    connect_error::{cause, changed_nothing, late, refused_for_now},
    function_library::FunctionLibrary,
    layout::Layout,
    measures::Measures,
    operation::Request,
    options::RedisOptions,
    protocol::Reply,
    push::PushRouter,
};
use crate::{Clock, Digest, EngineError, unconfirmed::Unconfirmed};

/// What operations and the connector share.
pub struct Shared {
    pub options: RedisOptions,
    pub layout: Layout,
    /// What every key and channel of the partition begins with.
    pub prefix: String,
    pub library: Arc<FunctionLibrary>,
    /// A clock in place of Redis's own.
    pub clock: Option<Arc<dyn Clock>>,
    pub router: Arc<PushRouter>,
    pub state: watch::Sender<ConnectionState>,
    /// The tokens whose requests Redis did not answer.
    pub unconfirmed: Unconfirmed<Digest>,
    /// Why Redis could not serve an operation, the last time.
    pub failure: Mutex<String>,
    pub measures: Measures,
}

/// A connection to Redis under a gateway's name.
pub struct Connection {
    /// Where the server is.
    pub address: ConnectionAddr,
    /// The name of the event stream.
    pub stream: Arc<str>,
    pub caller: Arc<Caller>,
    pub waiter: Waiter,
}

/// Whether there is a connection.
pub enum ConnectionState {
    /// There is one.
    Up(Arc<Connection>),
    /// There has been none since then.
    Down(time::Instant),
    /// The engine has shut down.
    Stopped,
}

impl Connection {
    /// Performs an operation. The notifications for this gateway are routed before this returns.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] where Redis refused it, [`EngineError::OutcomeUnknown`] where
    /// it did not answer or the answer cannot be read. The connection is closed unless it is good.
    pub async fn call(&self, shared: &Shared, request: Request) -> Result<Reply, EngineError> {
        let give_up = Instant::now() + shared.options.timeout;
        let began = time::Instant::now();
        let answer = match calls::perform(&self.waiter, request.clone(), give_up).await {
            // Redis's clock was set forward, which the refusal has shown.
            Err(Failure::Redis(error)) if late(&error).is_some() && Instant::now() < give_up => {
                calls::perform(&self.waiter, request, give_up).await
            }
            answer => answer,
        };
        shared.measures.called(began, answer.is_ok());
        answer.map_err(|failure| {
            let Failure::Redis(error) = failure else { return EngineError::Unavailable };
            let why = cause(&error);
            shared.note_failure(&why);
            if !refused_for_now(&error) {
                // Many calls may fail with the connection.
                if !self.is_closed() {
                    tracing::warn!(%why, "reconnecting to Redis");
                }
                self.close();
            }
            if changed_nothing(&error) {
                EngineError::Unavailable
            } else {
                EngineError::OutcomeUnknown
            }
        })
    }

    /// Performs an operation until it is done: one call does a bounded part.
    ///
    /// # Errors
    /// As [`Self::call`]. Where a part was done before, the outcome is unknown.
    pub async fn complete(&self, shared: &Shared, request: Request) -> Result<Reply, EngineError> {
        let mut reply = self.call(shared, request.clone()).await?;
        while reply.is_partial() {
            let next = self.call(shared, request.clone()).await;
            reply = next.map_err(|_| EngineError::OutcomeUnknown)?;
        }
        Ok(reply)
    }

    pub fn is_closed(&self) -> bool {
        self.caller.closed.is_cancelled()
    }

    /// Closes the connection; the connector then makes another one.
    pub fn close(&self) {
        self.caller.closed.cancel();
    }
}

impl Shared {
    /// The connection, where there is one now.
    pub fn connected(&self) -> Option<Arc<Connection>> {
        match &*self.state.borrow() {
            ConnectionState::Up(connection) if !connection.is_closed() => {
                Some(Arc::clone(connection))
            }
            _ => None,
        }
    }

    /// The connection. Where there is none, waits for one, up to the timeout after the last failed.
    pub async fn connection(&self) -> Result<Arc<Connection>, EngineError> {
        if let Some(connection) = self.connected() {
            return Ok(connection);
        }
        let mut state = self.state.subscribe();
        loop {
            let since = match &*state.borrow_and_update() {
                ConnectionState::Up(connection) if !connection.is_closed() => {
                    return Ok(Arc::clone(connection));
                }
                ConnectionState::Up(_) => time::Instant::now(),
                ConnectionState::Down(since) => *since,
                ConnectionState::Stopped => return Err(EngineError::Unavailable),
            };
            let changed = timeout_at(since + self.options.timeout, state.changed()).await;
            changed.map_err(|_| EngineError::Unavailable)?.map_err(|_| EngineError::Unavailable)?;
        }
    }

    pub async fn call(&self, request: Request) -> Result<Reply, EngineError> {
        self.connection().await?.call(self, request).await
    }

    /// Performs an operation until it is done.
    pub async fn complete(&self, request: Request) -> Result<Reply, EngineError> {
        self.connection().await?.complete(self, request).await
    }

    /// Keeps why Redis could not serve an operation.
    pub fn note_failure(&self, why: &str) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone_into(&mut failure);
    }

    /// Why Redis could not serve an operation, the last time; empty where it always could.
    pub fn failure(&self) -> String {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there was no connection for longer than the lease, so that other gateways count this
    /// one as dead.
    pub fn lease_is_over(&self) -> bool {
        match &*self.state.borrow() {
            ConnectionState::Down(since) => since.elapsed() > self.options.lease,
            ConnectionState::Up(_) | ConnectionState::Stopped => false,
        }
    }
}
