//! What a connection hears for which there is no room.

use std::sync::Arc;

use actix_http::ConnectionType;
use actix_web::{
    Error, HttpRequest, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    rt::net::TcpStream,
};
use api_types::problem::ProblemKind;
use socket2::SockRef;

use crate::{
    descriptors::{Connection, Room},
    problem::{ApiError, MEDIA_TYPE},
    state::Gateway,
};

/// Whether the connection of `request` came when there was no room.
pub fn is_newcomer(request: &HttpRequest) -> bool {
    let connection = request.conn_data::<Arc<Connection>>();
    connection.is_some_and(|connection| connection.room != Room::Yes)
}

/// Answers newcomers with 503. Probes are answered all the same, and a handshake looks for itself,
/// after what comes first there.
///
/// # Errors
/// Those of the inner service.
pub async fn refuse_newcomers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let exempt = matches!(request.path(), "/livez" | "/readyz" | "/metrics" | "/prospect/socket");
    if !is_newcomer(request.request()) || exempt {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let mut response = ApiError::from(ProblemKind::OutOfDescriptors).error_response();
    response.head_mut().set_connection_type(ConnectionType::Close);
    Ok(request.into_response(response))
}

/// Refuses a connection that cannot even be received: the answer is written as far as it goes at
/// once, and nothing is read.
pub fn turn_away(gateway: &Gateway, stream: &TcpStream) {
    let kind = ProblemKind::OutOfDescriptors;
    let id = gateway.request_ids.next().0;
    let problem = ApiError::from(kind).problem(&id);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {MEDIA_TYPE}\r\nretry-after: 1\r\n\
         x-request-id: {id}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // A peer that has not asked yet may not hear it; it sees the connection closed.
    let _ = stream.try_write(answer.as_bytes());
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
    gateway.metrics.turned_away(kind.name());
    tracing::debug!(requestId = id, problem = kind.name(), "turned away");
}
