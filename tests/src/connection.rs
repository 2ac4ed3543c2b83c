//! A raw TCP connection, for what an HTTP client hides: which request uses which connection, and
//! requests that no client would send.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Answer, Gateway, gateway::PATIENCE};

/// One TCP connection to a gateway.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens one.
    ///
    /// # Panics
    /// When the gateway does not listen.
    #[must_use]
    pub fn open(gateway: &Gateway) -> Self {
        Self::to(gateway.authority())
    }

    /// Opens one to a host and port.
    ///
    /// # Panics
    /// When nothing listens there.
    #[must_use]
    pub fn to(authority: &str) -> Self {
        let stream = TcpStream::connect(authority).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self(BufReader::new(stream))
    }

    /// Sets how long reads wait.
    ///
    /// # Panics
    /// When that cannot be set.
    pub fn wait_up_to(&mut self, time: Duration) {
        self.0.get_ref().set_read_timeout(Some(time)).expect("a timeout");
    }

    /// Sends these bytes.
    ///
    /// # Panics
    /// When the connection does not take them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sent");
    }

    /// Sends these bytes to a gateway that may have closed the connection.
    ///
    /// # Errors
    /// When it does not.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a request, such as `PUT /token`, and reads its answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn ask(&mut self, what: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        self.send(request(what, headers, body));
        if what.starts_with("HEAD ") { self.answer_without_body() } else { self.answer() }
    }

    /// The next answer.
    ///
    /// # Panics
    /// When there is none.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.answer_without_body();
        let length = answer.header("content-length").parse().unwrap_or(0);
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body).expect("a body");
        answer
    }

    /// The next answer, which has no body whatever its headers announce.
    ///
    /// # Panics
    /// When there is none.
    pub fn answer_without_body(&mut self) -> Answer {
        let status = self.line();
        let status = status
            .strip_prefix("HTTP/1.")
            .and_then(|line| line.get(2..5)?.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {status:?}"));
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            let name: HeaderName = name.parse().expect("a header's name");
            headers.append(name, HeaderValue::from_str(value).expect("its value"));
        }
        Answer { status, headers, body: Vec::new() }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The next part of a body that is sent in chunks; `None` where the body ends.
    ///
    /// # Panics
    /// When neither comes.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = self.line();
        let length = usize::from_str_radix(&length, 16).expect("a chunk's length");
        let mut chunk = vec![0; length];
        self.0.read_exact(&mut chunk).expect("a chunk");
        assert!(self.line().is_empty(), "a chunk ends with its line");
        (length > 0).then_some(chunk)
    }

    /// The next bytes, as many as these.
    ///
    /// # Panics
    /// When they do not come.
    pub fn bytes<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        self.0.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    /// Waits until the gateway closes the connection, and gives the bytes that came before.
    ///
    /// # Panics
    /// When it does not.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("not closed: {error}"),
        }
        rest
    }

    /// Waits until the gateway closes the connection.
    ///
    /// # Panics
    /// When it does not.
    pub fn closed(&mut self) {
        drop(self.rest());
    }
}

/// The bytes of a request. `content-length` is added to a body unless a header sets its framing.
#[must_use]
pub fn request(what: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut lines = vec![format!("{what} HTTP/1.1"), "Host: gateway".to_owned()];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let frames = |(name, _): &(&str, &str)| matches!(*name, "content-length" | "transfer-encoding");
    if !body.is_empty() && !headers.iter().any(frames) {
        lines.push(format!("content-length: {}", body.len()));
    }
    let mut request = format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes();
    request.extend_from_slice(body);
    request
}
