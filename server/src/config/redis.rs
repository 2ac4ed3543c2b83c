//! Settings of the Redis that many gateways share.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Args;
use engine::redis::{self, ClientCertificate, RedisOptions, TlsFiles};

use super::{ConfigError, value};

/// The Redis that many gateways share.
#[derive(Clone, Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisConfig {
    /// The Redis that many gateways share, such as `redis://user:password@host:6379/0`, with TLS
    /// `rediss://host`, or through sentinels `redis+sentinel://host,host/service`; it holds everything
    /// they know. Other users of the machine can see flags: prefer the environment.
    #[arg(long, value_name = "URL", hide_env_values = true, conflicts_with = "data_dir")]
    pub redis_url: Option<String>,

    /// The certificates of the authorities that may issue the certificate of Redis, in PEM format;
    /// without it, those of the system. This and the next two are read at each connection.
    #[arg(long, value_name = "FILE", requires = "redis_url")]
    pub redis_ca: Option<PathBuf>,

    /// The gateway's own certificate, for a Redis that asks for one, in PEM format.
    #[arg(long, value_name = "FILE", requires = "redis_key")]
    pub redis_cert: Option<PathBuf>,

    /// The private key of that certificate, in PEM format and without a passphrase.
    #[arg(long, value_name = "FILE", requires_all = ["redis_cert", "redis_url"])]
    pub redis_key: Option<PathBuf>,

    /// What every key and channel in Redis begins with.
    #[arg(long, value_name = "TEXT", default_value = redis::PREFIX, value_parser = value::redis_prefix)]
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
    /// The URL is not one of a Redis, a file for TLS cannot be used, or lease and timeout do not fit
    /// together.
    pub fn options(&self) -> Result<Option<RedisOptions>, ConfigError> {
        let Some(url) = &self.redis_url else { return Ok(None) };
        if self.redis_lease < 2 * self.redis_timeout {
            return Err(ConfigError::RedisLeaseTooShort);
        }
        let mut options = RedisOptions::new(url)?;
        options.tls = self.tls();
        if options.tls.is_given() && !options.is_encrypted() {
            return Err(ConfigError::RedisWithoutTls);
        }
        options.tls.read()?;
        options.prefix.clone_from(&self.redis_prefix);
        options.partitions = self.redis_partitions;
        options.lease = self.redis_lease;
        options.timeout = self.redis_timeout;
        Ok(Some(options))
    }

    fn tls(&self) -> TlsFiles {
        let client = self.redis_cert.clone().zip(self.redis_key.clone());
        TlsFiles {
            ca: self.redis_ca.clone(),
            client: client.map(|(certificate, key)| ClientCertificate { certificate, key }),
        }
    }
}
