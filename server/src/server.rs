//! The HTTP server, put together from the parts of actix.
//!
//! actix's own `HttpServer` has no place for an upgrade service, so this does what it would do, with
//! one. The way of a connection:
//!
//! ```text
//! accept -> on_connect_ext: count its descriptor
//!        -> HttpService: requests -> app (routes.rs)
//!                        a request that offers an upgrade -> upgrades -> websocket::upgrade
//! ```

use std::{io, net::SocketAddr, num::NonZeroUsize, rc::Rc, sync::Arc, thread, time::Duration};

use actix_http::HttpService;
use actix_service::{ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::{
    Error,
    dev::{AppConfig, Server},
    rt::net::TcpStream,
    web::Data,
};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    descriptors::Room,
    http::admission,
    routes::{Shared, app},
    state::Gateway,
    websocket::upgrade,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 2048;

/// How long a client has to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a connection that closes is read on, so that the client gets the answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Binds and listens, with room for [`BACKLOG`] connections that wait to be accepted.
///
/// # Errors
/// The address is in use or not one of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The server with its workers, which runs until it is stopped through its handle.
///
/// # Errors
/// The listener cannot be handed to actix.
pub fn serve(gateway: &Data<Gateway>, listener: TcpListener) -> io::Result<Server> {
    let config = &gateway.config;
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = config.http.workers.map_or_else(cores, |workers| workers as usize);
    let shared = Shared::new(gateway.clone());
    let server = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(config.http.drain_timeout.as_secs() + 1)
        // Beyond this, connections wait to be accepted, so that a burst leaves the descriptors that
        // are reserved. Sockets are not among the connections that actix counts.
        .max_concurrent_connections(gateway.descriptors.accepted().div_ceil(workers));
    let server = server.listen("gateway", listener.into_std()?, move || {
        let gateway = shared.gateway.clone();
        let ending = shared.gateway.ending.clone();
        HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            // A client that closes its half is gone: an event stream would not notice otherwise.
            .h1_allow_half_closed(false)
            .graceful_shutdown_signal(move || ending.clone().cancelled_owned())
            .on_connect_ext(move |stream: &TcpStream, data| {
                let connection = gateway.descriptors.connect();
                if connection.room == Room::No {
                    admission::turn_away(&gateway, stream);
                }
                // Small frames are sent at once. Where it cannot be set they are merely later.
                let _ = stream.set_nodelay(true);
                data.insert(connection);
            })
            .upgrade(upgrades(shared.clone()))
            .h1(map_config(app(shared.clone()), |()| AppConfig::default()))
            .tcp()
    })?;
    Ok(server.run())
}

/// The service that takes connections whose request offers an upgrade. It has an app of its own,
/// which answers the request: see [`upgrade`].
fn upgrades(
    shared: Shared,
) -> impl ServiceFactory<
    (actix_http::Request, upgrade::Framed),
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
                    upgrade::upgrade(app, gateway, request, connection).await;
                    Ok(())
                }
            }))
        }
    })
}
