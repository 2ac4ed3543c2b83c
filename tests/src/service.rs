//! A gateway that may restart at any moment, as its clients see it: they repeat a request that got no
//! answer, and reconnect.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tungstenite::{WebSocket, client::IntoClientRequest};

use crate::{Answer, Call, half_ref, socket};

/// How long a client waits before it repeats a request or reconnects.
const BACK_OFF: Duration = Duration::from_millis(20);

/// The longest time that all the traffic of a test may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long a client waits for an answer or a frame before it gives the connection up.
pub(crate) const SILENCE: Duration = Duration::from_secs(20);

/// Where the gateway is, also while it restarts.
#[derive(Clone)]
pub struct Service {
    /// Host and port.
    pub authority: String,
    /// The operator's key.
    pub operator_key: String,
    deadline: Instant,
}

/// The connection was lost; the client reconnects.
#[derive(Debug)]
pub struct ConnectionLost;

impl Service {
    /// The gateway at `authority`, for as long as the traffic of a test may take.
    #[must_use]
    pub fn at(authority: &str, operator_key: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            operator_key: operator_key.to_owned(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// A call.
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(method, &format!("http://{}{path}", self.authority))
    }

    /// A call with the operator's key.
    #[must_use]
    pub fn operator_call(&self, method: &str, path: &str) -> Call {
        let key = format!("Bearer {}", self.operator_key);
        self.call(method, path).header("authorization", &key)
    }

    /// Waits before the next attempt.
    ///
    /// # Panics
    /// When the traffic has taken too long.
    pub fn back_off(&self) {
        assert!(Instant::now() < self.deadline, "the traffic does not end");
        thread::sleep(BACK_OFF);
    }

    /// Repeats a request until it is answered with this status.
    ///
    /// # Panics
    /// When it is refused for another reason than a gateway that is not ready.
    pub fn repeat_until(&self, status: u16, call: impl Fn() -> Call) -> Answer {
        loop {
            match call().try_send() {
                Ok(answer) if answer.status == status => return answer,
                Ok(answer) => assert!(
                    matches!(answer.status, 429 | 503),
                    "{} {}",
                    answer.status,
                    answer.text()
                ),
                Err(_) => {}
            }
            self.back_off();
        }
    }

    /// Claims a device and gives its token.
    ///
    /// # Panics
    /// When the gateway refuses it.
    #[must_use]
    pub fn claim(&self, device: &str) -> String {
        let body = json!({"channel": "browser", "deviceTag": device});
        self.repeat_until(200, || self.call("PUT", "/token").json(&body)).token()
    }

    /// Opens a device's socket, in as many attempts as it takes.
    ///
    /// # Panics
    /// When the gateway refuses it.
    #[must_use]
    pub fn open_socket(&self, token: &str, device: &str) -> WebSocket<TcpStream> {
        loop {
            if let Ok(socket) = self.try_open_socket(token, device) {
                return socket;
            }
            self.back_off();
        }
    }

    fn try_open_socket(
        &self,
        token: &str,
        device: &str,
    ) -> Result<WebSocket<TcpStream>, ConnectionLost> {
        let half_ref = half_ref();
        self.repeat_until(200, || {
            self.call("POST", "/prospect/connectsocket")
                .header("token", token)
                .json(&json!({"halfRef": half_ref, "deviceTag": device}))
        });
        let mut request = format!("ws://{}/prospect/socket", self.authority)
            .into_client_request()
            .expect("a URL");
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(half_ref);
        let protocols = format!("prospect.v1, halfref.{encoded}");
        socket::set(&mut request, "sec-websocket-protocol", &protocols);
        let stream = TcpStream::connect(&self.authority).map_err(|_| ConnectionLost)?;
        stream.set_read_timeout(Some(SILENCE)).expect("a timeout");
        let (socket, _) = tungstenite::client(request, stream).map_err(|_| ConnectionLost)?;
        Ok(socket)
    }

    /// How many messages a device has not acknowledged.
    ///
    /// # Panics
    /// When the device is not known.
    #[must_use]
    pub fn unacknowledged(&self, device: &str) -> Value {
        let path = format!("/operator/prospects/{device}");
        let answer = self.repeat_until(200, || self.operator_call("GET", &path));
        answer.json()["unacknowledged"].clone()
    }
}
