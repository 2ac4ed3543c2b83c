//! A server under load: its devices, their secrets, and their sockets.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::PathBuf,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    books::Books,
    client::{Http, Socket, request, text},
    process::{Cores, OPERATOR_KEY, Server},
    protocol::Protocol,
    redis::RedisServer,
};

/// How much of it.
#[derive(Clone, Copy)]
pub struct Load {
    pub warm_up: Duration,
    pub time: Duration,
    /// Connections that send requests.
    pub connections: usize,
    /// Sockets that talk.
    pub sockets: usize,
    /// Sockets that are opened, and then idle.
    pub opened: usize,
    /// The operator's messages per millisecond.
    pub pushed_per_ms: usize,
}

/// The programs.
pub struct Programs {
    pub gateway: PathBuf,
    pub bench: PathBuf,
    pub cores: Cores,
}

/// Everything is on but the limits that keep one client from doing all this.
pub const GATEWAY_FLAGS: [&str; 20] = [
    "--listen",
    "127.0.0.1:0",
    "--workers",
    "1",
    "--test-channel",
    "on",
    "--token-requests-per-second",
    "off",
    "--authorisations-per-second",
    "off",
    "--frames-per-second",
    "off",
    "--sockets-per-address",
    "100000",
    "--connections-per-address",
    "100000",
    "--authorisation-ttl",
    "5m",
    "--event-bytes",
    "1000000000000",
];

/// The flags but for one and its value.
pub fn flags_without(name: &str) -> Vec<String> {
    let pairs = GATEWAY_FLAGS.chunks(2).filter(|pair| pair[0] != name);
    pairs.flatten().map(ToString::to_string).collect()
}

/// How a socket is opened.
pub struct Opening {
    handshake: Vec<u8>,
    greeting: Vec<(Option<Vec<u8>>, &'static [u8])>,
}

impl Opening {
    /// Opens the socket, until a message could come.
    pub async fn open(&self, port: u16) -> io::Result<Socket> {
        let mut socket = Socket::open(port, &self.handshake).await?;
        for (frame, answer) in &self.greeting {
            if let Some(frame) = frame {
                socket.send(frame).await?;
            }
            socket.next_like(answer).await?;
        }
        Ok(socket)
    }
}

/// A server under load.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub server: &'a Server,
    /// The Redis that the gateway uses, if it uses one.
    pub redis: Option<&'a RedisServer>,
    pub protocol: Protocol,
    pub load: Load,
    /// The number of its first device: no two exchanges with one server share a device.
    pub first_device: usize,
    /// Sockets that are open, and idle, all the while.
    pub idle: usize,
}

/// A device with its token; a yardstick knows neither.
pub struct Device {
    number: usize,
    token: String,
}

impl Device {
    pub fn name(&self) -> String {
        format!("device-{}", self.number)
    }

    /// The documented request, and where in it the `halfRef` has its 16 last digits.
    pub fn authorisation(&self) -> (Vec<u8>, usize) {
        let body = format!(
            r#"{{"halfRef":"{}","deviceTag":"{}","linkinjected":"https://www.example.com/?from=bench"}}"#,
            self.half_ref(0),
            self.name()
        );
        let token = format!("token: {}\r\n", self.token);
        let request = request("POST /prospect/connectsocket", &token, &body);
        let body_at = request.len() - body.len();
        (request, body_at + r#"{"halfRef":""#.len() + 32)
    }

    /// A number that differs from device to device and from one count to the next.
    pub fn chance(&self, count: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        (self.number, count).hash(&mut hasher);
        usize::try_from(hasher.finish() >> 40).unwrap_or(0)
    }

    /// 48 characters, of which the last 16 are a count.
    pub fn half_ref(&self, count: usize) -> String {
        format!("half-ref-of-bench-device{:08}{count:016}", self.number)
    }

    /// The head of the handshake that redeems `half_ref`.
    pub fn handshake(&self, half_ref: &str) -> Vec<u8> {
        // The gateway does not look at the last header; the yardstick finds the device in it.
        handshake(half_ref, &format!("x-device: {}\r\n", self.name()))
    }
}

/// The head of a handshake that redeems `half_ref`, with further headers.
pub fn handshake(half_ref: &str, headers: &str) -> Vec<u8> {
    let half_ref = BASE64_URL_SAFE_NO_PAD.encode(half_ref);
    let protocol = format!("sec-websocket-protocol: prospect.v1, halfref.{half_ref}\r\n");
    handshake_at("/prospect/socket", &(protocol + headers))
}

/// The head of a handshake at a path, with further headers.
pub fn handshake_at(path: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// Writes `count` over 16 digits.
pub fn write_count(request: &mut [u8], at: usize, mut count: usize) {
    for digit in request[at..at + 16].iter_mut().rev() {
        *digit = b'0' + u8::try_from(count % 10).unwrap_or(0);
        count /= 10;
    }
}

impl<'a> Subject<'a> {
    pub const fn new(server: &'a Server, protocol: Protocol, load: Load) -> Self {
        Self { server, redis: None, protocol, load, first_device: 0, idle: 0 }
    }

    /// Devices, each with a token of the test channel.
    pub async fn devices(&self, count: usize) -> io::Result<Vec<Device>> {
        let mut http = Http::open(self.server.port).await?;
        let mut devices = Vec::with_capacity(count);
        for number in self.first_device..self.first_device + count {
            let mut token = "none".to_owned();
            if self.protocol.is_gateway() {
                let body = format!(r#"{{"channel":"test","deviceTag":"device-{number}"}}"#);
                let answer = http.answer(&request("PUT /token", "", &body)).await?;
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                let found = body.split_once(r#""token":""#).and_then(|(_, it)| it.split_once('"'));
                let found = found.ok_or_else(|| io::Error::other(body.clone()))?;
                found.0.clone_into(&mut token);
            }
            devices.push(Device { number, token });
        }
        Ok(devices)
    }

    /// Authorises a socket for each device.
    pub async fn handshakes(&self, devices: &[Device]) -> io::Result<Vec<Opening>> {
        let mut http = Http::open(self.server.port).await?;
        let mut handshakes = Vec::with_capacity(devices.len());
        for device in devices {
            if self.protocol.is_gateway() {
                http.ask(&device.authorisation().0, 200).await?;
            }
            handshakes.push(Opening {
                handshake: self.protocol.handshake(device),
                greeting: self.protocol.greeting(device),
            });
        }
        Ok(handshakes)
    }

    /// Fails unless the gateway has so many sockets, and those that are idle.
    pub async fn check_sockets(&self, count: usize) -> io::Result<()> {
        if !self.protocol.is_gateway() {
            return Ok(());
        }
        Books::read(self.server.port).await?.check("connectsocket_sockets", self.idle + count)
    }
}

pub const HELLO: &[u8] = br#"{"type":"hello""#;
pub const MESSAGE: &[u8] = br#"{"type":"message""#;
pub const ACCEPTED: &[u8] = br#"{"type":"accepted""#;

/// A prospect's message of 100 bytes, and where in it the id is.
pub fn message_from() -> (Vec<u8>, usize) {
    message_with(r#"{"type":"message","id":""#, r#"","data":""#, r#""}"#)
}

/// A frame with an id after `start`, and 100 bytes after `middle`; and where in it the id is.
pub fn message_with(start: &str, middle: &str, end: &str) -> (Vec<u8>, usize) {
    let frame = text(&format!("{start}{:016}{middle}{}{end}", 0, "x".repeat(100)));
    // Its own head is 8 bytes long: it has more than 125 bytes.
    (frame, 8 + start.len())
}

/// The operator's message to a device.
pub fn message_to(device: &Device, n: usize) -> Vec<u8> {
    let key = format!("authorization: Bearer {OPERATOR_KEY}\r\n");
    let path = format!("POST /operator/prospects/{}/messages", device.name());
    request(&path, &key, &format!(r#"{{"data":{n}}}"#))
}

pub fn acknowledgement(seq: usize) -> Vec<u8> {
    text(&format!(r#"{{"type":"ack","seq":{seq}}}"#))
}
