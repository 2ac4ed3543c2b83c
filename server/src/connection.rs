//! One connection, from accept until it closes or becomes a socket.
//!
//! ```text
//! TcpStream -> HttpStream -> actix: head, app, response; head, app, response; ...
//!                  ^           |
//!                  |           | a head with `Upgrade: websocket`: actix hands the request and the
//!                  |           | stream over, and ends
//!                  |           v
//!                  |         is it a handshake? -- yes --> websocket::upgrade
//!                  |           | no
//!                  +-----------+ the head without its `Upgrade`, to be read again
//! ```

use std::{
    cell::RefCell,
    convert::Infallible,
    future::ready,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, Request, Version, body::MessageBody, error::DispatchError};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::{
    Error, HttpMessage,
    dev::{AppConfig, ServiceResponse},
    http::{Method, header},
    rt::net::TcpStream,
};
use bytes::{BufMut, Bytes, BytesMut};
use ipnet::IpNet;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;

use crate::{
    address_rate::limited_address,
    config::HttpConfig,
    descriptors::{Connection, Room},
    expectations::expectations,
    http::{admission, client_address::log_limit},
    http_stream::{Bounds, HttpStream},
    logging::Repeated,
    operations::health,
    routes::{Shared, app},
    state::Gateway,
    turns,
    websocket::upgrade,
};

/// Client addresses with as many connections as they may have, in the log.
static OVER_LIMIT: Repeated = Repeated::new();

/// Connections that are refused because too many arrive at once, in the log.
static RUSH: Repeated = Repeated::new();

/// How long a client has to send a head, from its first byte on.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection that closes is read on, so that the client gets the response.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How much longer a response may take than head, body and waiting together.
const RESPONSE_MARGIN: Duration = Duration::from_secs(5);

/// How many bytes a second a client must take of a large response on average. A response that fits
/// into the buffers of the operating system has no rate.
const WRITE_RATE: u32 = 4 * 1024;

/// The room for the heads of requests that are sent without waiting for responses, in bytes.
const HEADS: usize = 128 * 1024;

/// How much longer a body may be in chunks than without: a chunk of one byte takes six.
const CHUNKED: usize = 16;

/// A connection that is served, as it travels with its stream.
struct Client {
    descriptor: Arc<Connection>,
    /// What actix handed over when it ended.
    upgrade: RefCell<Option<Upgrade>>,
}

type ClientStream = HttpStream<TcpStream, Rc<Client>>;
type Upgrade = (Request, upgrade::Framed<Rc<Client>>);

/// Serves the connections of one worker.
pub fn connections(
    shared: Shared,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = Infallible, InitError = ()>
{
    fn_factory(move || {
        let gateway = shared.gateway.clone().into_inner();
        let bounds = bounds(&gateway.config.http, gateway.config.operator.ack_wait);
        let http = http(shared.clone()).new_service(());
        let handshakes = map_config(app(shared.clone()), |()| AppConfig::default()).new_service(());
        async move {
            let worker = Rc::new(Worker {
                gateway,
                bounds,
                http: http.await?,
                handshakes: handshakes.await?,
            });
            Ok(fn_service(move |stream| {
                let worker = Rc::clone(&worker);
                async move {
                    worker.serve(stream).await;
                    Ok(())
                }
            }))
        }
    })
}

/// Everything that a request may take: its head, its body, and a wait for an acknowledgement.
fn bounds(config: &HttpConfig, ack_wait: Duration) -> Bounds {
    let largest = config.body_bytes.max(config.message_body_bytes) as usize;
    Bounds {
        head_within: HEAD_TIMEOUT,
        response_within: HEAD_TIMEOUT + config.body_timeout + ack_wait + RESPONSE_MARGIN,
        bytes_before_response: HEADS + CHUNKED * largest,
        write_timeout: config.write_timeout,
        write_rate: WRITE_RATE,
    }
}

/// actix's HTTP/1 for one connection. It ends when the connection closes or is handed over.
fn http(
    shared: Shared,
) -> impl ServiceFactory<
    (ClientStream, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> {
    let ending = shared.gateway.ending.clone();
    HttpService::build()
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .keep_alive(shared.gateway.config.http.keep_alive)
        // A client that closes its half is gone: an event stream would not notice otherwise.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(move || ending.clone().cancelled_owned())
        .on_connect_ext(|stream: &ClientStream, data| {
            data.insert(Arc::clone(&stream.tag().descriptor));
        })
        .expect(expectations(shared.clone()))
        .upgrade(fn_service(|(request, framed): Upgrade| {
            let client = Rc::clone(framed.io_ref().tag());
            client.upgrade.replace(Some((request, framed)));
            ready(Ok::<_, Error>(()))
        }))
        .h1(map_config(app(shared), |()| AppConfig::default()))
}

struct Worker<H, A> {
    gateway: Arc<Gateway>,
    bounds: Bounds,
    http: H,
    handshakes: A,
}

impl<H, A, B> Worker<H, A>
where
    H: Service<(ClientStream, Option<SocketAddr>), Response = (), Error = DispatchError>,
    A: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    /// The address whose connections are limited, and how many it may have.
    fn limited(&self, peer: IpAddr) -> Option<(IpAddr, usize)> {
        let config = &self.gateway.config.http;
        let is_proxy = |network: &IpNet| network.contains(&peer.to_canonical());
        if config.trusted_proxies.iter().any(is_proxy) {
            return None;
        }
        let default = self.gateway.descriptors.room() * 3 / 4;
        let limit = config.connections_per_address.map_or(default, |limit| limit as usize);
        Some((limited_address(peer), limit))
    }

    async fn serve(&self, stream: TcpStream) {
        // A peer that is gone already has none.
        let Ok(peer) = stream.peer_addr() else { return };
        let descriptor = self.gateway.descriptors.connect(self.limited(peer.ip()));
        match descriptor.room {
            Room::Yes | Room::Reception => {}
            Room::No => return admission::turn_away(&self.gateway, &stream, None),
            Room::NotForAddress => {
                log_limit(&OVER_LIMIT, "--connections-per-address", peer.ip());
                return admission::turn_away(&self.gateway, &stream, Some(admission::ADDRESS_FULL));
            }
        }
        let mut begun = Bytes::new();
        if turns::begin().await.is_err() {
            begun = admission::arrived(&stream);
            if !health::is_probe(&begun) {
                if let Some(count) = RUSH.count() {
                    tracing::info!(count, "connections refused: too many arrive at once");
                }
                return admission::turn_away(&self.gateway, &stream, Some(admission::RUSH));
            }
        }
        // Where these cannot be set, small frames and the end of a vanished peer are merely later.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(self.bounds.write_timeout));
        let client = Rc::new(Client { descriptor, upgrade: RefCell::default() });
        let mut stream = HttpStream::new(stream, Rc::clone(&client), self.bounds);
        stream.unread(begun);
        loop {
            if let Err(error) = self.http.call((stream, Some(peer))).await {
                tracing::debug!(%error, "connection failed");
            }
            let Some((request, framed)) = client.upgrade.take() else { return };
            if is_answered_alone(&request) {
                let gateway = Arc::clone(&self.gateway);
                return upgrade::upgrade(&self.handshakes, gateway, request, framed).await;
            }
            match without_upgrade(&request, framed).await {
                Ok(plain) => stream = plain,
                Err(error) => return tracing::debug!(%error, "connection failed"),
            }
        }
    }
}

/// Whether a request that actix handed over is the last one of its connection: a handshake, and a
/// CONNECT, which actix would hand over again.
fn is_answered_alone(request: &Request) -> bool {
    upgrade::is_handshake(request) || request.method() == Method::CONNECT
}

/// The stream from which actix reads `request` again, as if it offered no upgrade.
async fn without_upgrade(
    request: &Request,
    framed: upgrade::Framed<Rc<Client>>,
) -> io::Result<ClientStream> {
    let parts = framed.into_parts();
    let mut stream = parts.io;
    // Responses to requests before this one.
    stream.write_all(&parts.write_buf).await?;
    let mut unread = plain_head(request);
    unread.unsplit(parts.read_buf);
    stream.unread(unread.freeze());
    Ok(stream)
}

/// The head of `request` but for `Upgrade`, and for the option of that name in `Connection`.
fn plain_head(request: &Request) -> BytesMut {
    let mut head = BytesMut::with_capacity(1024);
    let version = if request.version() == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let start = format!("{} {} {version}\r\n", request.method(), request.uri());
    head.put_slice(start.as_bytes());
    for (name, value) in request.headers() {
        let mut value = value.as_bytes().to_vec();
        if name == header::UPGRADE {
            continue;
        }
        if name == header::CONNECTION {
            let options: Vec<_> = value
                .split(|byte| *byte == b',')
                .filter(|option| !option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
                .collect();
            value = options.join(&b',');
        }
        for part in [name.as_str().as_bytes(), b": ", &value, b"\r\n"] {
            head.put_slice(part);
        }
    }
    head.put_slice(b"\r\n");
    head
}
