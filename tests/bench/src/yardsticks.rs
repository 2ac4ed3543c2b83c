//! What the gateway is compared with: the least that a server can do for the same exchange.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
};

use actix_http::ws::hash_key;
use actix_web::{App, HttpResponse, HttpServer, post, web::Bytes};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

#[post("/prospect/connectsocket")]
async fn constant(_body: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"success":true}"#)
}

/// An actix server that reads the body and answers a constant.
pub async fn actix() -> io::Result<()> {
    let server = HttpServer::new(|| App::new().service(constant)).workers(1);
    let server = server.bind(("127.0.0.1", 0))?;
    println!("http://{}", server.addrs()[0]);
    server.run().await
}

type Sockets = HashMap<usize, UnboundedSender<Vec<u8>>>;

/// The sockets that can be pushed to, by number.
static SOCKETS: Mutex<Option<Sockets>> = Mutex::new(None);

fn with_sockets<T>(act: impl FnOnce(&mut Sockets) -> T) -> T {
    act(SOCKETS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// A tokio server that makes websockets, echoes their frames, and pushes the bodies of requests to
/// them.
pub async fn tokio() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(async move {
            // The client ends the connection as it likes.
            let _ = serve(stream).await;
        });
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(2048);
    loop {
        let Some(end) = memmem::find(&bytes, b"\r\n\r\n").map(|at| at + 4) else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let number = head.split("device-").nth(1).map_or(0, number);
        if let Some(key) = header(&head, "sec-websocket-key") {
            let accept = hash_key(key.as_bytes());
            let accept = String::from_utf8_lossy(&accept);
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {accept}\r\nsec-websocket-protocol: prospect.v1\r\n\r\n"
            );
            drop((head, bytes));
            stream.write_all(answer.as_bytes()).await?;
            let (sender, pushed) = unbounded_channel();
            with_sockets(|sockets| sockets.insert(number, sender));
            return echo(stream, pushed).await;
        }
        let length = header(&head, "content-length").map_or(0, number_of);
        while bytes.len() < end + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        let body = bytes[end..end + length].to_vec();
        bytes.drain(..end + length);
        with_sockets(|sockets| sockets.get(&number).map(|socket| socket.send(frame(&body))));
        stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}").await?;
    }
}

/// Echoes frames of less than 64 KiB, and writes what is pushed.
async fn echo(mut stream: TcpStream, mut pushed: UnboundedReceiver<Vec<u8>>) -> io::Result<()> {
    loop {
        tokio::select! {
            ready = stream.readable() => ready?,
            Some(frame) = pushed.recv() => {
                stream.write_all(&frame).await?;
                continue;
            }
        }
        // Held only while there is something to read.
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            let mut answer = Vec::with_capacity(bytes.len());
            let mut at = 0;
            while let Some((key_at, length)) = masked(&bytes[at..]) {
                let payload = at + key_at + 4;
                let key = [0, 1, 2, 3].map(|byte| bytes[at + key_at + byte]);
                let unmasked: Vec<u8> = bytes[payload..payload + length]
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte ^ key)
                    .collect();
                answer.extend(frame(&unmasked));
                at = payload + length;
            }
            if at == bytes.len() {
                stream.write_all(&answer).await?;
                break;
            }
            bytes.drain(..at);
            stream.write_all(&answer).await?;
        }
    }
}

/// Where the key of a whole masked frame is, and the length of its payload.
fn masked(bytes: &[u8]) -> Option<(usize, usize)> {
    let (key_at, length) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= key_at + 4 + length).then_some((key_at, length))
}

/// A text frame as a server sends it.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 4);
    frame.push(0x81);
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(length),
        _ => {
            let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The number that a text begins with.
fn number(text: &str) -> usize {
    number_of(text.split(|digit: char| !digit.is_ascii_digit()).next().unwrap_or_default())
}

fn number_of(text: &str) -> usize {
    text.parse().unwrap_or(0)
}
