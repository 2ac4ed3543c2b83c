//! A client that sends the bytes a test gives it and returns the frames it receives. It answers no
//! ping and no close by itself.

use std::io;

use api_types::close_code::CloseCode;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use tests::{Answer, Connection, Gateway};

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// Marks the last frame of a message.
pub const FINAL: u8 = 0x80;

/// In the second byte: the payload is masked.
const MASKED: u8 = 0x80;

/// In the second byte: the length is in the next two bytes.
const TWO_BYTES: u8 = 0x7E;

/// In the second byte: the length is in the next eight bytes.
const EIGHT_BYTES: u8 = 0x7F;

/// A ping frame of the contract.
pub const PING_FRAME: &[u8] = br#"{"type":"ping"}"#;

/// The subprotocol that carries a `halfRef`.
pub fn offer(half_ref: &str) -> String {
    format!("halfref.{}", BASE64_URL_SAFE_NO_PAD.encode(half_ref))
}

/// One masked frame. `head` is its first byte: the opcode and the flags.
pub fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = frame_head(head, payload.len() as u64, MASKED);
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A text message in one frame.
pub fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FINAL | TEXT, payload.as_ref())
}

/// A frame that is not masked, which only a server may send.
pub fn unmasked(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame_head(head, payload.len() as u64, 0);
    bytes.extend(payload);
    bytes
}

/// The beginning of a masked text frame that announces this length.
pub fn announced_text(length: u64) -> Vec<u8> {
    frame_head(FINAL | TEXT, length, MASKED)
}

/// The beginning of a masked continuation frame that announces this length.
pub fn announced_continuation(length: u64) -> Vec<u8> {
    frame_head(CONTINUATION, length, MASKED)
}

fn frame_head(head: u8, length: u64, masked: u8) -> Vec<u8> {
    let mut bytes = vec![head];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..TWO_BYTES), _) => bytes.push(masked | length),
        (_, Ok(length)) => {
            bytes.push(masked | TWO_BYTES);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(masked | EIGHT_BYTES);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

/// A request to open a socket, line by line.
#[derive(Clone)]
pub struct Handshake {
    start: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Handshake {
    /// A valid handshake.
    pub fn of(gateway: &Gateway, half_ref: &str) -> Self {
        Self::to(gateway, "GET /prospect/socket HTTP/1.1")
            .with("sec-websocket-protocol", &format!("prospect.v1, {}", offer(half_ref)))
    }

    /// A handshake with another request line and no subprotocol.
    pub fn to(gateway: &Gateway, start: &str) -> Self {
        let handshake = Self { start: start.to_owned(), headers: Vec::new(), body: Vec::new() };
        handshake
            .with("host", gateway.authority())
            .with("connection", "Upgrade")
            .with("upgrade", "websocket")
            .with("sec-websocket-version", "13")
            .with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// With another method, path or version.
    pub fn starting(mut self, start: &str) -> Self {
        start.clone_into(&mut self.start);
        self
    }

    /// With this header, replacing any of that name.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// With this header, in addition to any of that name.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without this header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// With this body, and its length.
    pub fn body(mut self, body: &[u8]) -> Self {
        body.clone_into(&mut self.body);
        self.with("content-length", &body.len().to_string())
    }

    /// The request as it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
        let head = format!("{}\r\n{}\r\n\r\n", self.start, headers.join("\r\n"));
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it and reads the response.
    pub fn send(&self, gateway: &Gateway) -> (Answer, Peer) {
        let mut peer = Peer::connect(gateway);
        peer.send(&self.bytes());
        (peer.answer(), peer)
    }

    /// Sends it and expects that no socket opens.
    pub fn refused(&self, gateway: &Gateway) -> Answer {
        let (answer, _) = self.send(gateway);
        assert_ne!(answer.status, 101, "{answer:?}");
        answer
    }

    /// Sends it and expects that a socket opens.
    pub fn opened(&self, gateway: &Gateway) -> Peer {
        let (answer, peer) = self.send(gateway);
        assert_eq!(answer.status, 101, "{}", answer.text());
        peer
    }
}

/// A frame as it was received.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: the opcode and the flags.
    pub head: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The JSON of a text frame.
    pub fn json(&self) -> Value {
        assert_eq!(self.head, FINAL | TEXT, "{self:?}");
        serde_json::from_slice(&self.payload).expect("JSON")
    }

    /// The code of a close frame.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.head, FINAL | CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

/// The client's end of a socket.
pub struct Peer(Connection);

impl Peer {
    pub fn connect(gateway: &Gateway) -> Self {
        Self(Connection::open(gateway))
    }

    /// Sends bytes, in one segment where they fit.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.send(bytes);
    }

    /// Sends bytes to a gateway that may have closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.try_send(bytes)
    }

    /// The HTTP response.
    pub fn answer(&mut self) -> Answer {
        self.0.answer()
    }

    /// The HTTP response without its body.
    pub fn answer_without_body(&mut self) -> Answer {
        self.0.answer_without_body()
    }

    /// The next frame.
    pub fn frame(&mut self) -> Frame {
        let [head, length] = self.0.bytes();
        assert_eq!(length & MASKED, 0, "a server does not mask");
        let length = match length {
            TWO_BYTES => u16::from_be_bytes(self.0.bytes()).into(),
            EIGHT_BYTES => u64::from_be_bytes(self.0.bytes()),
            short => short.into(),
        };
        let payload = (0..length).map(|_| u8::from_be_bytes(self.0.bytes()));
        Frame { head, payload: payload.collect() }
    }

    /// The first frame.
    pub fn hello(&mut self) -> Value {
        let hello = self.frame().json();
        assert_eq!(hello["type"], "hello");
        hello
    }

    /// The code of the close frame, and the `bye` before it. Other frames are skipped.
    pub fn closed(&mut self) -> (u16, Option<Value>) {
        let mut bye = None;
        loop {
            let frame = self.frame();
            match frame.head & 0xF {
                TEXT => bye = Some(frame.json()).filter(|json| json["type"] == "bye"),
                CLOSE => {
                    assert_as_the_contract_says(frame.close_code(), bye.as_ref());
                    return (frame.close_code(), bye);
                }
                _ => {}
            }
        }
    }

    /// Whether the gateway ends the connection and sends nothing more.
    pub fn is_ended(&mut self) -> bool {
        self.0.rest().is_empty()
    }
}

/// Asserts that a close comes with a `bye` where the contract's table of close codes has one, and that it
/// names a time within the table's.
fn assert_as_the_contract_says(number: u16, bye: Option<&Value>) {
    let Some(code) = CloseCode::ALL.iter().find(|code| code.number() == number) else { return };
    assert_eq!(bye.is_some(), code.has_bye(), "{number}: {bye:?}");
    let retry = bye.and_then(|bye| bye["retryAfterMs"].as_u64());
    match code.policy().retry_after_ms() {
        Some((shortest, longest)) => {
            let retry = retry.unwrap_or_else(|| panic!("{number}: {bye:?}"));
            assert!((shortest..=longest).contains(&retry), "{number}: {bye:?}");
        }
        None => assert_eq!(retry, None, "{number}: {bye:?}"),
    }
}
