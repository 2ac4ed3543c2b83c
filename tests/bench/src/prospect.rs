//! A prospect that lives as a real one does, and counts everything that it does in the ledger.

use std::{cell::RefCell, collections::BTreeMap, io, time::Duration};

use memchr::memmem;
use tokio::time::sleep;

use crate::{
    client::{Http, Socket, close_code, number, request, text},
    process::OPERATOR_KEY,
    subject::{ACCEPTED, HELLO, MESSAGE, acknowledgement, handshake},
};

/// What the client has counted, by the lines of the gateway's metrics.
#[derive(Default)]
pub struct Ledger(RefCell<BTreeMap<String, usize>>);

impl Ledger {
    pub fn add(&self, metric: &str, count: usize) {
        *self.0.borrow_mut().entry(format!("connectsocket_{metric}")).or_default() += count;
    }

    fn message(&self, kind: &str, bytes: usize) {
        self.add(&format!("messages_{kind}_total"), 1);
        self.add(&format!("messages_{kind}_bytes_total"), bytes);
    }

    pub fn request(&self, route: &str, status: u16) {
        self.add(&format!(r#"http_requests_total{{route="{route}",status="{status}"}}"#), 1);
    }

    pub fn of(&self, metric: &str) -> usize {
        self.0.borrow().get(&format!("connectsocket_{metric}")).copied().unwrap_or_default()
    }

    /// Every line and its value.
    pub fn lines(&self) -> BTreeMap<String, usize> {
        self.0.borrow().clone()
    }
}

/// One prospect.
pub struct Prospect<'a> {
    port: u16,
    ledger: &'a Ledger,
    /// What it waits between two acts.
    pause: Duration,
    /// Its device.
    tag: String,
    /// Its requests, and the operator's.
    http: Http,
    token: String,
    sessions: usize,
    /// The messages to it that are not acknowledged.
    unacknowledged: usize,
}

/// Messages each way in each session.
const MESSAGES: usize = 5;

/// A message of the operator.
const DATA: &str = r#"{"text":"Good morning, how can I help you?"}"#;

/// The answer to a ping.
const PONG: &[u8] = br#"{"type":"pong""#;

impl<'a> Prospect<'a> {
    /// Gets a token for a new device.
    pub async fn begin(
        port: u16,
        ledger: &'a Ledger,
        pause: Duration,
        tag: String,
    ) -> io::Result<Self> {
        let mut http = Http::open(port).await?;
        let body = format!(r#"{{"channel":"browser","deviceTag":"{tag}"}}"#);
        let answer = http.answer(&request("PUT /token", "", &body)).await?;
        ledger.request("/token", answer.status);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let token = body.split_once(r#""token":""#).and_then(|(_, rest)| rest.split_once('"'));
        let token = token.ok_or_else(|| io::Error::other(body.clone()))?.0.to_owned();
        Ok(Self { port, ledger, pause, tag, http, token, sessions: 0, unacknowledged: 0 })
    }

    /// Everything up to the end of its record; `n` chooses the way.
    pub async fn live(mut self, n: usize) -> io::Result<()> {
        self.err(n).await?;
        // The connection breaks, and the last message was not acknowledged.
        let mut socket = self.converse().await?;
        self.send_to(202).await?;
        self.next(&mut socket, MESSAGE, false).await?;
        drop(socket);
        // The client closes, and gets a message only with its next socket.
        let socket = self.converse().await?;
        socket.close().await?;
        self.send_to(202).await?;
        let mut socket = self.converse().await?;
        if n.is_multiple_of(2) {
            let newer = self.converse().await?;
            self.closed(socket, 4004).await?;
            socket = newer;
        } else {
            self.send_to(202).await?;
            self.next(&mut socket, MESSAGE, false).await?;
            self.ledger.add("messages_expired_total", 1);
        }
        let token = format!("token: {}\r\n", self.token);
        self.http.ask(&request("DELETE /token", &token, ""), 204).await?;
        self.ledger.request("/token", 204);
        self.closed(socket, 4003).await?;
        self.send_to(404).await
    }

    /// What is refused.
    async fn err(&mut self, n: usize) -> io::Result<()> {
        let (what, route, status) = match n % 3 {
            0 => ("GET /nothing", "none", 404),
            1 => ("POST /prospect/connectsocket", "/prospect/connectsocket", 401),
            _ => ("PUT /token", "/token", 422),
        };
        self.ledger.request(route, status);
        self.http.ask(&request(what, "", "{}"), status).await
    }

    /// Opens a socket, talks both ways, and acknowledges everything.
    async fn converse(&mut self) -> io::Result<Socket> {
        sleep(self.pause).await;
        self.sessions += 1;
        let half_ref = format!("{:-<40}{:02}", self.tag, self.sessions);
        let body = format!(r#"{{"halfRef":"{half_ref}","deviceTag":"{}"}}"#, self.tag);
        let token = format!("token: {}\r\n", self.token);
        self.http.ask(&request("POST /prospect/connectsocket", &token, &body), 200).await?;
        self.ledger.request("/prospect/connectsocket", 200);
        let mut socket = Socket::open(self.port, &handshake(&half_ref, "")).await?;
        self.ledger.request("/prospect/socket", 101);
        self.ledger.add("sockets_opened_total", 1);
        self.next(&mut socket, HELLO, true).await?;
        for n in 0..MESSAGES {
            sleep(self.pause).await;
            let data = format!(r#""{}""#, "x".repeat(20 * n));
            let id = format!("{}-{n}", self.sessions);
            let frame = format!(r#"{{"type":"message","id":"{id}","data":{data}}}"#);
            socket.send(&text(&frame)).await?;
            self.next(&mut socket, ACCEPTED, true).await?;
            self.ledger.message("accepted", data.len());
            self.send_to(202).await?;
            while self.unacknowledged > 0 {
                self.next(&mut socket, MESSAGE, true).await?;
            }
        }
        // Everything that was sent before is dealt with once this is answered.
        socket.send(&text(r#"{"type":"ping"}"#)).await?;
        self.next(&mut socket, PONG, true).await?;
        Ok(socket)
    }

    /// Waits for a frame that begins like this, and acknowledges messages if it is to.
    async fn next(&mut self, socket: &mut Socket, like: &[u8], acks: bool) -> io::Result<()> {
        loop {
            let frame = socket.next().await?;
            if frame.starts_with(MESSAGE) {
                self.ledger.message("written", DATA.len());
                if acks {
                    let at = memmem::find(&frame, br#""seq":"#).map_or(0, |at| at + 6);
                    socket.send(&acknowledgement(number(&frame[at..]))).await?;
                    self.ledger.message("acknowledged", DATA.len());
                    self.unacknowledged -= 1;
                }
            }
            if frame.starts_with(like) {
                return Ok(());
            }
        }
    }

    /// The operator sends one message.
    async fn send_to(&mut self, status: u16) -> io::Result<()> {
        let key = format!("authorization: Bearer {OPERATOR_KEY}\r\n");
        let path = format!("POST /operator/prospects/{}/messages", self.tag);
        self.http.ask(&request(&path, &key, &format!(r#"{{"data":{DATA}}}"#)), status).await?;
        self.ledger.request("/operator/prospects/{deviceTag}/messages", status);
        if status == 202 {
            self.unacknowledged += 1;
            self.ledger.message("queued", DATA.len());
        }
        Ok(())
    }

    /// Waits until the gateway has closed a socket with a code.
    async fn closed(&self, mut socket: Socket, code: u16) -> io::Result<()> {
        loop {
            match socket.next().await {
                Ok(_) => {}
                Err(error) if close_code(&error) == Some(code) => break,
                Err(error) => return Err(error),
            }
        }
        self.ledger.add(&format!(r#"sockets_closed_total{{code="{code}"}}"#), 1);
        Ok(())
    }
}
