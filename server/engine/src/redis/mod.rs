//! The engine of many gateways: everything in one Redis, each action one call of a function there.
//!
//! `docs/redis.md` says what is kept under which key. What a call tells the gateway that made it
//! comes with its answer; what it tells others comes through their channels.

mod connection;
mod event;
mod function_library;
mod local_sockets;
mod operations;
mod options;
mod push;
mod reply;
mod server_info;
mod unconfirmed_tokens;

use std::sync::Arc;

use redis::Cmd;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{Clock, EngineListener, Limits, Unavailable};

pub use options::{PREFIX, RedisOptions};

use connection::{Connection, ConnectionState};
use function_library::FunctionLibrary;
use push::PushRouter;
use reply::Reply;
use unconfirmed_tokens::UnconfirmedTokens;

/// The engine of many gateways.
pub struct Redis {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

/// What the calls and the keeper of the link share.
pub struct Shared {
    settings: RedisOptions,
    library: FunctionLibrary,
    /// Where the time is taken from, if not from Redis itself.
    clock: Option<Arc<dyn Clock>>,
    hearing: Arc<PushRouter>,
    standing: watch::Sender<ConnectionState>,
    doubt: UnconfirmedTokens,
}

impl Redis {
    /// An engine that keeps `limits` and connects by itself, again and again.
    ///
    /// The time is that of Redis, so that all gateways have one clock, unless one is given.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(
        limits: &Limits,
        settings: RedisOptions,
        clock: Option<Arc<dyn Clock>>,
        sockets: Arc<dyn EngineListener>,
    ) -> Self {
        let shared = Arc::new(Shared {
            library: FunctionLibrary::new(limits, &settings),
            settings,
            clock,
            hearing: Arc::new(PushRouter::new(sockets)),
            standing: watch::Sender::new(ConnectionState::Down(Instant::now())),
            doubt: UnconfirmedTokens::default(),
        });
        let keeper = tokio::spawn(connection::keep(Arc::clone(&shared)));
        Self { shared, keeper }
    }

    /// From now on there is no link.
    fn stop(&self) {
        self.keeper.abort();
        self.shared.standing.send_replace(ConnectionState::Ended);
    }

    /// The beginning of a call.
    fn command(&self, function: &str) -> Cmd {
        self.shared.library.call(function, &self.shared.settings.prefix)
    }

    async fn call(&self, command: Cmd) -> Result<Reply, Unavailable> {
        self.shared.call(command).await
    }

    /// A call whose answer is heard to its end, also when nobody waits for it any more.
    async fn whole(&self, command: Cmd) -> Result<Reply, Unavailable> {
        let shared = Arc::clone(&self.shared);
        let call = tokio::spawn(async move { shared.call(command).await });
        call.await.map_err(|_| Unavailable)?
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// The link; a short gap is waited out.
    async fn link(&self) -> Result<Arc<Connection>, Unavailable> {
        if let ConnectionState::Up(link) = &*self.standing.borrow()
            && !link.over.is_cancelled()
        {
            return Ok(Arc::clone(link));
        }
        let mut standing = self.standing.subscribe();
        loop {
            let since = match &*standing.borrow_and_update() {
                ConnectionState::Up(link) if !link.over.is_cancelled() => {
                    return Ok(Arc::clone(link));
                }
                ConnectionState::Up(_) => Instant::now(),
                ConnectionState::Down(since) => *since,
                ConnectionState::Ended => return Err(Unavailable),
            };
            let changed = timeout_at(since + self.settings.timeout, standing.changed()).await;
            changed.map_err(|_| Unavailable)?.map_err(|_| Unavailable)?;
        }
    }

    async fn call(&self, command: Cmd) -> Result<Reply, Unavailable> {
        self.link().await?.call(self, command).await
    }

    /// Whether there was no link for so long that others take this gateway for gone.
    fn is_out_of_touch(&self) -> bool {
        match &*self.standing.borrow() {
            ConnectionState::Down(since) => since.elapsed() > self.settings.lease,
            ConnectionState::Up(_) | ConnectionState::Ended => false,
        }
    }
}
