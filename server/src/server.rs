//! The listener and the workers. What one connection goes through is in [`connection`].
//!
//! [`connection`]: crate::connection

use std::{io, net::SocketAddr, num::NonZeroUsize, thread};

use actix_web::{dev::Server, web::Data};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    connection::connections,
    routes::{Shared, contract},
    state::Gateway,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 2048;

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
    let shared = Shared::new(gateway.clone(), &contract());
    let server = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(config.http.drain_timeout.as_secs() + 1)
        // Beyond this, connections wait to be accepted, so that a burst leaves the descriptors that
        // are reserved. Sockets are not among the connections that actix counts.
        .max_concurrent_connections(gateway.descriptors.accepted().div_ceil(workers));
    let server =
        server.listen("gateway", listener.into_std()?, move || connections(shared.clone()))?;
    Ok(server.run())
}
