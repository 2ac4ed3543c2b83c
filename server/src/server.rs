//! The HTTP server, put together from the parts of actix.
//!
//! actix's own `HttpServer` has no place for an upgrade service, so this does what it would do, with
//! one. The way of a connection:
//!
//! ```text
//! accept -> on_connect_ext: count its descriptor
//!        -> HttpService: a request -> app (routes.rs)
//!                        a request that waits for 100 Continue -> expectations, then app
//!                        a request that offers an upgrade -> upgrades -> websocket::upgrade
//! ```

use std::{io, net::SocketAddr, num::NonZeroUsize, rc::Rc, sync::Arc, thread, time::Duration};

use actix_http::{ConnectionType, HttpMessage, HttpService, Payload, Request};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::{
    Error,
    body::BoxBody,
    dev::{AppConfig, Server},
    rt::net::TcpStream,
    web::Data,
};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    descriptors::Room,
    http::{admission, body},
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
            .expect(expectations(shared.clone()))
            .upgrade(upgrades(shared.clone()))
            .h1(map_config(app(shared.clone()), |()| AppConfig::default()))
            .tcp()
    })?;
    Ok(server.run())
}

/// The service that decides on `Expect: 100-continue`, before the body is sent. A body that is larger
/// than any route takes is refused at once, by the app: so the token is still checked first.
fn expectations(
    shared: Shared,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Request,
    Error = actix_http::Response<BoxBody>,
    InitError = (),
> {
    let config = &shared.gateway.config.http;
    let max_bytes = config.body_bytes.max(config.message_body_bytes);
    let app = map_config(app(shared), |()| AppConfig::default());
    fn_factory(move || {
        let app = app.new_service(());
        async move {
            let app = Rc::new(app.await?);
            Ok(fn_service(move |request: Request| {
                let app = Rc::clone(&app);
                async move {
                    let length = body::content_length(request.headers());
                    if length.is_none_or(|length| length <= u64::from(max_bytes)) {
                        return Ok(request);
                    }
                    let (request, _) = request.replace_payload(Payload::None);
                    let max_bytes = max_bytes as usize;
                    body::refuse_as_too_large(&mut request.extensions_mut(), max_bytes);
                    let mut response = match app.call(request).await {
                        Ok(response) => response.into_parts().1,
                        Err(error) => error.error_response(),
                    };
                    response.head_mut().set_connection_type(ConnectionType::Close);
                    Err(response.into())
                }
            }))
        }
    })
}

/// The service that takes connections whose request offers an upgrade. It has an app of its own,
/// which answers the request: see [`upgrade`].
fn upgrades(
    shared: Shared,
) -> impl ServiceFactory<
    (Request, upgrade::Framed),
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
