//! Where the Redis of the engine is, and how long it waits for it.

use std::{fmt, time::Duration};

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

/// What every key and channel begins with, unless a setting says otherwise.
pub const PREFIX: &str = "connectsocket:";

/// Where Redis is, and how long to wait for it.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where it is. Holds the password, if there is one.
    pub(super) server: ConnectionInfo,
    /// What every key and channel begins with.
    pub prefix: String,
    /// How long a gateway that is not heard of is not taken for dead.
    pub lease: Duration,
    /// How long anything that is asked of Redis may take.
    pub timeout: Duration,
}

impl RedisOptions {
    /// The Redis at `url`, such as `redis://user:password@host:6379/0` or `unix:///path?db=0`.
    ///
    /// # Errors
    /// A sentence that does not repeat the URL, which may hold a password.
    pub fn new(url: &str) -> Result<Self, String> {
        let server = url.into_connection_info().map_err(|_| {
            "--redis-url is no URL of a Redis: write redis://host:6379, with user:password@ before \
             the host and /database behind the port where they are needed."
                .to_owned()
        })?;
        // Wake-ups come on the connection that carries the calls, which takes the newer protocol.
        let settings = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Self {
            server: server.set_redis_settings(settings),
            prefix: PREFIX.to_owned(),
            lease: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
        })
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisSettings")
            .field("prefix", &self.prefix)
            .field("lease", &self.lease)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
