//! The whole gateway put together: its operations, its listener, its start and its end.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
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
        signal::unix::{SignalKind, signal},
        time,
    },
    web::{self, Data},
};
use tokio::net::{TcpListener, TcpSocket};
use tracing_subscriber::EnvFilter;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::{AppExt, UtoipaApp};

use crate::{
    api::{connect_socket, docs, health, operator, socket, token},
    config::{Config, LogFormat, OperatorKeys},
    contract,
    descriptors::Descriptors,
    gateway::Gateway,
    http::{cross_origin::cors, fallback::fallback, scope::scope},
    socket::{close::CloseCode, upgrade::upgrade},
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
        .service(operator::issue_token)
        .service(health::livez)
        .service(health::readyz)
        .service(health::get_metrics)
        .service(docs::get_openapi)
        .service(docs::get_openapi_30)
        .service(docs::get_swagger_ui)
}

/// The contract of the operations.
#[must_use]
pub fn contract() -> OpenApi {
    contract::finished(operations().split_for_parts().1)
}

/// The app: the operations, and what every request goes through.
pub fn app(
    gateway: Data<Gateway>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let cors = cors(&gateway.config.allowed_origins);
    operations()
        .into_app()
        .app_data(gateway)
        .default_service(web::to(fallback))
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
        let gateway = Data::new(Gateway::new(config, &keys, descriptors, local));
        let server = serve(&gateway, listener).map_err(|error| error.to_string())?;
        announce(&gateway, &keys, local);
        let housekeeping = actix_web::rt::spawn(keep_house(gateway.clone()));
        actix_web::rt::spawn(end_on_signal(gateway.into_inner(), server.handle()));
        let ended = server.await.map_err(|error| error.to_string());
        housekeeping.abort();
        tracing::info!("ended");
        ended
    })
}

fn start_log(config: &Config) -> Result<(), String> {
    let filter: EnvFilter = config
        .log
        .parse()
        .map_err(|error| format!("--log {:?} is no filter: {error}.", config.log))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
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
    let mut server = Server::build()
        .disable_signals()
        .shutdown_timeout(config.drain_timeout.as_secs())
        .max_concurrent_connections(gateway.descriptors.room());
    if let Some(workers) = config.workers {
        server = server.workers(workers as usize);
    }
    let gateway = gateway.clone();
    let server = server.listen("gateway", listener.into_std()?, move || {
        let descriptors = Arc::clone(&gateway.descriptors);
        let ending = gateway.ending.clone();
        HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            .graceful_shutdown_signal(move || ending.clone().cancelled_owned())
            .on_connect_ext(move |stream: &TcpStream, data| {
                // Small frames go at once. That it cannot be set costs time, not truth.
                let _ = stream.set_nodelay(true);
                data.insert(descriptors.connect());
            })
            .upgrade(upgrades(gateway.clone()))
            .h1(map_config(app(gateway.clone()), |()| AppConfig::default()))
            .tcp()
    })?;
    Ok(server.run())
}

/// The service that takes upgraded connections, with an app of its own to answer them.
fn upgrades(
    gateway: Data<Gateway>,
) -> impl ServiceFactory<
    (actix_http::Request, crate::socket::upgrade::Framed),
    Config = (),
    Response = (),
    Error = Error,
    InitError = (),
> {
    let app = map_config(app(gateway.clone()), |()| AppConfig::default());
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
    println!("Swagger UI: http://{local}/swagger-ui/");
    if keys.trial {
        for key in &keys.keys {
            println!("This is a trial. Its operator key: {key}");
        }
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

/// Waits for SIGTERM or ctrl-c and ends the gateway: first its sockets, then its requests. The
/// second signal ends it at once.
async fn end_on_signal(gateway: Arc<Gateway>, server: ServerHandle) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received: only a kill ends this process");
        return;
    };
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    tracing::info!("draining");
    gateway.drain();
    let gracefully = async {
        let _ = time::timeout(gateway.config.drain_timeout, drain_sockets(&gateway)).await;
        gateway.ending.cancel();
        server.stop(true).await;
    };
    tokio::select! {
        () = gracefully => {}
        _ = terminate.recv() => server.stop(false).await,
        _ = interrupt.recv() => server.stop(false).await,
    }
}

async fn drain_sockets(gateway: &Gateway) {
    let (batch, pause) = DRAIN_BATCH;
    while !gateway.registry.is_empty() {
        gateway.registry.close_some(CloseCode::Draining, batch);
        time::sleep(pause).await;
    }
}
