//! How a connection leaves actix to become a socket.
//!
//! actix hands a request that asks for a websocket, together with its connection, to an upgrade
//! service instead of the app. Ours calls the app all the same, so that ids, logs, metrics and
//! refusals are those of every request; it writes what the app answers and, where that is a 101,
//! moves the bare TCP stream into a task of its own. What actix holds for an HTTP connection is
//! freed with that, where a socket that stays inside actix holds it for life.

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

/// A connection as actix hands it over.
pub type Framed = actix_codec::Framed<TcpStream, h1::Codec>;

/// Marks a request whose connection can become a socket.
pub struct Upgradable;

/// How long a client may take to take the answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The largest answer that is written here: a request that asks for a websocket on another path
/// is answered as if it had not, and pages are the largest answers.
const ANSWER_AT_MOST: usize = 4 * 1024 * 1024;

/// Reads of a KB that a refused connection is read on for.
const UNREAD_AT_MOST: usize = 64;

/// Answers one request and takes its connection out of actix where it became a socket.
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
    let written = tokio::time::timeout(DEADLINE, write(response, connection)).await;
    match (session, written) {
        (Some(session), Ok(Some(connection))) => {
            let parts = connection.into_parts();
            let task = session.run(gateway, parts.io, parts.read_buf);
            actix_web::rt::spawn(task);
        }
        (Some(session), _) => session.abandon(&gateway).await,
        (None, _) => {}
    }
}

/// Whether a body is said to follow. actix leaves it unread before a connection that may change its
/// protocol.
fn has_body(request: &Request) -> bool {
    request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Writes the answer; the connection goes on only where it became a socket.
async fn write(response: HttpResponse, mut connection: Framed) -> Option<Framed> {
    let (head, body) = response.into_parts();
    let mut head = Response::from(head);
    if head.status() == StatusCode::SWITCHING_PROTOCOLS {
        connection.send((head, BodySize::None).into()).await.ok()?;
        return Some(connection);
    }
    head.head_mut().set_connection_type(ConnectionType::Close);
    let body = to_bytes_limited(body, ANSWER_AT_MOST).await.ok()?.ok()?;
    connection.feed((head, BodySize::Sized(body.len() as u64)).into()).await.ok()?;
    if !body.is_empty() {
        connection.feed(h1::Message::Chunk(Some(body))).await.ok()?;
        connection.feed(h1::Message::Chunk(None)).await.ok()?;
    }
    connection.flush().await.ok()?;
    // What is unread when a connection is dropped can take the answer with it.
    let mut stream = connection.into_parts().io;
    stream.shutdown().await.ok()?;
    let mut unread = [0; 1024];
    for _ in 0..UNREAD_AT_MOST {
        if stream.read(&mut unread).await.ok()? == 0 {
            break;
        }
    }
    None
}
