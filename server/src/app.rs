//! The whole gateway put together: its operations, its listener, its start and its end.

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    rc::Rc,
    sync::Arc,
    thread,
    time::Duration,
};

use actix_http::HttpService;
use actix_service::{ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{AppConfig, Server, ServerHandle, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    rt::{
        System,
        net::TcpStream,
        signal::unix::{Signal, SignalKind, signal},
        time,
    },
    web::{self, Data},
};
use tokio::net::{TcpListener, TcpSocket};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::{AppExt, UtoipaApp};

use crate::{
    config::{Config, LogFormat, OperatorKeys},
    contract::{self, Documents},
    descriptors::{Descriptors, Room},
    http::{
        admission::{self, refuse_newcomers},
        cors::cors,
        not_found::{Paths, fallback},
        request_scope::scope,
    },
    operations::{
        connect_socket,
        docs::{self, Pages},
        events::{self, Streams},
        health, operator, socket, token,
    },
    state::Gateway,
    websocket::upgrade::upgrade,
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 2048;

/// How long a client has for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a closing connection has to be read to its end.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often what is due is ended.
const EXPIRY: Duration = Duration::from_millis(500);

/// Sockets that are told to go at a time, and how long until the next are.
const DRAIN_BATCH: (usize, Duration) = (500, Duration::from_millis(50));

/// Every operation: its route and its part of the contract in one statement.
fn operations() -> UtoipaApp<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .into_utoipa_app()
        .openapi(contract::base())
        .service(token::request_token)
        .service(token::revoke_token)
        .service(connect_socket::connect_socket)
        .service(socket::open_socket)
        .service(operator::send_message)
        .service(operator::list_prospects)
        .service(operator::get_prospect)
        .service(operator::disconnect_prospect)
        .service(operator::issue_token)
        .service(events::stream_events)
        .service(events::release_events)
        .service(health::livez)
        .service(health::readyz)
        .service(health::get_metrics)
        .service(docs::get_openapi)
        .service(docs::get_openapi_30)
        .service(docs::get_asyncapi)
        .service(docs::get_swagger_ui)
}

/// The contract of the operations.
#[must_use]
pub fn contract() -> OpenApi {
    contract::finished(operations().split_for_parts().1)
}

/// What the parts of the app share, made once and handed to every worker.
#[derive(Clone)]
pub struct Shared {
    gateway: Data<Gateway>,
    pages: Data<Pages>,
    paths: Data<Paths>,
    streams: Data<Streams>,
}

impl Shared {
    /// All that `gateway` needs to answer requests.
    #[must_use]
    pub fn new(gateway: Data<Gateway>) -> Self {
        let contract = contract();
        Self {
            gateway,
            pages: Data::new(Pages::of(Documents::of(&contract))),
            paths: Data::new(Paths::of(&contract)),
            streams: Data::default(),
        }
    }
}

/// The app: the operations, and what every request goes through.
pub fn app(
    shared: Shared,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let cors = cors(&shared.gateway.config.allowed_origins);
    operations()
        .into_app()
        .app_data(shared.gateway)
        .app_data(shared.pages)
        .app_data(shared.paths)
        .app_data(shared.streams)
        .default_service(web::to(fallback))
        .wrap(from_fn(refuse_newcomers))
        .wrap(cors)
        .wrap(from_fn(scope))
}

/// Runs a gateway until it is told to end.
///
/// # Errors
/// A sentence that says which setting or resource is in the way.
pub fn run(config: Config) -> Result<(), String> {
    start_log(&config)?;
    let keys = config.operator_keys()?;
    let descriptors = Descriptors::of_this_process()?;
    System::new().block_on(async move {
        let listener = listen(config.listen)
            .map_err(|error| format!("{} cannot be listened on: {error}.", config.listen))?;
        let local = listener.local_addr().map_err(|error| error.to_string())?;
        let gateway = Data::new(Gateway::new(config, &keys, descriptors, local)?);
        let server = serve(&gateway, listener).map_err(|error| error.to_string())?;
        let signals = Signals::listen().map_err(|error| error.to_string())?;
        announce(&gateway, &keys, local);
        let housekeeping = actix_web::rt::spawn(keep_house(gateway.clone()));
        let handle = server.handle();
        let ended = tokio::select! {
            ended = server => ended.map_err(|error| error.to_string()),
            () = end_on_signals(signals, &gateway, &handle) => Ok(()),
        };
        housekeeping.abort();
        gateway.engine.end().await;
        tracing::info!("ended");
        ended
    })
}

fn start_log(config: &Config) -> Result<(), String> {
    let filter = config.log_filter()?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // They would go to the place that cannot be written to.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(|error| error.to_string())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// actix's own `HttpServer` has no place for an upgrade service, so its parts are put together
/// here as it would.
fn serve(gateway: &Data<Gateway>, listener: TcpListener) -> io::Result<Server> {
    let config = &gateway.config;
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = config.workers.map_or_else(cores, |workers| workers as usize);
    let shared = Shared::new(gateway.clone());
    let server = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(config.drain_timeout.as_secs() + 1)
        // Past this, connections wait to be accepted, so that a burst of them does not take what
        // is kept for other things. Sockets are not among those that actix counts.
        .max_concurrent_connections(gateway.descriptors.accepted().div_ceil(workers));
    let server = server.listen("gateway", listener.into_std()?, move || {
        let connecting = shared.gateway.clone();
        let ending = shared.gateway.ending.clone();
        HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            // Who closes a connection is gone: an event stream would not notice otherwise.
            .h1_allow_half_closed(false)
            .graceful_shutdown_signal(move || ending.clone().cancelled_owned())
            .on_connect_ext(move |stream: &TcpStream, data| {
                let connection = connecting.descriptors.connect();
                if connection.room == Room::No {
                    admission::turn_away(&connecting, stream);
                }
                // Small frames go at once. That it cannot be set costs time, not truth.
                let _ = stream.set_nodelay(true);
                data.insert(connection);
            })
            .upgrade(upgrades(shared.clone()))
            .h1(map_config(app(shared.clone()), |()| AppConfig::default()))
            .tcp()
    })?;
    Ok(server.run())
}

/// The service that takes upgraded connections, with an app of its own to answer them.
fn upgrades(
    shared: Shared,
) -> impl ServiceFactory<
    (actix_http::Request, crate::websocket::upgrade::Framed),
    Config = (),
    Response = (),
    Error = Error,
    InitError = (),
> {
    let gateway = shared.gateway.clone();
    let app = map_config(app(shared), |()| AppConfig::default());
    fn_factory(move || {
        let app = app.new_service(());
        let gateway = gateway.clone().into_inner();
        async move {
            let app = Rc::new(app.await?);
            Ok(fn_service(move |(request, connection)| {
                let (app, gateway) = (Rc::clone(&app), Arc::clone(&gateway));
                async move {
                    upgrade(app, gateway, request, connection).await;
                    Ok(())
                }
            }))
        }
    })
}

/// Says where the gateway is and what it can hold. A trial's key is shown here, once, and is not
/// logged.
fn announce(gateway: &Gateway, keys: &OperatorKeys, local: SocketAddr) {
    tracing::info!(
        address = %local,
        descriptors = gateway.descriptors.limit(),
        connections = gateway.descriptors.room(),
        trial = keys.trial,
        "listening"
    );
    let mut terminal = io::stdout();
    // Whoever closed the output does not want to read it.
    let _ = writeln!(terminal, "Swagger UI: http://{local}/swagger-ui/");
    for key in keys.keys.iter().filter(|_| keys.trial) {
        let _ = writeln!(terminal, "This is a trial. Its operator key: {key}");
    }
}

/// Ends what is due.
async fn keep_house(gateway: Data<Gateway>) {
    let mut ticks = time::interval(EXPIRY);
    loop {
        ticks.tick().await;
        if gateway.engine.expire().await.is_err() {
            tracing::warn!("the engine cannot be reached");
        }
        gateway.token_requests.forget_the_quiet();
        gateway.wrong_keys.forget_the_quiet();
    }
}

/// SIGTERM and ctrl-c.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals are heard and do not end the process by themselves.
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

/// Waits for a signal and ends the gateway: first its sockets, then its requests. The second signal
/// ends it at once, and so does the end of the time that there is for it.
async fn end_on_signals(mut signals: Signals, gateway: &Gateway, server: &ServerHandle) {
    signals.next().await;
    tracing::info!("draining");
    gateway.drain();
    let until = tokio::time::Instant::now() + gateway.config.drain_timeout;
    let gracefully = async {
        let _ = tokio::time::timeout_at(until, drain_sockets(gateway)).await;
        gateway.ending.cancel();
        let _ = tokio::time::timeout_at(until, server.stop(true)).await;
    };
    tokio::select! { () = gracefully => {}, () = signals.next() => {} }
}

async fn drain_sockets(gateway: &Gateway) {
    let (batch, pause) = DRAIN_BATCH;
    while !gateway.registry.is_empty() {
        gateway.registry.drain_some(batch);
        time::sleep(pause).await;
    }
}
