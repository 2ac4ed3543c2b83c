//! Asks a running gateway whether it is alive, as its clients do: over HTTP.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long the gateway may take for each step of its answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of a status line up to its code.
const STATUS: usize = "HTTP/1.1 200".len();

/// Why the gateway counts as not alive.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nothing listens or answers there.
    #[error("{0} does not answer: {1}; is a gateway with this --listen running?")]
    Silent(SocketAddr, io::Error),
    /// The answer is not that of a gateway which is alive.
    #[error("{0} answers {1:?} to GET /livez; is it a gateway?")]
    Unexpected(SocketAddr, String),
}

/// Asks the gateway that listens on `listen` for `/livez`.
///
/// # Errors
/// [`HealthError`], where it does not answer with 200.
pub fn ask(listen: SocketAddr) -> Result<(), HealthError> {
    let address = reachable(listen);
    let status = livez(address).map_err(|error| HealthError::Silent(address, error))?;
    if status.ends_with(" 200") { Ok(()) } else { Err(HealthError::Unexpected(address, status)) }
}

fn livez(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; STATUS];
    stream.read_exact(&mut status)?;
    Ok(String::from_utf8_lossy(&status).into_owned())
}

/// An address that listens on every interface is asked on loopback.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => {
            listen.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        IpAddr::V6(address) if address.is_unspecified() => {
            listen.set_ip(Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    listen
}
