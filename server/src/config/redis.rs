//! Settings of the Redis that many gateways share.

use std::{num::NonZeroUsize, time::Duration};

use clap::Args;
use engine::redis::{self, RedisOptions};

use super::{ConfigError, value};

/// The Redis that many gateways share.
#[derive(Clone, Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisConfig {
    /// The Redis that many gateways share, such as `redis://user:password@host:6379/0`; it holds
    /// everything they know. Other users of the machine can see flags: prefer the environment.
    #[arg(long, value_name = "URL", hide_env_values = true, conflicts_with = "data_dir")]
    pub redis_url: Option<String>,

    /// What every key and channel in Redis begins with.
    #[arg(long, value_name = "TEXT", default_value = redis::PREFIX)]
    pub redis_prefix: String,

    /// Over how many partitions devices are spread. A partition is what one server of a Redis Cluster
    /// holds as a whole. The number is written down with the data and never changes.
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroUsize::MIN, value_parser = value::partitions)]
    pub redis_partitions: NonZeroUsize,

    /// How long Redis may miss a gateway's heartbeat before the gateway counts as dead and its
    /// sockets end.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub redis_lease: Duration,

    /// How long Redis may take to answer.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = value::time)]
    pub redis_timeout: Duration,
}

impl RedisConfig {
    /// The options of the Redis engine, if Redis is used.
    ///
    /// # Errors
    /// The URL is not one of a Redis, or lease and timeout do not fit together.
    pub fn options(&self) -> Result<Option<RedisOptions>, ConfigError> {
        let Some(url) = &self.redis_url else { return Ok(None) };
        if self.redis_lease < 2 * self.redis_timeout {
            return Err(ConfigError::RedisLeaseTooShort);
        }
        let mut options = RedisOptions::new(url)?;
        options.prefix.clone_from(&self.redis_prefix);
        options.partitions = self.redis_partitions;
        options.lease = self.redis_lease;
        options.timeout = self.redis_timeout;
        Ok(Some(options))
    }
}
