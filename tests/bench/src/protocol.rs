//! What the load says to a server, and what it waits for: the protocol of the gateway, of the
//! yardsticks, and of the servers that a user would pick instead.

use crate::{
    client::{request, text},
    subject::{
        ACCEPTED, Device, HELLO, MESSAGE, handshake_at, message_from, message_to, message_with,
    },
};

/// The key of Centrifugo's API.
const API_KEY: &str = "the-key-of-the-benchmark";

/// What a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Gateway,
    /// The requests of the gateway, without tokens; a socket echoes, and gets what is pushed to it.
    Bare,
    /// The same, but for `accepted` in the place of the echo.
    Accepting,
    SocketIo,
    Centrifugo,
    Nchan,
}

impl Protocol {
    pub fn is_gateway(self) -> bool {
        self == Self::Gateway
    }

    /// The head of a handshake for a device.
    pub fn handshake(self, device: &Device) -> Vec<u8> {
        let at = |path: &str| handshake_at(path, "");
        match self {
            Self::Gateway | Self::Bare | Self::Accepting => device.handshake(&device.half_ref(0)),
            Self::SocketIo => {
                at(&format!("/socket.io/?EIO=4&transport=websocket&device={}", device.name()))
            }
            Self::Centrifugo => at("/connection/websocket"),
            Self::Nchan => at(&format!("/subscribe/{}", device.name())),
        }
    }

    /// What a client sends on a socket before it is open, each with the answer that it waits for.
    pub fn greeting(self, device: &Device) -> Vec<(Option<Vec<u8>>, &'static [u8])> {
        let subscribe = format!(r#"{{"id":2,"subscribe":{{"channel":"{}"}}}}"#, device.name());
        match self {
            Self::Gateway => vec![(None, HELLO)],
            Self::Bare | Self::Accepting | Self::Nchan => Vec::new(),
            Self::SocketIo => vec![(None, b"0{"), (Some(text("40")), b"40")],
            Self::Centrifugo => vec![
                (Some(text(r#"{"id":1,"connect":{}}"#)), br#"{"id":1,"#),
                (Some(text(&subscribe)), br#"{"id":2,"#),
            ],
        }
    }

    /// A message of 100 bytes, and where in it the 16 digits of its id are.
    pub fn message(self, device: &Device) -> (Vec<u8>, usize) {
        match self {
            Self::SocketIo => message_with(r#"420["message",{"id":""#, r#"","data":""#, r#""}]"#),
            Self::Centrifugo => message_with(
                &format!(r#"{{"id":3,"publish":{{"channel":"{}","data":{{"id":""#, device.name()),
                r#"","data":""#,
                r#""}}}"#,
            ),
            _ => message_from(),
        }
    }

    /// How the answer to a message begins.
    pub fn accepted(self) -> &'static [u8] {
        match self {
            Self::Bare | Self::Nchan => MESSAGE,
            Self::Gateway | Self::Accepting => ACCEPTED,
            Self::SocketIo => b"430[",
            Self::Centrifugo => br#"{"id":3,"#,
        }
    }

    /// The request that pushes number `n` to a device, and the status of its answer.
    pub fn push(self, device: &Device, n: usize) -> (Vec<u8>, u16) {
        let data = format!(r#"{{"data":{n}}}"#);
        match self {
            Self::Centrifugo => {
                let body = format!(r#"{{"channel":"{}","data":{data}}}"#, device.name());
                let key = format!("x-api-key: {API_KEY}\r\n");
                (request("POST /api/publish", &key, &body), 200)
            }
            Self::Nchan => (request(&format!("POST /publish/{}", device.name()), "", &data), 201),
            _ => (message_to(device, n), 202),
        }
    }

    /// How a frame with what was pushed begins, and what stands before each number in it.
    pub fn pushed(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Gateway => (MESSAGE, br#""data":"#),
            Self::SocketIo => (b"42[", br#""data":"#),
            Self::Centrifugo => (br#"{"push":"#, br#""data":{"data":"#),
            Self::Bare | Self::Accepting | Self::Nchan => (b"{", br#""data":"#),
        }
    }
}
