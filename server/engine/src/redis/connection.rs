//! The connection to Redis as operations use it: one at a time, replaced by `connector.rs` whenever it
//! fails.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use redis::{Cmd, ConnectionAddr, RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    sync::watch,
    time::{self, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    connect_error::{cause, changed_nothing, late, refused_for_now},
    function_library::FunctionLibrary,
    layout::Layout,
    measures::Measures,
    options::RedisOptions,
    protocol::Reply,
    push::PushRouter,
    server_clock::ServerClock,
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
    pub redis: MultiplexedConnection,
    /// Where the server is.
    pub address: ConnectionAddr,
    /// The name of this gateway in Redis.
    pub gateway: String,
    /// The number of the connection: above those of all before. Redis refuses calls on these.
    pub number: u64,
    /// Redis's clock.
    pub clock: ServerClock,
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
    Down(time::Instant),
    /// The engine has shut down.
    Stopped,
}

impl Connection {
    /// Calls a function. The notifications for this gateway are routed before this returns.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] where Redis refused the call, [`EngineError::OutcomeUnknown`] where
    /// it did not answer or the answer cannot be read. The connection is closed unless it is good.
    pub async fn call(&self, shared: &Shared, command: Cmd) -> Result<Reply, EngineError> {
        let give_up = Instant::now() + shared.options.timeout;
        let began = time::Instant::now();
        let answer = match self.try_call(shared, command.clone(), give_up).await {
            // Redis's clock was set forward, which the refusal has shown.
            Err(error) if late(&error).is_some() && Instant::now() < give_up => {
                self.try_call(shared, command, give_up).await
            }
            answer => answer,
        };
        shared.measures.called(began, answer.is_ok());
        let reply = match answer {
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

    /// Calls a function, which Redis refuses where it comes after this instant.
    async fn try_call(
        &self,
        shared: &Shared,
        mut command: Cmd,
        give_up: Instant,
    ) -> Result<Value, RedisError> {
        let asked = Instant::now();
        command.arg(shared.clock_argument()).arg(self.clock.at(give_up));
        command.arg(&self.gateway).arg(self.number).arg(self.writes.load(Ordering::Acquire));
        let answer = self.redis.clone().send_packed_command(&command).await;
        let answer = answer.and_then(Value::extract_error);
        let time = match &answer {
            Ok(value) => Reply::time(value),
            Err(error) => late(error),
        };
        if let Some(time) = time {
            self.clock.note(asked, time);
        }
        answer
    }

    /// Calls a function until it is done: one call does a bounded part.
    ///
    /// # Errors
    /// As [`Self::call`]. Where a part was done before, the outcome is unknown.
    pub async fn complete(&self, shared: &Shared, command: Cmd) -> Result<Reply, EngineError> {
        let mut reply = self.call(shared, command.clone()).await?;
        while reply.is_partial() {
            let next = self.call(shared, command.clone()).await;
            reply = next.map_err(|_| EngineError::OutcomeUnknown)?;
        }
        Ok(reply)
    }
}

impl Shared {
    /// A call of a function for this partition, to which its arguments are to be added.
    pub fn command(&self, function: &str) -> Cmd {
        self.library.call(function, &self.prefix)
    }

    /// The connection, where there is one now.
    pub fn connected(&self) -> Option<Arc<Connection>> {
        match &*self.state.borrow() {
            ConnectionState::Up(connection) if !connection.closed.is_cancelled() => {
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
                ConnectionState::Up(connection) if !connection.closed.is_cancelled() => {
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

    pub async fn call(&self, command: Cmd) -> Result<Reply, EngineError> {
        self.connection().await?.call(self, command).await
    }

    /// Calls a function until it is done.
    pub async fn complete(&self, command: Cmd) -> Result<Reply, EngineError> {
        self.connection().await?.complete(self, command).await
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
