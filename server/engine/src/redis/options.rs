//! Where the Redis of the engine is, and how long the engine waits for it.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use super::{
    dialer::Dialer,
    locator::Locator,
    tls::TlsFiles,
    url::{self, InvalidRedisUrl},
};

/// The default of [`RedisOptions::prefix`].
pub const PREFIX: &str = "connectsocket:";

/// Where Redis is, and how long to wait for it.
#[derive(Clone)]
pub struct RedisOptions {
    /// Finds the server.
    pub(super) locator: Arc<dyn Locator>,
    encrypted: bool,
    /// The files for a URL with TLS.
    pub tls: TlsFiles,
    /// What every key and channel begins with: engines with different prefixes share nothing. Without
    /// braces, which are for the tag of a partition.
    pub prefix: String,
    /// Over how many partitions devices are spread. It never changes for the same data.
    pub partitions: NonZeroUsize,
    /// How long Redis may miss a gateway's heartbeat before the gateway counts as dead. The heartbeat
    /// comes with each [`Engine::expire`](crate::Engine::expire).
    pub lease: Duration,
    /// How long connecting to Redis, and each of its answers, may take.
    pub timeout: Duration,
}

impl RedisOptions {
    /// The Redis at `url`, such as `redis://user:password@host:6379/0`, `rediss://host` with TLS,
    /// `unix:///path?db=0`; the one that sentinels name, `redis+sentinel://host,host/service/0`; or the
    /// Redis Cluster of some nodes, `redis-cluster://host,host`.
    /// With the default prefix, the authorities of the system, a lease of 10 s and a timeout of 2 s.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`]. Whether there is a Redis is not checked.
    pub fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        let (locator, encrypted) = url::parse(url)?;
        Ok(Self {
            locator,
            encrypted,
            tls: TlsFiles::default(),
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

    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// How to connect.
    pub(super) fn dialer(&self) -> Dialer {
        Dialer { timeout: self.timeout, tls: self.tls.clone() }
    }

    /// Host and port, the path of the socket, the sentinels and the service, or the nodes of a cluster: what
    /// may be logged of the URL.
    #[must_use]
    pub fn address(&self) -> String {
        self.locator.to_string()
    }
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
