//! A prospect with an open socket. It does nothing by itself, not even acknowledge.

use serde_json::{Value, json};
use tungstenite::Message;

use crate::{Gateway, Socket, half_ref, raw_data};

/// A prospect with an open socket.
pub struct Prospect {
    /// Its socket.
    pub socket: Socket,
    /// The first frame on it.
    pub hello: Value,
}

/// A message from the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The epoch of its number.
    pub epoch: String,
    /// Its number.
    pub seq: u64,
    /// Its data, byte for byte.
    pub data: String,
}

/// An `error` frame: why a frame was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameError {
    /// The message's id, where the frame has one.
    pub id: Option<String>,
    /// The name of the problem.
    pub problem: String,
}

impl Prospect {
    /// Opens the socket of a device on the test channel.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn open(gateway: &Gateway, device: &str) -> Self {
        Self::open_with(gateway, &gateway.token(device), device)
    }

    /// Opens a device's socket with this token.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn open_with(gateway: &Gateway, token: &str, device: &str) -> Self {
        let half_ref = half_ref();
        gateway.connect_socket(token, device, &half_ref).succeeds();
        Self::redeem(gateway, &half_ref)
    }

    /// Opens the socket of a `halfRef`.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn redeem(gateway: &Gateway, half_ref: &str) -> Self {
        let mut socket = Socket::open(gateway, half_ref);
        let hello = socket.hello();
        Self { socket, hello }
    }

    /// Its `connectionId`.
    ///
    /// # Panics
    /// When the hello has none.
    #[must_use]
    pub fn connection(&self) -> String {
        self.hello["connectionId"].as_str().expect("a connectionId").to_owned()
    }

    /// Sends a frame as it stands.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn send(&mut self, frame: &str) {
        self.socket.send(Message::text(frame));
    }

    /// Sends a message whose data is this JSON as it stands.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn send_message(&mut self, id: &str, data: &str) {
        self.send(&format!(r#"{{"type":"message","id":"{id}","data":{data}}}"#));
    }

    /// Sends a message and waits for its `accepted`.
    ///
    /// # Panics
    /// When it is not.
    pub fn deliver(&mut self, id: &str, data: &str) {
        self.send_message(id, data);
        assert_eq!(self.socket.frame(), json!({"type": "accepted", "id": id}));
    }

    /// Sends messages until the event stream has no room for the smallest; returns how many were
    /// accepted.
    ///
    /// # Panics
    /// When one is refused for another reason.
    pub fn fill_event_stream(&mut self) -> usize {
        let mut accepted = 0;
        for length in [3900, 1000, 300, 100, 30, 10, 1] {
            loop {
                let data = "1".repeat(length);
                self.send_message(&format!("fill-{accepted}"), &format!("\"{data}\""));
                let frame = self.socket.frame();
                if frame["type"] == "error" {
                    assert_eq!(frame["problem"]["type"], "urn:connect-socket:problem:events-full");
                    break;
                }
                assert_eq!(frame["type"], "accepted", "{frame}");
                accepted += 1;
            }
        }
        accepted
    }

    /// Acknowledges everything up to this number.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn ack(&mut self, seq: u64) {
        self.send(&format!(r#"{{"type":"ack","seq":{seq}}}"#));
    }

    /// The next message from the operator.
    ///
    /// # Panics
    /// When something else comes.
    pub fn receive_message(&mut self) -> Received {
        let text = self.socket.text();
        Received::read(&text).unwrap_or_else(|| panic!("no message: {text}"))
    }

    /// Receives this many messages and gives their `seq`.
    ///
    /// # Panics
    /// When something else comes.
    pub fn receive_seqs(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.receive_message().seq).collect()
    }

    /// The next frame, which must be an `error`.
    ///
    /// # Panics
    /// When something else comes.
    pub fn receive_error(&mut self) -> FrameError {
        let frame = self.socket.frame();
        assert_eq!(frame["type"], "error", "{frame}");
        assert_eq!(frame["problem"]["success"], false, "{frame}");
        let uri = frame["problem"]["type"].as_str().expect("a type");
        let problem = uri.strip_prefix("urn:connect-socket:problem:").expect("one of ours");
        let id = frame["id"].as_str().map(ToOwned::to_owned);
        FrameError { id, problem: problem.to_owned() }
    }

    /// Whether the socket is open and everything sent to it has been received: the next frame is
    /// the answer to a ping.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn has_received_all(&mut self) -> bool {
        self.send(r#"{"type":"ping"}"#);
        self.socket.frame() == json!({"type": "pong"})
    }
}

impl Received {
    /// Reads a frame; `None` where it is no message.
    ///
    /// # Panics
    /// When it is no frame.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Frame {
            r#type: String,
            epoch: Option<String>,
            seq: Option<u64>,
        }

        let frame: Frame = serde_json::from_str(text).expect("a frame");
        let Frame { r#type, epoch: Some(epoch), seq: Some(seq) } = frame else { return None };
        (r#type == "message").then(|| Self { epoch, seq, data: raw_data(text) })
    }
}
