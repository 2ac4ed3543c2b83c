//! The connection to Redis as operations use it: one at a time, replaced by `connector.rs` whenever it
//! fails.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use redis::{Cmd, Value, aio::MultiplexedConnection};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    connect_error::{cause, changed_nothing, refused_for_now},
    function_library::FunctionLibrary,
    options::RedisOptions,
    protocol::Reply,
    push::PushRouter,
};
use crate::{Clock, Digest, EngineError, unconfirmed::Unconfirmed};

/// What operations and the connector share.
pub struct Shared {
    pub options: RedisOptions,
    pub library: FunctionLibrary,
    /// A clock in place of Redis's own.
    pub clock: Option<Arc<dyn Clock>>,
    pub router: Arc<PushRouter>,
    pub state: watch::Sender<ConnectionState>,
    /// The tokens whose requests Redis did not answer.
    pub unconfirmed: Unconfirmed<Digest>,
    /// Why Redis could not serve an operation, the last time.
    pub failure: Mutex<String>,
}

/// A connection to Redis under a gateway's name.
pub struct Connection {
    pub redis: MultiplexedConnection,
    /// The name of this gateway in Redis.
    pub gateway: String,
    /// The name of the event stream.
    pub stream: Arc<str>,
    /// How often this gateway has written, as far as replies have said.
    pub writes: AtomicU64,
    /// Cancelled when the connection is closed.
    pub closed: CancellationToken,
}

/// Whether there is a connection.
pub enum ConnectionState {
    /// There is one.
    Up(Arc<Connection>),
    /// There has been none since then.
    Down(Instant),
    /// The engine has shut down.
    Stopped,
}

impl Connection {
    /// Calls a function. The notifications for this gateway are routed before this returns.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] where Redis refused the call, [`EngineError::OutcomeUnknown`] where
    /// it did not answer or the answer cannot be read. The connection is closed unless it is good.
    pub async fn call(&self, shared: &Shared, mut command: Cmd) -> Result<Reply, EngineError> {
        let seen_writes = self.writes.load(Ordering::Acquire);
        command.arg(shared.clock_argument()).arg(&self.gateway).arg(seen_writes);
        let answer = self.redis.clone().send_packed_command(&command).await;
        let reply = match answer.and_then(Value::extract_error) {
            Ok(value) => Reply::read(value).ok_or_else(|| {
                tracing::error!("Redis gave a reply of an unexpected shape");
                self.closed.cancel();
                EngineError::OutcomeUnknown
            })?,
            Err(error) => {
                let why = cause(&error);
                shared.note_failure(&why);
                if !refused_for_now(&error) {
                    // Many calls may fail with the connection.
                    if !self.closed.is_cancelled() {
                        tracing::warn!(%why, "reconnecting to Redis");
                    }
                    self.closed.cancel();
                }
                return Err(if changed_nothing(&error) {
                    EngineError::Unavailable
                } else {
                    EngineError::OutcomeUnknown
                });
            }
        };
        self.writes.fetch_max(reply.writes, Ordering::AcqRel);
        for notification in &reply.notifications {
            if let Value::BulkString(notification) = notification {
                shared.router.route(notification);
            }
        }
        Ok(reply)
    }
}

impl Shared {
    /// The connection. Where there is none, waits for one, up to the timeout after the last failed.
    pub async fn connection(&self) -> Result<Arc<Connection>, EngineError> {
        if let ConnectionState::Up(connection) = &*self.state.borrow()
            && !connection.closed.is_cancelled()
        {
            return Ok(Arc::clone(connection));
        }
        let mut state = self.state.subscribe();
        loop {
            let since = match &*state.borrow_and_update() {
                ConnectionState::Up(connection) if !connection.closed.is_cancelled() => {
                    return Ok(Arc::clone(connection));
                }
                ConnectionState::Up(_) => Instant::now(),
                ConnectionState::Down(since) => *since,
                ConnectionState::Stopped => return Err(EngineError::Unavailable),
            };
            let changed = timeout_at(since + self.options.timeout, state.changed()).await;
            changed.map_err(|_| EngineError::Unavailable)?.map_err(|_| EngineError::Unavailable)?;
        }
    }

    pub async fn call(&self, command: Cmd) -> Result<Reply, EngineError> {
        self.connection().await?.call(self, command).await
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

    /// The time as an argument of a call; empty for Redis's own.
    pub fn clock_argument(&self) -> String {
        self.clock.as_ref().map(|clock| clock.now().to_string()).unwrap_or_default()
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
