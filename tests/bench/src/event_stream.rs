//! A reader of the operator's event stream: Server-Sent Events in chunks.

use std::io;

use memchr::memmem;

use crate::client::Http;

/// One event, as the bytes of the stream up to its empty line.
pub struct Event(String);

impl Event {
    pub fn field(&self, name: &str) -> &str {
        let field = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(": ").map(str::len);
        let line = self.0.lines().find(|line| field(line).is_some()).unwrap_or_default();
        line.get(name.len() + 2..).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// An open event stream.
pub struct EventStream {
    http: Http,
    /// What is read and is no whole event yet.
    text: Vec<u8>,
}

impl EventStream {
    /// Opens one with its request.
    pub async fn open(port: u16, request: &[u8]) -> io::Result<Self> {
        let mut http = Http::open(port).await?;
        http.begin(request, 200).await?;
        Ok(Self { http, text: Vec::new() })
    }

    /// The next event. Comments are skipped.
    pub async fn next(&mut self) -> io::Result<Event> {
        loop {
            while let Some(end) = memmem::find(&self.text, b"\n\n") {
                let event: Vec<u8> = self.text.drain(..end + 2).collect();
                if !event.starts_with(b":") {
                    return Ok(Event(String::from_utf8_lossy(&event).into_owned()));
                }
            }
            let chunk = self.http.chunk().await?;
            self.text.extend(chunk);
        }
    }
}
