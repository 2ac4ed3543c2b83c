//! What an idle websocket costs in memory, held in three ways by servers that do nothing else.
//!
//! - `actix-ws`: a handler of actix-web with the crate actix-ws.
//! - `upgrade-service`: inside the upgrade service of actix-http, whose future lives as long as the
//!   socket.
//! - `taken-out`: the upgrade service moves the TCP stream into a task of its own, which reads into
//!   a buffer that all sockets share. This is how the gateway does it.
//!
//! A server runs in a process of its own. Its `RssAnon` is read before any socket, with all sockets
//! idle, and again after each has received one frame of 30 KB.
//!
//! Run it with `cargo run --release --manifest-path tests/decisions/Cargo.toml --bin socket_memory`.

use std::{
    cell::RefCell,
    convert::Infallible,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use actix_http::{HttpService, Request, Response, body::BodySize, h1, ws};
use actix_service::fn_service;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::Server, web};
use bytes::{Buf, BytesMut};
use decisions::memory;
use futures_util::{SinkExt, StreamExt as _};
use tokio::io::AsyncWriteExt;
use tokio_util::codec::{Decoder, Encoder};

/// Sockets per server. Both ends need a descriptor.
const SOCKETS: usize = 5_000;

/// Bytes of the frame that each socket receives.
const FRAME: usize = 30_000;

/// The largest frame that a server takes, in bytes.
const LIMIT: usize = 64 * 1024;

/// What a server answers to a frame, so that the client knows it was read.
const ANSWER: &str = "read";

type Framed = actix_codec::Framed<actix_rt::net::TcpStream, h1::Codec>;

fn actix_ws_server(listener: TcpListener) -> std::io::Result<Server> {
    async fn open(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
        let (response, mut session, frames) = actix_ws::handle(&request, body)?;
        let mut frames = frames.max_frame_size(LIMIT);
        actix_rt::spawn(async move {
            while let Some(Ok(_)) = frames.next().await {
                if session.text(ANSWER).await.is_err() {
                    break;
                }
            }
        });
        Ok(response)
    }
    let app = || App::new().route("/", web::get().to(open));
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run())
}

/// Answers the handshake.
async fn accept(request: &Request, connection: &mut Framed) -> Option<()> {
    let response = ws::handshake(request.head()).ok()?.message_body(()).ok()?;
    connection.send(h1::Message::Item((response, BodySize::None))).await.ok()
}

fn upgrade_service(listener: TcpListener) -> std::io::Result<Server> {
    serve(listener, |request, mut connection| async move {
        accept(&request, &mut connection).await?;
        let mut frames = connection.replace_codec(ws::Codec::new().max_size(LIMIT));
        while let Some(Ok(_)) = frames.next().await {
            frames.send(ws::Message::Text(ANSWER.into())).await.ok()?;
        }
        Some(())
    })
}

fn taken_out(listener: TcpListener) -> std::io::Result<Server> {
    thread_local! {
        static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; LIMIT]);
    }
    async fn converse(mut stream: actix_rt::net::TcpStream) -> Option<()> {
        let mut codec = ws::Codec::new().max_size(LIMIT);
        let mut unread = BytesMut::new();
        loop {
            stream.readable().await.ok()?;
            let read = SHARED.with_borrow_mut(|buffer| match stream.try_read(buffer) {
                Ok(length) => {
                    unread.extend_from_slice(&buffer[..length]);
                    Some(length)
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(usize::MAX),
                Err(_) => None,
            });
            if read? == 0 {
                return None;
            }
            while codec.decode(&mut unread).ok()?.is_some() {
                let mut answer = BytesMut::new();
                codec.encode(ws::Message::Text(ANSWER.into()), &mut answer).ok()?;
                stream.write_all(&answer).await.ok()?;
            }
            if !unread.has_remaining() {
                // An idle socket holds no buffer.
                unread = BytesMut::new();
            }
        }
    }
    serve(listener, |request, mut connection| async move {
        accept(&request, &mut connection).await?;
        actix_rt::spawn(converse(connection.into_parts().io));
        Some(())
    })
}

/// A server whose upgrade service is `upgrade`.
fn serve<F>(
    listener: TcpListener,
    upgrade: impl Fn(Request, Framed) -> F + Clone + Send + 'static,
) -> std::io::Result<Server>
where
    F: Future<Output = Option<()>> + 'static,
{
    let server = Server::build().workers(1).listen("sockets", listener, move || {
        let upgrade = upgrade.clone();
        HttpService::build()
            .upgrade(fn_service(move |(request, connection): (Request, Framed)| {
                let upgraded = upgrade(request, connection);
                async move {
                    upgraded.await;
                    Ok::<_, Infallible>(())
                }
            }))
            .h1(fn_service(|_: Request| async { Ok::<_, Infallible>(Response::not_found()) }))
            .tcp()
    })?;
    Ok(server.run())
}

/// Runs one server until it is killed.
fn run(way: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    actix_rt::System::new().block_on(match way {
        "actix-ws" => actix_ws_server(listener)?,
        "upgrade-service" => upgrade_service(listener)?,
        _ => taken_out(listener)?,
    })
}

/// A server in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(way: &str) -> Self {
        let program = env::current_exe().expect("this program");
        let child = Command::new(program).arg(way).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("a server");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("its address");
        Self { child, address: line.trim().parse().expect("an address") }
    }

    fn memory(&self) -> u64 {
        thread::sleep(Duration::from_secs(1));
        memory(self.child.id(), "RssAnon:")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("a connection");
    let handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("a response");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    socket
}

/// Sends one text frame of [`FRAME`] bytes, masked with zeros, and waits for the answer.
fn send_frame(socket: &mut TcpStream) {
    let length = u16::try_from(FRAME).expect("a length of 16 bits").to_be_bytes();
    let mut frame = vec![0x81, 0x80 | 0x7e, length[0], length[1], 0, 0, 0, 0];
    frame.resize(frame.len() + FRAME, b'x');
    socket.write_all(&frame).expect("written");
    let mut answer = [0; 2 + ANSWER.len()];
    socket.read_exact(&mut answer).expect("an answer");
    assert!(answer.ends_with(ANSWER.as_bytes()));
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read")]
fn main() -> std::io::Result<()> {
    if let Some(way) = env::args().nth(1) {
        return run(&way);
    }
    println!("| held | idle | idle, after a frame of 30 KB |");
    println!("|---|---|---|");
    for way in ["actix-ws", "upgrade-service", "taken-out"] {
        let server = Process::start(way);
        // What the first connection sets up is not a socket's.
        let mut first = open(server.address);
        send_frame(&mut first);
        let start = server.memory();
        let per_socket = |now: u64| now.saturating_sub(start) as f64 / SOCKETS as f64 / 1000.0;
        let mut sockets: Vec<_> = (0..SOCKETS).map(|_| open(server.address)).collect();
        let idle = per_socket(server.memory());
        sockets.iter_mut().for_each(send_frame);
        let after = per_socket(server.memory());
        println!("| {way} | {idle:.1} KB | {after:.1} KB |");
    }
    Ok(())
}
