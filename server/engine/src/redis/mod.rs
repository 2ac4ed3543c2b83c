//! The engine of many gateways: all state is in one Redis, and each operation is performed there by a
//! function, written in Lua. Operations that wait share a call.
//!
//! `docs/redis.md` lists the keys, and `protocol.rs` the replies and notifications. The files in
//! `lua/` have the names of their twins in `memory/`. The way of one operation, here of a message to
//! a device whose socket is on another gateway:
//!
//! ```text
//!   this gateway                       Redis                             the other gateway
//!
//!   Engine::send       (operations.rs)
//!     Shared::call     waits for a connection
//!     Connection::call waits for a call  (calls.rs)
//!     calls::call      ── FCALL ─────▶ 'write'             (call.lua)
//!                                        Call.begin        the gateway has its lease, and its
//!                                                          writes are all there
//!                                        perform           of each operation: the gateway still
//!                                                          waits for it
//!                                          'send'          (conversation.lua, outbox.lua)
//!                                          save_dirty      writes back records
//!                                        finish            writes back counts
//!                                          PUBLISH ──────────────────▶ PushRouter::push_handler
//!     Answer::read     ◀─── reply ─────────┘                             PushRouter::route
//!     PushRouter::route  its own notifications                             EngineListener::
//!   Ok(Sent)                                                                 message_queued
//! ```
//!
//! The session of the other gateway then reads the outbox with an operation of its own. A pushed
//! notification can be lost; `connector.rs` makes up for it after each reconnect.

mod calls;
mod check;
mod cluster;
mod connect_error;
mod connection;
mod connector;
mod dialer;
mod event;
mod function_library;
mod layout;
mod local_sockets;
mod locator;
mod made_with;
mod measures;
mod operation;
mod operations;
mod options;
mod pointers;
mod protocol;
mod push;
mod sentinels;
mod server_clock;
mod server_info;
mod tls;
mod tls_error;
mod url;

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{Clock, EngineError, EngineListener, Limits, unconfirmed::Unconfirmed};

pub use check::check;
pub use connect_error::{ConnectError, SentinelError, SentinelFailure};
pub use options::{PREFIX, RedisOptions};
pub use server_info::{RedisWarning, Unfit};
pub use tls::{ClientCertificate, TlsFileError, TlsFiles};
pub use url::InvalidRedisUrl;

pub(crate) use layout::Layout;
pub(crate) use pointers::Pointed;

use connection::{ConnectionState, Shared};
pub(crate) use function_library::FunctionLibrary;
use measures::Measures;
use operation::Request;
use protocol::Reply;
use push::PushRouter;

/// The engine of many gateways.
pub struct Redis {
    shared: Arc<Shared>,
    connector: JoinHandle<()>,
}

impl Redis {
    /// Starts an engine with these limits. It connects in the background, and reconnects whenever
    /// the connection fails.
    ///
    /// All gateways share the clock of Redis, unless `clock` is given.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(
        limits: &Limits,
        options: RedisOptions,
        clock: Option<Arc<dyn Clock>>,
        listener: Arc<dyn EngineListener>,
    ) -> Self {
        let library = Arc::new(FunctionLibrary::new(limits, &options));
        let layout = Layout::first_of(NonZeroUsize::MIN, false);
        Self::start_partition(library, options, layout, clock, listener)
    }

    /// Starts the engine of one partition.
    pub(crate) fn start_partition(
        library: Arc<FunctionLibrary>,
        options: RedisOptions,
        layout: Layout,
        clock: Option<Arc<dyn Clock>>,
        listener: Arc<dyn EngineListener>,
    ) -> Self {
        let prefix = layout.prefix(&options.prefix);
        let shared = Arc::new(Shared {
            library,
            options: options.of_partition(&prefix),
            prefix,
            router: Arc::new(PushRouter::new(listener, layout.partition)),
            layout,
            clock,
            state: watch::Sender::new(ConnectionState::Down(Instant::now())),
            unconfirmed: Unconfirmed::default(),
            failure: Mutex::default(),
            measures: Measures::default(),
        });
        let connector = tokio::spawn(connector::maintain(Arc::clone(&shared)));
        Self { shared, connector }
    }

    /// Whether there is a connection now.
    pub(crate) fn is_connected(&self) -> bool {
        self.shared.connected().is_some()
    }

    /// Closes the connection for good.
    fn stop(&self) {
        self.connector.abort();
        self.shared.state.send_replace(ConnectionState::Stopped);
    }

    /// Performs an operation that changes nothing, and reads its reply.
    async fn read<T>(
        &self,
        request: Request,
        read: impl FnOnce(&Reply) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let reply = self.shared.call(request).await;
        reply.and_then(|reply| read(&reply)).map_err(|_| EngineError::Unavailable)
    }

    async fn call(&self, request: Request) -> Result<Reply, EngineError> {
        self.shared.call(request).await
    }

    /// Performs an operation, also when the caller is dropped meanwhile.
    async fn call_detached(&self, request: Request) -> Result<Reply, EngineError> {
        let shared = Arc::clone(&self.shared);
        let call = tokio::spawn(async move { shared.complete(request).await });
        call.await.map_err(|_| EngineError::OutcomeUnknown)?
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
