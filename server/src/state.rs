//! What all requests share.

use std::{net::SocketAddr, sync::Arc};

use actix_web::{HttpRequest, web::Data};
use tokio_util::sync::CancellationToken;

use engine::{
    Digest, Engine, EngineListener, SystemClock,
    embedded::{Embedded, REWRITE_AT},
    redis::Redis,
};

use crate::{
    config::{Config, OperatorKeys, Switch},
    descriptors::Descriptors,
    http::{rate::AddressRate, request_id::RequestIds},
    metrics::Metrics,
    registry::Registry,
};

/// One gateway.
pub struct Gateway {
    /// Its settings.
    pub config: Config,
    /// What it remembers.
    pub engine: Arc<dyn Engine>,
    /// Its open sockets.
    pub registry: Arc<Registry>,
    /// Its connections.
    pub descriptors: Arc<Descriptors>,
    /// Its counters.
    pub metrics: Metrics,
    /// The rate of token requests.
    pub token_requests: AddressRate,
    /// The rate of wrong operator keys.
    pub wrong_keys: AddressRate,
    /// Where requests get their names from.
    pub request_ids: RequestIds,
    /// Whether the channel `test` gives tokens.
    pub test_channel: bool,
    operator_keys: Vec<Digest>,
    origins: Vec<String>,
    draining: CancellationToken,
    /// Ends the requests that are under way, when the sockets are gone.
    pub ending: CancellationToken,
}

impl Gateway {
    /// A gateway that listens on `local`.
    ///
    /// # Errors
    /// A sentence, when the journal cannot be used or the Redis is badly named.
    pub fn new(
        config: Config,
        keys: &OperatorKeys,
        descriptors: Descriptors,
        local: SocketAddr,
    ) -> Result<Self, String> {
        let registry = Arc::new(Registry::default());
        let engine = engine(&config, registry.clone())?;
        let descriptors = Arc::new(descriptors);
        Ok(Self {
            engine,
            registry,
            metrics: Metrics::new(Arc::clone(&descriptors)),
            descriptors,
            token_requests: AddressRate::new(config.token_requests_per_second),
            wrong_keys: AddressRate::new(config.wrong_keys_per_second),
            request_ids: RequestIds::new(),
            test_channel: config.test_channel.map_or(keys.trial, |switch| switch == Switch::On),
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
    /// When the app was put together without one.
    #[must_use]
    pub fn of(request: &HttpRequest) -> &Data<Self> {
        request.app_data::<Data<Self>>().expect("the app holds its gateway")
    }

    /// Whether `key` is one of the operator's. All are compared, in constant time.
    #[must_use]
    pub fn knows_operator_key(&self, key: &str) -> bool {
        let key = Digest::of(key.as_bytes());
        self.operator_keys.iter().filter(|operator| **operator == key).count() > 0
    }

    /// Whether pages of `origin` may open sockets.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }

    /// Whether the gateway is going away.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// What becomes of `work`, unless the gateway goes away meanwhile.
    pub async fn unless_draining<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.draining.run_until_cancelled(work).await
    }

    /// From now on the gateway is going away.
    pub fn drain(&self) {
        self.draining.cancel();
    }
}

/// The engine that the settings ask for.
fn engine(config: &Config, sockets: Arc<dyn EngineListener>) -> Result<Arc<dyn Engine>, String> {
    if let Some(settings) = config.redis()? {
        return Ok(Arc::new(Redis::start(&config.engine(), settings, None, sockets)));
    }
    let clock = Arc::new(SystemClock::start());
    Ok(match &config.data_dir {
        None => Arc::new(Embedded::new(config.engine(), clock, sockets)),
        Some(folder) => Arc::new(Embedded::open(
            config.engine(),
            clock,
            sockets,
            folder,
            config.durability.into(),
            REWRITE_AT,
        )?),
    })
}

/// The origins whose pages may open sockets: those that the operator names and the gateway's own,
/// which is never what `Host` says.
fn origins(config: &Config, trial: bool, local: SocketAddr) -> Vec<String> {
    let mut origins = config.allowed_origins.clone();
    origins.extend(config.public_url.clone());
    if trial {
        let hosts = ["127.0.0.1", "localhost", "[::1]"];
        origins.extend(hosts.map(|host| format!("http://{host}:{}", local.port())));
    }
    origins
}
