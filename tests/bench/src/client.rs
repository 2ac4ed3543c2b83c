//! The load client: one thread, and no more work for each exchange than it takes.

use std::{
    error::Error,
    fmt::{self, Display, Formatter},
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// The end of `Content-Length`, whatever the case of its first letters.
const LENGTH: &[u8] = b"ength: ";

/// Room for one answer.
const BUFFER: usize = 4096;

/// Connects from one of eight addresses, so that no search for a free port slows it down.
async fn connect(port: u16) -> io::Result<TcpStream> {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let last = 2 + NEXT.fetch_add(1, Ordering::Relaxed) % 8;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    let stream = socket.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Bytes of a connection.
struct Bytes {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Bytes {
    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// One connection for requests.
pub struct Http(Bytes);

/// The status of an answer, and its body.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Http {
    pub async fn open(port: u16) -> io::Result<Self> {
        Ok(Self(Bytes { stream: connect(port).await?, buffer: Vec::with_capacity(BUFFER) }))
    }

    /// Sends a request and returns the status of its answer, whose body is left in the buffer from
    /// the returned position on.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, usize)> {
        let bytes = &mut self.0;
        bytes.buffer.clear();
        bytes.stream.write_all(request).await?;
        loop {
            bytes.more().await?;
            let Some(head) = memmem::find(&bytes.buffer, b"\r\n\r\n") else { continue };
            let length = memmem::find(&bytes.buffer[..head], LENGTH)
                .map_or(0, |at| number(&bytes.buffer[at + LENGTH.len()..head]));
            while bytes.buffer.len() < head + 4 + length {
                bytes.more().await?;
            }
            let status = u16::try_from(number(&bytes.buffer[9..12])).unwrap_or(0);
            return Ok((status, head + 4));
        }
    }

    /// Sends a request that must be answered with this status.
    pub async fn ask(&mut self, request: &[u8], status: u16) -> io::Result<()> {
        let (answered, body) = self.exchange(request).await?;
        if answered == status {
            return Ok(());
        }
        let (head, body) = self.0.buffer.split_at(body);
        Err(io::Error::other(Refused::new(answered, head, body)))
    }

    /// Sends a request whose answer, with this status, comes in chunks.
    pub async fn begin(&mut self, request: &[u8], status: u16) -> io::Result<()> {
        self.ask(request, status).await?;
        let head = memmem::find(&self.0.buffer, b"\r\n\r\n").map_or(0, |at| at + 4);
        self.0.buffer.drain(..head);
        Ok(())
    }

    /// The next chunk of such an answer.
    pub async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let buffer = &self.0.buffer;
            if let Some(line) = memmem::find(buffer, b"\r\n") {
                let length = String::from_utf8_lossy(&buffer[..line]).into_owned();
                let length = usize::from_str_radix(&length, 16).map_err(io::Error::other)?;
                let start = line + 2;
                if buffer.len() >= start + length + 2 {
                    let chunk = buffer[start..start + length].to_vec();
                    self.0.buffer.drain(..start + length + 2);
                    if length == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    return Ok(chunk);
                }
            }
            self.0.more().await?;
        }
    }

    pub async fn answer(&mut self, request: &[u8]) -> io::Result<Answer> {
        let (status, body) = self.exchange(request).await?;
        Ok(Answer { status, body: self.0.buffer[body..].to_vec() })
    }
}

/// The number that some bytes begin with.
pub fn number(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// The bytes of a request with a JSON body.
pub fn request(what: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{what} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The server refused a request.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// When to come back.
    pub retry_after: Option<Duration>,
    body: String,
}

impl Refused {
    fn new(status: u16, head: &[u8], body: &[u8]) -> Self {
        let header = b"retry-after: ";
        let retry_after = memmem::find(head, header).map(|at| number(&head[at + header.len()..]));
        Self {
            status,
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds as u64)),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }

    /// Why a request failed, where it was refused.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl Display for Refused {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "answered with {}: {}", self.status, self.body)
    }
}

impl Error for Refused {}

/// The server closed a websocket with this code.
#[derive(Debug)]
pub struct Closed(pub u16);

impl Display for Closed {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "the socket was closed with {}", self.0)
    }
}

impl Error for Closed {}

/// The code with which the server closed a websocket, where that is what went wrong.
pub fn close_code(error: &io::Error) -> Option<u16> {
    error.get_ref()?.downcast_ref::<Closed>().map(|closed| closed.0)
}

/// One websocket.
pub struct Socket(Bytes);

impl Socket {
    /// Opens one with the head of a handshake.
    pub async fn open(port: u16, handshake: &[u8]) -> io::Result<Self> {
        let stream = connect(port).await?;
        let mut bytes = Bytes { stream, buffer: Vec::with_capacity(512) };
        bytes.stream.write_all(handshake).await?;
        loop {
            bytes.more().await?;
            if let Some(head) = memmem::find(&bytes.buffer, b"\r\n\r\n") {
                if !bytes.buffer.starts_with(b"HTTP/1.1 101") {
                    let status = u16::try_from(number(&bytes.buffer[9..])).unwrap_or(0);
                    let (head, body) = bytes.buffer.split_at(head + 4);
                    return Err(io::Error::other(Refused::new(status, head, body)));
                }
                bytes.buffer.drain(..head + 4);
                return Ok(Self(bytes));
            }
        }
    }

    pub async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.stream.write_all(frame).await
    }

    /// Closes it, and waits until the server has closed it too.
    pub async fn close(mut self) -> io::Result<()> {
        self.send(&masked(0x88, &1000_u16.to_be_bytes())).await?;
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(error) if close_code(&error) == Some(1000) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// The payload of the next text frame.
    pub async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let buffer = &self.0.buffer;
            let whole = match *buffer.as_slice() {
                [_, 126, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
                [_, length @ 0..126, ..] => Some((2, usize::from(length))),
                _ => None,
            };
            let whole = whole.map(|(start, length)| (start, start + length));
            let Some((start, end)) = whole.filter(|(_, end)| buffer.len() >= *end) else {
                self.0.more().await?;
                continue;
            };
            let opcode = buffer[0] & 0x0f;
            let payload = buffer[start..end].to_vec();
            self.0.buffer.drain(..end);
            match opcode {
                1 => return Ok(payload),
                9 => self.send(&masked(0x8a, &payload)).await?,
                8 if payload.len() >= 2 => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    return Err(io::Error::other(Closed(code)));
                }
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Waits for the next text frame of which a line begins like this: Centrifugo puts several messages
    /// into one frame.
    pub async fn next_like(&mut self, start: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let payload = self.next().await?;
            if payload.split(|byte| *byte == b'\n').any(|line| line.starts_with(start)) {
                return Ok(payload);
            }
        }
    }
}

/// A text frame as a client sends it. Its mask of zeros costs a server as much as any.
pub fn text(payload: &str) -> Vec<u8> {
    masked(0x81, payload.as_bytes())
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            // Two bytes of length follow.
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Waits until a gateway is ready, or fails.
pub async fn ready(port: u16, at_most: Duration) -> io::Result<()> {
    let deadline = Instant::now() + at_most;
    loop {
        let ready = Http::open(port).await?.ask(&request("GET /readyz", "", ""), 200).await;
        if ready.is_ok() || Instant::now() > deadline {
            return ready;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
