//! The life of the process: start, housekeeping, end.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use actix_web::{
    rt::{System, spawn, time},
    web::Data,
};
use tokio::time::MissedTickBehavior;

use crate::{
    config::{Config, ConfigError, OperatorKeys},
    descriptors::{Descriptors, DescriptorsError},
    logging::{self, LogError},
    server,
    shutdown::{self, Signals},
    state::{Gateway, GatewayError},
};

/// How often the engine expires what is due.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(500);

/// Failures of the engine in a row from one warning to the next: a minute's worth.
const FAILURES_PER_WARNING: u32 = 120;

/// Why the gateway does not start, in a sentence that names the setting or the resource to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log cannot start.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The process has too few descriptors.
    #[error(transparent)]
    Descriptors(#[from] DescriptorsError),
    /// `--listen` is an address of another machine, or in use.
    #[error("{address} cannot be listened on: {source}.")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why it cannot be listened on.
        source: io::Error,
    },
    /// The engine cannot start.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The operating system refuses a thread, a socket or a signal handler.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a gateway until a signal ends it.
///
/// # Errors
/// Why it does not start.
pub fn run(config: Config) -> Result<(), StartError> {
    logging::start(&config.log)?;
    let keys = config.operator_keys()?;
    let descriptors = Descriptors::of_this_process()?;
    System::new().block_on(async move {
        let address = config.http.listen;
        let listener =
            server::listen(address).map_err(|source| StartError::Listen { address, source })?;
        let local = listener.local_addr()?;
        let gateway = Data::new(Gateway::new(config, &keys, descriptors, local)?);
        let server = server::serve(&gateway, listener)?;
        let signals = Signals::install()?;
        announce(&gateway, &keys, local);
        let housekeeping = spawn(run_housekeeping(gateway.clone()));
        let handle = server.handle();
        let ended = tokio::select! {
            ended = server => ended.map_err(StartError::from),
            () = shutdown::on_signal(signals, &gateway, &handle) => Ok(()),
        };
        housekeeping.abort();
        gateway.engine.end().await;
        tracing::info!("ended");
        ended
    })
}

/// Prints where the gateway is. A trial's operator key is printed here, once, and never logged.
fn announce(gateway: &Gateway, keys: &OperatorKeys, local: SocketAddr) {
    tracing::info!(
        address = %local,
        descriptors = gateway.descriptors.limit(),
        connections = gateway.descriptors.room(),
        trial = keys.trial,
        "listening"
    );
    let mut terminal = io::stdout();
    let own = format!("http://{local}");
    let public = gateway.config.http.public_url.as_ref().unwrap_or(&own);
    // A closed standard output is no reason to stop.
    let _ = writeln!(terminal, "Swagger UI: {public}/swagger-ui/");
    if *public != own {
        let _ = writeln!(terminal, "Listening on {own}");
    }
    for key in keys.keys.iter().filter(|_| keys.trial) {
        let _ = writeln!(terminal, "This is a trial. Its operator key: {key}");
    }
}

/// Expires what is due, for as long as the gateway runs.
async fn run_housekeeping(gateway: Data<Gateway>) {
    let mut ticks = time::interval(HOUSEKEEPING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures: u32 = 0;
    loop {
        ticks.tick().await;
        match (gateway.engine.expire().await, failures) {
            (Ok(()), 0) => {}
            (Ok(()), _) => {
                tracing::info!(failures, "the engine is reachable again");
                failures = 0;
            }
            (Err(_), _) => {
                if failures.is_multiple_of(FAILURES_PER_WARNING) {
                    tracing::warn!(failures = failures + 1, "the engine cannot be reached");
                }
                failures = failures.saturating_add(1);
            }
        }
        gateway.token_requests.drop_idle();
        gateway.wrong_keys.drop_idle();
    }
}
