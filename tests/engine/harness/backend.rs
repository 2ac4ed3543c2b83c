//! The engines under test, and how each is made.

use std::{
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::{
    Clock, Durability, Engine, EngineListener, JournalError, Limits,
    embedded::Embedded,
    partitions::Partitioned,
    redis::{Redis, RedisOptions},
};
use tests::{RedisCluster, RedisServer, gateway::PATIENCE};

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
    /// The engine of many gateways on so many partitions, on a Redis Cluster that the tests share.
    Partitions(usize),
}

/// A journal longer than this is compacted, in bytes: so short that it happens all the time.
const COMPACT_AT: usize = 2000;

/// Ends with the test run: see [`RedisServer`].
static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

/// Ends with it too.
static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(RedisCluster::start);

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
    let engine = Redis::start(limits, options(&SERVER.url()), Some(clock), listener);
    engine.ready().await.expect("a connection to Redis");
    Arc::new(engine)
}

/// The engine of one of many gateways, on partitions that are empty. Each of them has the limits: they
/// are multiplied before the engine divides them.
pub async fn on_partitions(
    partitions: usize,
    limits: &Limits,
    clock: Arc<dyn Clock>,
    listener: Arc<dyn EngineListener>,
) -> Arc<dyn Engine> {
    let mut options = options(&CLUSTER.url());
    options.partitions = partitions.try_into().expect("at least one");
    // A pointer settles while what it leads to is remembered: the random runs have less time for it.
    options.timeout = Duration::from_secs(10);
    let limits = Limits {
        devices: limits.devices.saturating_mul(partitions),
        remembered_half_refs: limits.remembered_half_refs.saturating_mul(partitions),
        event_bytes: limits.event_bytes.saturating_mul(partitions),
        ..limits.clone()
    };
    let engine = Partitioned::start(&limits, &options, Some(&clock), &listener);
    for partition in 0..partitions {
        engine.stream(partition).await.expect("a connection to Redis");
    }
    Arc::new(engine)
}

/// The Redis at this URL, with a prefix of its own.
fn options(url: &str) -> RedisOptions {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut options = RedisOptions::new(url).expect("a URL");
    options.prefix = format!("engine-{}:", MADE.fetch_add(1, Ordering::Relaxed));
    options.timeout = PATIENCE;
    options
}
