//! What happens to connections beyond the limit of descriptors, and to those that arrive faster than
//! they can begin.
//!
//! The first beyond the limit are answered with 503 (see
//! [`RoutePolicy`](super::route_policy::RoutePolicy)), which takes a descriptor; the others are closed as
//! they come.

use std::{io::Read, sync::Arc};

use actix_http::ConnectionType;
use actix_web::{HttpRequest, HttpResponse, ResponseError, rt::net::TcpStream};
use api_types::problem::ProblemKind;
use bytes::Bytes;
use socket2::SockRef;

use crate::{
    descriptors::{Connection, Room},
    problem::{
        ApiError,
        render::{MEDIA_TYPE, after_an_outage},
    },
    state::Gateway,
};

/// What a client reads whose address has as many connections as it may.
pub const ADDRESS_FULL: &str = "This client address has the maximum number of connections, open sockets \
                            included. Close one, or retry after the time in Retry-After.";

/// What a client reads that comes while thousands of others do.
pub const RUSH: &str = "More connections arrive at once than the gateway can begin. Retry after the time in \
                        Retry-After.";

/// How much is read of a connection before it is refused: a request of the usual size.
const ARRIVED: usize = 2048;

/// What has arrived on a connection that nothing was read from.
pub fn arrived(stream: &TcpStream) -> Bytes {
    let mut bytes = [0; ARRIVED];
    // Not tokio's `try_read`, as below.
    let read = (&*SockRef::from(stream)).read(&mut bytes);
    Bytes::copy_from_slice(&bytes[..read.unwrap_or(0)])
}

/// Whether the connection of `request` is beyond the limit.
#[must_use]
pub fn is_newcomer(request: &HttpRequest) -> bool {
    let connection = request.conn_data::<Arc<Connection>>();
    connection.is_some_and(|connection| connection.room != Room::Yes)
}

/// The answer 503 that also closes the connection.
#[must_use]
pub fn refusal() -> HttpResponse {
    let mut response = ApiError::from(ProblemKind::OutOfDescriptors).error_response();
    response.head_mut().set_connection_type(ConnectionType::Close);
    response
}

/// Refuses a connection whose request is not looked at: writes 503 as far as the socket takes it at
/// once, and closes. `detail` says more than the title of the problem.
pub fn turn_away(gateway: &Gateway, stream: &TcpStream, detail: Option<&'static str>) {
    let kind = ProblemKind::OutOfDescriptors;
    let id = gateway.request_ids.next().0;
    let error = detail.map_or_else(|| kind.into(), |detail| ApiError::with_detail(kind, detail));
    let body = serde_json::to_string(&error.problem(&id)).unwrap_or_default();
    let retry_after = after_an_outage().as_secs();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {MEDIA_TYPE}\r\nretry-after: {retry_after}\r\n\
         x-request-id: {id}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // A client that has not sent its request yet may miss the answer; it sees the connection close.
    // Not tokio's `try_write`, which does not know yet that a new stream can be written to.
    let socket = SockRef::from(stream);
    let _ = socket.send(answer.as_bytes());
    let _ = socket.shutdown(std::net::Shutdown::Both);
    gateway.metrics.turned_away(kind.name());
    tracing::debug!(requestId = id, problem = kind.name(), "connection refused");
}
