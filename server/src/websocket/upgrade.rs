//! How a connection leaves actix to become a socket.
//!
//! actix passes a request with an `Upgrade`, together with its connection, to an upgrade service
//! instead of the app. What carries the request on from there stands in no signature, because it
//! travels in type maps:
//!
//! ```text
//! TcpStream ──> actix's HttpService: reads the head of a request
//!                 │                             │
//!                 │ no Upgrade                  │ Upgrade: (Request, Framed<TcpStream>)
//!                 ▼                             ▼
//!               the app                       upgrade(), here
//!                                               │ marks the request: extensions += Upgradable
//!                                               ▼
//!                                             the app: request id, log, metrics, admission, route
//!                                               │ handshake::answer() looks for Upgradable, checks,
//!                                               │ redeems; response 101, extensions += Session
//!                                               ▼
//!                                             upgrade(): takes the Session out and writes the response
//!                                               │                             │
//!                                               │ 101 and a Session           │ any other response
//!                                               ▼                             ▼
//!                                             Framed::into_parts():         the connection is closed
//!                                             the bare TcpStream
//!                                               │
//!                                               ▼
//!                                             a task of its own: Session::run()
//! ```
//!
//! What actix holds for an HTTP connection is freed when `upgrade()` returns. A socket that stays
//! inside actix (as with `actix-ws`) holds it for life: 13.4 KB per idle socket.

use std::{rc::Rc, sync::Arc, time::Duration};

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
use crate::{http::body, state::Gateway};

/// A connection as actix passes it to an upgrade service.
pub type Framed = actix_codec::Framed<TcpStream, h1::Codec>;

/// Marks a request whose connection can become a socket.
pub struct Upgradable;

/// How long a client may take to read the response.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// The largest response that is written here, in bytes: a request that asks another path for a
/// websocket gets what it would get without, and the pages are the largest responses.
const LARGEST_RESPONSE: usize = 4 * 1024 * 1024;

/// At most this many reads of up to 1 KiB before a refused connection is closed.
const UNREAD_LIMIT: usize = 64;

/// Answers one request, and takes its connection out of actix when that becomes a socket.
pub async fn upgrade<S, B>(app: Rc<S>, gateway: Arc<Gateway>, request: Request, connection: Framed)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    if request.method() == Method::GET && request.version() == Version::HTTP_11 {
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
            actix_web::rt::spawn(session.run(gateway, parts.io, parts.read_buf));
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
async fn write(response: HttpResponse, mut connection: Framed) -> Option<Framed> {
    let (head, body) = response.into_parts();
    let mut head = Response::from(head);
    if head.status() == StatusCode::SWITCHING_PROTOCOLS {
        connection.send((head, BodySize::None).into()).await.ok()?;
        return Some(connection);
    }
    head.head_mut().set_connection_type(ConnectionType::Close);
    let body = to_bytes_limited(body, LARGEST_RESPONSE).await.ok()?.ok()?;
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
