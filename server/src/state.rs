//! The state of the gateway that all requests and sockets share.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use actix_web::{HttpRequest, web::Data};
use tokio_util::sync::CancellationToken;

use engine::{
    Digest, Engine, EngineListener, JournalError, Limits, SystemClock,
    embedded::{COMPACTION_THRESHOLD, Embedded},
    partitions::Partitioned,
    redis::Redis,
};

use crate::{
    address_rate::AddressRate,
    config::{Config, ConfigError, OperatorKeys, Switch},
    descriptors::Descriptors,
    metrics::Metrics,
    origin,
    registry::Registry,
    request_id::RequestIds,
};

/// Why the engine of a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A setting of the engine is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The journal in `--data-dir` cannot be used.
    #[error("--data-dir {} cannot be used: {source}.", folder.display())]
    Journal {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: JournalError,
    },
}

/// One gateway.
pub struct Gateway {
    /// The operator's settings.
    pub config: Config,
    /// The limits of the engine.
    pub limits: Limits,
    /// Where devices, tokens, messages and events are kept.
    pub engine: Arc<dyn Engine>,
    /// The open sockets of this process.
    pub registry: Arc<Registry>,
    /// The connections of this process, counted against its limit.
    pub descriptors: Arc<Descriptors>,
    /// The counters of `/metrics`.
    pub metrics: Metrics,
    /// Counts token requests.
    pub token_requests: AddressRate,
    /// Counts requests with a wrong operator key.
    pub wrong_keys: AddressRate,
    /// Makes request ids.
    pub request_ids: RequestIds,
    /// Whether the channel `test` gives tokens.
    pub test_channel: bool,
    operator_keys: Vec<Digest>,
    origins: Vec<String>,
    draining: CancellationToken,
    /// Cancelled once the sockets are closed: requests that wait end now.
    pub ending: CancellationToken,
}

impl Gateway {
    /// A gateway that listens on `local`.
    ///
    /// # Errors
    /// The journal cannot be used, or a setting of Redis is wrong.
    pub fn new(
        config: Config,
        keys: &OperatorKeys,
        descriptors: Descriptors,
        local: SocketAddr,
    ) -> Result<Self, GatewayError> {
        let registry = Arc::new(Registry::new(config.redis.redis_partitions));
        let limits = config.engine_limits()?;
        let engine = engine(&config, &limits, registry.clone())?;
        Ok(Self {
            limits,
            engine,
            registry,
            metrics: Metrics::new(),
            descriptors: Arc::new(descriptors),
            token_requests: AddressRate::new(config.tokens.token_requests_per_second),
            wrong_keys: AddressRate::new(config.operator.wrong_keys_per_second),
            request_ids: RequestIds::new(),
            test_channel: config
                .tokens
                .test_channel
                .map_or(keys.trial, |switch| switch == Switch::On),
            operator_keys: keys.keys.iter().map(|key| Digest::of(key.as_bytes())).collect(),
            origins: origins(&config, keys.trial, local),
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
            config,
        })
    }

    /// The gateway that answers `request`.
    ///
    /// # Panics
    /// When the app was built without one.
    #[must_use]
    pub fn of(request: &HttpRequest) -> &Data<Self> {
        request.app_data::<Data<Self>>().expect("the app holds its gateway")
    }

    /// Whether `key` is one of the operator's. All are compared, each in constant time.
    #[must_use]
    pub fn is_operator_key(&self, key: &str) -> bool {
        let key = Digest::of(key.as_bytes());
        self.operator_keys.iter().filter(|operator| operator.matches(&key)).count() > 0
    }

    /// Whether a client with this `Origin` may open sockets: one that the operator allows, or the
    /// gateway's own. `host` is the request's `Host`.
    #[must_use]
    pub fn allows_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let canonical = origin::canonical(origin);
        self.origins.iter().any(|allowed| *allowed == canonical)
            || host.is_some_and(|host| origin::has_host(origin, host))
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// The outcome of `work`, or `None` once the shutdown begins.
    pub async fn unless_draining<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.draining.run_until_cancelled(work).await
    }

    /// Begins the shutdown: `/readyz` fails and new sockets are refused.
    pub fn drain(&self) {
        self.draining.cancel();
    }
}

/// The engine that the settings ask for.
fn engine(
    config: &Config,
    limits: &Limits,
    listener: Arc<dyn EngineListener>,
) -> Result<Arc<dyn Engine>, GatewayError> {
    if let Some(options) = config.redis.options()? {
        return Ok(match options.partitions.get() {
            1 if !options.is_cluster() => Arc::new(Redis::start(limits, options, None, listener)),
            _ => Arc::new(Partitioned::start(limits, &options, None, &listener)),
        });
    }
    let clock = Arc::new(SystemClock);
    let Some(folder) = &config.journal.data_dir else {
        return Ok(Arc::new(Embedded::new(limits.clone(), clock, listener)));
    };
    let durability = config.journal.durability.into();
    let engine = Embedded::open(limits, clock, listener, folder, durability, COMPACTION_THRESHOLD)
        .map_err(|source| GatewayError::Journal { folder: folder.clone(), source })?;
    Ok(Arc::new(engine))
}

/// The origins that may open sockets whatever `Host` says: those that the operator allows, and the
/// gateway's own as far as it knows it.
fn origins(config: &Config, trial: bool, local: SocketAddr) -> Vec<String> {
    let mut origins = config.http.allowed_origins.clone();
    origins.extend(config.http.public_url.clone());
    if trial {
        let hosts = ["127.0.0.1", "localhost", "[::1]"];
        origins.extend(hosts.map(|host| format!("http://{host}:{}", local.port())));
    }
    origins.iter().map(|origin| origin::canonical(origin).into_owned()).collect()
}
