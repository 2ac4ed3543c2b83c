//! How a connection leaves actix to become a socket.
//!
//! What carries a handshake on stands in no signature, because it travels in type maps:
//!
//! ```text
//! actix: the head of a request
//!   |  with `Upgrade: websocket`: (Request, Framed), see `connection.rs`
//!   v
//! upgrade()                 request.extensions  += Upgradable
//!   |
//!   v
//! the app                   request id, log, metrics, route
//!   |
//!   v
//! handshake::answer()       looks for Upgradable, checks, redeems
//!   |                       response.extensions += Session, where the status is 101
//!   v
//! upgrade()                 takes the Session out, writes the response
//!   |
//!   +-- no Session -------> closes the connection
//!   |
//!   v  Framed::into_parts(): the bare TcpStream
//! Session::run()            a task of its own
//! ```
//!
//! What actix holds for an HTTP connection is freed when `upgrade()` returns. A socket that stays
//! inside actix (as with `actix-ws`) holds it for life: 13.9 KB per idle socket.

use std::{sync::Arc, time::Duration};

use actix_http::{
    ConnectionType, Request, Response, Version,
    body::{BodySize, MessageBody, to_bytes_limited},
    h1,
};
use actix_web::{
    HttpMessage, HttpResponse,
    dev::{Service, ServiceResponse},
    http::{Method, StatusCode, header},
    rt::net::TcpStream,
};
use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::session::Session;
use crate::{http::body, http_stream::HttpStream, state::Gateway};

/// A connection as actix passes it to an upgrade service.
pub type Framed<T> = actix_codec::Framed<HttpStream<TcpStream, T>, h1::Codec>;

/// The path of the handshake.
const PATH: &str = "/prospect/socket";

/// Marks a request whose connection can become a socket.
pub struct Upgradable;

/// How long a client may take to read the response.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// The largest body that is written here, in bytes: a handshake is refused with a problem.
const LARGEST_BODY: usize = 64 * 1024;

/// At most this many reads of up to 1 KiB before a refused connection is closed.
const UNREAD_LIMIT: usize = 64;

/// Whether a request with `Upgrade: websocket` is a handshake. On every other one the header is
/// ignored (RFC 9110, section 7.8).
#[must_use]
pub fn is_handshake(request: &Request) -> bool {
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.path() == PATH
}

/// Answers a request for which actix gave the connection away. A handshake that succeeds becomes a
/// socket; otherwise the connection is closed.
pub async fn upgrade<S, B, T>(
    app: &S,
    gateway: Arc<Gateway>,
    request: Request,
    connection: Framed<T>,
) where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
    T: Unpin,
{
    if is_handshake(&request) {
        request.extensions_mut().insert(Upgradable);
    }
    if has_body(&request) {
        body::refuse(&mut request.extensions_mut());
    }
    let mut response = match app.call(request).await {
        Ok(response) => response.map_into_boxed_body().into_parts().1,
        Err(error) => error.error_response(),
    };
    let session = response.extensions_mut().remove::<Session>();
    let written = tokio::time::timeout(WRITE_DEADLINE, write(response, connection)).await;
    match (session, written) {
        (Some(session), Ok(Some(connection))) => {
            let parts = connection.into_parts();
            let stream = parts.io.into_inner();
            actix_web::rt::spawn(session.run(gateway, stream, parts.read_buf));
        }
        (Some(session), _) => session.cancel(&gateway).await,
        (None, _) => {}
    }
}

/// Whether the request announces a body. actix does not read one from a connection that may change
/// its protocol.
fn has_body(request: &Request) -> bool {
    request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Writes the response. Returns the connection if that changes its protocol, and closes it if not.
async fn write<T: Unpin>(response: HttpResponse, mut connection: Framed<T>) -> Option<Framed<T>> {
    let (head, body) = response.into_parts();
    let mut head = Response::from(head);
    if head.status() == StatusCode::SWITCHING_PROTOCOLS {
        connection.send((head, BodySize::None).into()).await.ok()?;
        return Some(connection);
    }
    head.head_mut().set_connection_type(ConnectionType::Close);
    let body = to_bytes_limited(body, LARGEST_BODY).await.ok()?.ok()?;
    connection.feed((head, BodySize::Sized(body.len() as u64)).into()).await.ok()?;
    if !body.is_empty() {
        connection.feed(h1::Message::Chunk(Some(body))).await.ok()?;
        connection.feed(h1::Message::Chunk(None)).await.ok()?;
    }
    connection.flush().await.ok()?;
    // A connection that is dropped with bytes unread takes what was written with it.
    let mut stream = connection.into_parts().io;
    stream.shutdown().await.ok()?;
    let mut unread = [0; 1024];
    for _ in 0..UNREAD_LIMIT {
        if stream.read(&mut unread).await.ok()? == 0 {
            break;
        }
    }
    None
}
