//! The engine of many gateways, on a Redis that the tests share; each has a prefix of its own.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use engine::{
    Clock, Engine, EngineListener, Limits,
    redis::{Redis, RedisOptions},
};
use tests::{RedisServer, gateway::PATIENCE};

/// Ends with the test run: see [`RedisServer`].
static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

/// The engine of one of many gateways, whose Redis knows nothing yet.
pub async fn make_redis(
    limits: Limits,
    clock: Arc<dyn Clock>,
    sockets: Arc<dyn EngineListener>,
) -> Arc<dyn Engine> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut settings = RedisOptions::new(&SERVER.url()).expect("a URL");
    settings.prefix = format!("engine-{}:", MADE.fetch_add(1, Ordering::Relaxed));
    settings.timeout = PATIENCE;
    let engine = Redis::start(&limits, settings, Some(clock), sockets);
    engine.ready().await.expect("a link to Redis");
    Arc::new(engine)
}
