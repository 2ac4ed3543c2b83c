//! The life of the process: start, housekeeping, end.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use actix_web::{
    rt::{
        System, spawn,
        task::{JoinHandle, spawn_blocking},
    },
    web::Data,
};

use tokio::time;

use crate::{
    config::{Config, ConfigError, OperatorKeys, Switch},
    descriptors::{Descriptors, DescriptorsError},
    healthcheck,
    logging::{self, DroppedLines, LogError, Repeated},
    server::{self, ListenError},
    service_manager,
    shutdown::{self, Signals},
    state::{Gateway, GatewayError},
};

/// How often the engine expires what is due.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(500);

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
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The engine cannot start.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The operating system refuses a thread, a socket or a signal handler.
    #[error(
        "The operating system refuses a thread, a socket or a signal handler: {0}; raise the limits of \
             the process (ulimit -a)."
    )]
    Io(#[from] io::Error),
}

/// Runs a gateway until a signal ends it.
///
/// # Errors
/// Why it does not start.
pub fn run(config: Config) -> Result<(), StartError> {
    let log = logging::start(&config.log)?;
    let keys = config.operator_keys()?;
    let descriptors = Descriptors::of_this_process(config.http.worker_threads())?;
    System::new().block_on(async move {
        let listener = server::listen(config.http.listen)?;
        let local = listener.local_addr()?;
        let gateway = Data::new(Gateway::new(config, &keys, descriptors, local)?);
        let server = server::serve(&gateway, listener)?;
        let signals = Signals::install()?;
        announce(&gateway, &keys, local);
        service_manager::ready(&format!("Listening on {local}"));
        let watchdog = service_manager::watchdog().map(|within| spawn(feed(within, local)));
        let housekeeping = spawn(run_housekeeping(gateway.clone(), log.dropped_lines()));
        let handle = server.handle();
        let ended = tokio::select! {
            ended = server => ended.map_err(StartError::from),
            () = shutdown::on_signal(signals, &gateway, &handle) => Ok(()),
        };
        housekeeping.abort();
        watchdog.inspect(JoinHandle::abort);
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
    // A closed standard output is no reason to stop.
    let (url, listening) = match &gateway.config.http.public_url {
        Some(url) => (url.clone(), format!(" (listening on http://{local})")),
        None => (format!("http://{local}"), String::new()),
    };
    let has_pages = gateway.config.http.web == Switch::On;
    let _ = if has_pages {
        writeln!(terminal, "Swagger UI: {url}/swagger-ui/{listening}")
    } else {
        writeln!(terminal, "Gateway: {url}{listening}")
    };
    for key in keys.keys.iter().filter(|_| keys.trial) {
        let _ = writeln!(terminal, "This is a trial. Its operator key: {key}");
    }
    if has_pages {
        let _ = writeln!(terminal, "Try it: {url}/try/");
    }
}

/// Tells the service manager, more often than `within`, that the gateway answers requests.
async fn feed(within: Duration, local: SocketAddr) {
    let mut ticks = time::interval(within / 3);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match spawn_blocking(move || healthcheck::ask(local)).await {
            Ok(Ok(())) => service_manager::alive(),
            Ok(Err(error)) => tracing::warn!(%error, "the gateway does not answer itself"),
            Err(_) => return,
        }
    }
}

/// Expires what is due, for as long as the gateway runs.
async fn run_housekeeping(gateway: Data<Gateway>, mut dropped_lines: DroppedLines) {
    static UNAVAILABLE: Repeated = Repeated::new();
    let mut ticks = time::interval(HOUSEKEEPING_INTERVAL);
    // After a pause of the process or a slow engine there is one tick, not all that were missed.
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Without a cause the engine is about to try: its first connection is not made, or it recovered.
        if gateway.engine.expire().await.is_err()
            && let Some(why) = gateway.engine.failure()
            && let Some(count) = UNAVAILABLE.count()
        {
            tracing::warn!(count, why, "the engine is unavailable: nothing expires");
        }
        dropped_lines.report();
        gateway.token_requests.drop_idle();
        gateway.wrong_keys.drop_idle();
    }
}
