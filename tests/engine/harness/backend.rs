//! The engines under test, and how each is made.

use std::{
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use engine::{
    Clock, Durability, Engine, EngineListener, JournalError, Limits,
    embedded::Embedded,
    redis::{Redis, RedisOptions},
};
use tests::{RedisServer, gateway::PATIENCE};

/// One of the engines that every conformance test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded engine, in memory alone.
    Memory,
    /// The embedded engine with a journal: it can be restarted.
    Journal,
    /// The engine of many gateways, on a Redis that the tests share; each engine has a prefix of
    /// its own.
    Redis,
}

/// A journal longer than this is compacted, in bytes: so short that it happens all the time.
const COMPACT_AT: usize = 2000;

/// Ends with the test run: see [`RedisServer`].
static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

/// An embedded engine without a journal.
pub fn in_memory(
    limits: Limits,
    clock: Arc<dyn Clock>,
    listener: Arc<dyn EngineListener>,
) -> Arc<dyn Engine> {
    Arc::new(Embedded::new(limits, clock, listener))
}

/// An embedded engine on the journal in `folder`.
pub fn on_journal(
    folder: &Path,
    durability: Durability,
    limits: &Limits,
    clock: Arc<dyn Clock>,
    listener: Arc<dyn EngineListener>,
) -> Result<Arc<dyn Engine>, JournalError> {
    let engine = Embedded::open(limits, clock, listener, folder, durability, COMPACT_AT)?;
    Ok(Arc::new(engine))
}

/// The engine of one of many gateways, whose Redis is empty.
pub async fn on_redis(
    limits: &Limits,
    clock: Arc<dyn Clock>,
    listener: Arc<dyn EngineListener>,
) -> Arc<dyn Engine> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut options = RedisOptions::new(&SERVER.url()).expect("a URL");
    options.prefix = format!("engine-{}:", MADE.fetch_add(1, Ordering::Relaxed));
    options.timeout = PATIENCE;
    let engine = Redis::start(limits, options, Some(clock), listener);
    engine.ready().await.expect("a connection to Redis");
    Arc::new(engine)
}
