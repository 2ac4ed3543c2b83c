//! The listener and the workers. What one connection goes through is in [`connection`].
//!
//! [`connection`]: crate::connection

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use actix_web::{dev::Server, web::Data};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    connection::connections,
    routes::{Shared, contract},
    state::Gateway,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 2048;

/// Why `--listen` cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be listened on: {source}; {remedy}.", remedy = remedy(.source))]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "end the program that uses it, or give another port with --listen",
        ErrorKind::AddrNotAvailable => {
            "give --listen an address of this machine, or 0.0.0.0 or [::] for all of them"
        }
        ErrorKind::PermissionDenied => {
            "give --listen a port from 1024, or let the process bind lower ones (CAP_NET_BIND_SERVICE)"
        }
        _ => "give --listen another address",
    }
}

/// Binds, without listening yet: nothing can connect.
///
/// # Errors
/// The address is in use, not one of this machine, or needs a privilege.
pub fn bind(address: SocketAddr) -> Result<TcpSocket, ListenError> {
    let bind = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    bind().map_err(|source| ListenError { address, source })
}

/// Binds and listens, with room for [`BACKLOG`] connections that wait to be accepted.
///
/// # Errors
/// As [`bind`].
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address)?.listen(BACKLOG).map_err(|source| ListenError { address, source })
}

/// The server with its workers, which runs until it is stopped through its handle.
///
/// # Errors
/// The listener cannot be handed to actix.
pub fn serve(gateway: &Data<Gateway>, listener: TcpListener) -> io::Result<Server> {
    let config = &gateway.config;
    let workers = config.http.worker_threads();
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
