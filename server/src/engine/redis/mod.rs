//! The engine of many gateways: everything in one Redis, each action one call of a function there.
//!
//! `docs/redis.md` says what is kept under which key. What a call tells the gateway that made it
//! comes with its answer; what it tells others comes through their channels.

mod actions;
mod doubt;
mod event;
mod held;
mod library;
mod link;
mod reply;
mod server;
mod settings;
mod wakeup;

use std::sync::Arc;

use redis::Cmd;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{Clock, EngineSettings, Sockets, Unavailable};

pub use settings::{PREFIX, RedisSettings};

use doubt::Doubt;
use library::Library;
use link::{Link, Standing};
use reply::Reply;
use wakeup::Hearing;

/// The engine of many gateways.
pub struct Redis {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

/// What the calls and the keeper of the link share.
pub struct Shared {
    settings: RedisSettings,
    library: Library,
    /// Where the time is taken from, if not from Redis itself.
    clock: Option<Arc<dyn Clock>>,
    hearing: Arc<Hearing>,
    standing: watch::Sender<Standing>,
    doubt: Doubt,
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
        limits: &EngineSettings,
        settings: RedisSettings,
        clock: Option<Arc<dyn Clock>>,
        sockets: Arc<dyn Sockets>,
    ) -> Self {
        let shared = Arc::new(Shared {
            library: Library::new(limits, &settings),
            settings,
            clock,
            hearing: Arc::new(Hearing::new(sockets)),
            standing: watch::Sender::new(Standing::Down(Instant::now())),
            doubt: Doubt::default(),
        });
        let keeper = tokio::spawn(link::keep(Arc::clone(&shared)));
        Self { shared, keeper }
    }

    /// From now on there is no link.
    fn stop(&self) {
        self.keeper.abort();
        self.shared.standing.send_replace(Standing::Ended);
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
    async fn link(&self) -> Result<Arc<Link>, Unavailable> {
        if let Standing::Up(link) = &*self.standing.borrow()
            && !link.over.is_cancelled()
        {
            return Ok(Arc::clone(link));
        }
        let mut standing = self.standing.subscribe();
        loop {
            let since = match &*standing.borrow_and_update() {
                Standing::Up(link) if !link.over.is_cancelled() => return Ok(Arc::clone(link)),
                Standing::Up(_) => Instant::now(),
                Standing::Down(since) => *since,
                Standing::Ended => return Err(Unavailable),
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
            Standing::Down(since) => since.elapsed() > self.settings.lease,
            Standing::Up(_) | Standing::Ended => false,
        }
    }
}
