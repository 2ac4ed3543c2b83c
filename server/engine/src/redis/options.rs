//! Where the Redis of the engine is, and how long the engine waits for it.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use thiserror::Error;

use super::{
    cluster::{self, ClusterNodes},
    locator::{FixedAddress, Locator},
};

/// The default of [`RedisOptions::prefix`].
pub const PREFIX: &str = "connectsocket:";

/// Where Redis is, and how long to wait for it.
#[derive(Clone)]
pub struct RedisOptions {
    /// Finds the server.
    pub(super) locator: Arc<dyn Locator>,
    /// What every key and channel begins with: engines with different prefixes share nothing.
    pub prefix: String,
    /// Over how many partitions devices are spread. It never changes for the same data.
    pub partitions: NonZeroUsize,
    /// How long Redis may miss a gateway's heartbeat before the gateway counts as dead. The heartbeat
    /// comes with each [`Engine::expire`](crate::Engine::expire).
    pub lease: Duration,
    /// How long connecting to Redis, and each of its answers, may take.
    pub timeout: Duration,
}

/// Why the URL cannot be used. The message does not repeat it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidRedisUrl {
    /// It is not one of a Redis.
    #[error(
        "not a URL of a Redis: write redis://host:6379, with user:password@ before the host and \
         /database after the port where they are needed, or redis-cluster://host:6379,host:6379"
    )]
    Malformed,
    /// It asks for TLS.
    #[error(
        "a URL of a Redis with TLS, which the gateway does not speak: write redis://, and put a TLS \
         tunnel between"
    )]
    Tls,
}

impl RedisOptions {
    /// The Redis at `url`, such as `redis://user:password@host:6379/0` or `unix:///path?db=0`, with
    /// the default prefix, a lease of 10 s and a timeout of 2 s; or the Redis Cluster of some nodes,
    /// `redis-cluster://user:password@host:6379,host:6379`.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`]. Whether there is a Redis is not checked.
    pub fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        if url.starts_with("rediss:") {
            return Err(InvalidRedisUrl::Tls);
        }
        let locator: Arc<dyn Locator> = match url.strip_prefix(CLUSTER_SCHEME) {
            None => Arc::new(FixedAddress(server(url)?)),
            Some(nodes) => {
                let nodes = cluster_nodes(nodes)?;
                let nodes = ClusterNodes::new(&nodes).ok_or(InvalidRedisUrl::Malformed)?;
                cluster::locator(&Arc::new(nodes), "")
            }
        };
        Ok(Self {
            locator,
            prefix: PREFIX.to_owned(),
            partitions: NonZeroUsize::MIN,
            lease: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
        })
    }

    /// Whether the server is part of a Redis Cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.locator.is_cluster()
    }

    /// The options of a partition whose keys begin like this.
    pub(super) fn of_partition(self, prefix: &str) -> Self {
        match self.locator.of_key(prefix) {
            Some(locator) => Self { locator, ..self },
            None => self,
        }
    }

    /// Host and port, or the path of the socket: what may be logged of the URL.
    #[must_use]
    pub fn address(&self) -> String {
        self.locator.to_string()
    }
}

/// What the URL of a Redis Cluster begins with.
const CLUSTER_SCHEME: &str = "redis-cluster://";

/// The server at this URL.
fn server(url: &str) -> Result<ConnectionInfo, InvalidRedisUrl> {
    let server = url.into_connection_info().map_err(|_| InvalidRedisUrl::Malformed)?;
    // RESP3 carries replies and pushed messages on one connection.
    let settings = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(server.set_redis_settings(settings))
}

/// The nodes of `user:password@host:port,host:port`, each with user and password. A Redis Cluster has one
/// database.
fn cluster_nodes(nodes: &str) -> Result<Vec<ConnectionInfo>, InvalidRedisUrl> {
    let nodes = nodes.strip_suffix('/').unwrap_or(nodes);
    if nodes.contains('/') {
        return Err(InvalidRedisUrl::Malformed);
    }
    let (user, nodes) = nodes.rsplit_once('@').map_or(("", nodes), |(user, nodes)| (user, nodes));
    let at = if user.is_empty() { "" } else { "@" };
    nodes.split(',').map(|node| server(&format!("redis://{user}{at}{node}"))).collect()
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisOptions")
            .field("address", &self.address())
            .field("prefix", &self.prefix)
            .field("lease", &self.lease)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
