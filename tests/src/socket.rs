//! A websocket client that shares no code with the server.

use std::{net::TcpStream, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use tungstenite::{
    Message, WebSocket,
    client::IntoClientRequest,
    handshake::{HandshakeError, client::Request},
    http::{HeaderName, HeaderValue},
};

use crate::{Answer, Gateway, gateway::PATIENCE};

/// An open socket.
pub struct Socket(WebSocket<TcpStream>);

/// The handshake that opens the socket of a `halfRef`.
///
/// # Panics
/// Never: the parts are well formed.
#[must_use]
pub fn handshake(gateway: &Gateway, half_ref: &str) -> Request {
    let mut request = format!("ws://{}/prospect/socket", gateway.authority())
        .into_client_request()
        .expect("a URL");
    let protocols = format!("prospect.v1, halfref.{}", BASE64_URL_SAFE_NO_PAD.encode(half_ref));
    set(&mut request, "sec-websocket-protocol", &protocols);
    request
}

/// Sets a header of a handshake.
///
/// # Panics
/// When it is no header.
pub fn set(request: &mut Request, name: &str, value: &str) {
    let name: HeaderName = name.parse().expect("a name");
    request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
}

impl Socket {
    /// Opens the socket of a `halfRef`.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn open(gateway: &Gateway, half_ref: &str) -> Self {
        Self::try_open(gateway, handshake(gateway, half_ref))
            .unwrap_or_else(|answer| panic!("refused: {answer:?}"))
    }

    /// Sends a handshake.
    ///
    /// # Errors
    /// The answer, when the socket does not open.
    ///
    /// # Panics
    /// When there is no answer.
    #[expect(clippy::result_large_err, reason = "an answer is what the test looks at next")]
    pub fn try_open(gateway: &Gateway, request: Request) -> Result<Self, Answer> {
        let stream = TcpStream::connect(gateway.authority()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        match tungstenite::client(request, stream) {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "prospect.v1");
                Ok(Self(socket))
            }
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                let (head, body) = response.into_parts();
                let body = body.unwrap_or_default();
                Err(Answer { status: head.status.as_u16(), headers: head.headers, body })
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes.
    pub fn receive(&mut self) -> Message {
        self.0.read().expect("a message")
    }

    /// The next frame; pings are answered on the way.
    ///
    /// # Panics
    /// When something else comes.
    pub fn frame(&mut self) -> Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    /// The next frame as it came; pings are answered on the way.
    ///
    /// # Panics
    /// When something else comes.
    pub fn text(&mut self) -> String {
        loop {
            match self.receive() {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) => self.0.flush().expect("a pong"),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The first frame.
    ///
    /// # Panics
    /// When it is something else.
    pub fn hello(&mut self) -> Value {
        let hello = self.frame();
        assert_eq!(hello["type"], "hello");
        hello
    }

    /// The code of the close, and the `bye` before it. Frames before that are read past.
    ///
    /// # Panics
    /// When the socket is not closed.
    pub fn closed(&mut self) -> (u16, Option<Value>) {
        let mut bye = None;
        loop {
            match self.receive() {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    bye = (frame["type"] == "bye").then_some(frame);
                }
                Message::Close(Some(close)) => return (close.code.into(), bye),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends a message.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn send(&mut self, message: Message) {
        self.0.send(message).expect("sent");
    }

    /// The bare connection, for what no client would send.
    pub fn raw(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    /// Whether nothing arrives for a while.
    ///
    /// # Panics
    /// When the timeout cannot be set.
    pub fn is_silent(&mut self, time: Duration) -> bool {
        self.raw().set_read_timeout(Some(time)).expect("a timeout");
        let silent = matches!(
            self.0.read(),
            Err(tungstenite::Error::Io(error)) if matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        );
        self.raw().set_read_timeout(Some(PATIENCE)).expect("a timeout");
        silent
    }
}
