//! A bare TCP stream as websocket messages (RFC 6455), for the server's side.
//!
//! An idle socket holds no buffer: bytes are read into one that all sockets of a thread share, and
//! only what is left of an unfinished frame stays.

use std::{cell::RefCell, future::poll_fn, io, time::Duration};

use actix_codec::{Decoder, Encoder};
use actix_http::ws::{CloseReason, Codec, Frame, Item, Message, ProtocolError};
use actix_web::rt::net::TcpStream;
use api_types::frame::{ByeFrame, ByeType, ServerFrame};
use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncWriteExt, time::timeout};

use super::close::CloseCode;

/// What one read can take; shared by all sockets of a thread.
const SCRATCH: usize = 16 * 1024;

/// The longest head of a frame (RFC 6455, section 5.2).
const FRAME_HEAD: usize = 14;

/// How long the peer has to answer a close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// What a peer sends, put together.
pub enum Received {
    /// A text message, which is UTF-8.
    Text(Bytes),
    /// A ping, to be answered.
    Ping(Bytes),
    /// A pong.
    Pong,
}

/// How a socket ended.
pub enum End {
    /// The gateway closes it.
    Close(CloseCode),
    /// The peer closed it, saying this.
    Closed(Option<CloseReason>),
    /// The connection is gone.
    Gone,
}

impl End {
    /// The close code that either side gave.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Close(code) => Some(code.number()),
            Self::Closed(reason) => reason.as_ref().map(|reason| reason.code.into()),
            Self::Gone => None,
        }
    }

    /// The code that the gateway gave.
    pub fn closed_by_us(&self) -> Option<CloseCode> {
        match self {
            Self::Close(code) => Some(*code),
            Self::Closed(_) | Self::Gone => None,
        }
    }
}

/// The TCP stream as websocket frames.
pub struct Wire {
    stream: TcpStream,
    codec: Codec,
    /// What arrived and is not yet a frame.
    input: BytesMut,
    /// What arrived of a message in fragments.
    fragments: Option<BytesMut>,
    limit: usize,
    write_deadline: Duration,
    /// Whether part of a frame is written and the rest is not: nothing else can be said then.
    interrupted: bool,
}

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

impl Wire {
    /// The stream, of which `early` has arrived already.
    pub fn new(stream: TcpStream, early: &[u8], limit: usize, write_deadline: Duration) -> Self {
        // Copied, because what actix read into is a buffer of many KB.
        let input = BytesMut::from(early);
        let codec = Codec::new().max_size(limit);
        Self { stream, codec, input, fragments: None, limit, write_deadline, interrupted: false }
    }

    /// Waits until something arrived.
    pub async fn read(&mut self) -> Result<(), End> {
        loop {
            // Not `readable()`: that leaves in place the waker of the task which actix had the
            // connection in, and with it that task's memory, 2.8 KB a socket.
            poll_fn(|context| self.stream.poll_read_ready(context)).await.map_err(|_| End::Gone)?;
            let read: io::Result<usize> = READ.with_borrow_mut(|scratch| {
                let read = self.stream.try_read(scratch)?;
                self.input.extend_from_slice(&scratch[..read]);
                Ok(read)
            });
            match read {
                Ok(0) => return Err(End::Gone),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    /// The next whole message, if it has arrived.
    pub fn next(&mut self) -> Result<Option<Received>, End> {
        loop {
            let said = closing_words(&self.input);
            if said.is_some_and(|said| std::str::from_utf8(&said).is_err()) {
                return Err(End::Close(CloseCode::NotUtf8));
            }
            let frame =
                self.codec.decode(&mut self.input).map_err(|error| End::Close(breach(&error)))?;
            let Some(frame) = frame else {
                // The codec looks at the limit only once a frame is whole.
                if self.input.len() > self.limit + FRAME_HEAD {
                    return Err(End::Close(CloseCode::TooBig));
                }
                // An allocation lives for as long as any part of it is kept, even an empty one.
                if self.input.is_empty() || self.input.capacity() > 2 * self.input.len() {
                    self.input = BytesMut::from(&self.input[..]);
                }
                return Ok(None);
            };
            match frame {
                Frame::Text(text) => return utf8(text).map(Some),
                Frame::Continuation(Item::FirstText(part)) => {
                    self.fragments = Some(BytesMut::from(&part[..]));
                }
                Frame::Continuation(Item::Continue(part)) => self.append(&part)?,
                Frame::Continuation(Item::Last(part)) => {
                    self.append(&part)?;
                    let text = self.fragments.take().unwrap_or_default();
                    return utf8(text.freeze()).map(Some);
                }
                Frame::Binary(_) | Frame::Continuation(Item::FirstBinary(_)) => {
                    return Err(End::Close(CloseCode::Binary));
                }
                Frame::Ping(payload) => return Ok(Some(Received::Ping(payload))),
                Frame::Pong(_) => return Ok(Some(Received::Pong)),
                Frame::Close(reason) => return Err(End::Closed(reason)),
            }
        }
    }

    fn append(&mut self, part: &[u8]) -> Result<(), End> {
        let fragments = self.fragments.get_or_insert_default();
        if fragments.len() + part.len() > self.limit {
            return Err(End::Close(CloseCode::TooBig));
        }
        fragments.extend_from_slice(part);
        Ok(())
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(|_| End::Gone)?;
        self.write(Message::Text(text.into())).await
    }

    /// Writes a message whole, or finds that the peer takes nothing.
    pub async fn write(&mut self, message: Message) -> Result<(), End> {
        let mut output = BytesMut::new();
        self.codec.encode(message, &mut output).map_err(|_| End::Gone)?;
        let mut output = &output[..];
        self.interrupted = true;
        while !output.is_empty() {
            let ready = poll_fn(|context| self.stream.poll_write_ready(context));
            match timeout(self.write_deadline, ready).await {
                Err(_) => return Err(End::Close(CloseCode::TooSlow)),
                Ok(ready) => ready.map_err(|_| End::Gone)?,
            }
            match self.stream.try_write(output) {
                Ok(written) => output = &output[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::Gone),
            }
        }
        self.interrupted = false;
        Ok(())
    }

    /// Says goodbye and waits a little for the peer to have read it: a connection that is dropped
    /// with bytes unread takes the goodbye with it.
    pub async fn end(mut self, end: End) {
        // Who takes nothing cannot be told.
        if self.interrupted {
            return;
        }
        let reason = match &end {
            End::Gone => return,
            End::Closed(reason) => {
                reason.as_ref().map(|said| CloseReason { code: said.code, description: None })
            }
            End::Close(code) => {
                if code.says_bye() {
                    let bye = ByeFrame {
                        r#type: ByeType::Bye,
                        code: code.number(),
                        retry_after_ms: code.retry_after_ms(),
                    };
                    let bye = ServerFrame::Bye(bye);
                    if self.send(&bye).await.is_err() {
                        return;
                    }
                }
                Some((code.number().into(), code.reason()).into())
            }
        };
        let answered = matches!(end, End::Closed(_));
        if self.write(Message::Close(reason)).await.is_err() {
            return;
        }
        let _ = self.stream.shutdown().await;
        if !answered {
            let _ = timeout(CLOSE_DEADLINE, self.closed_by_peer()).await;
        }
    }

    /// Reads until the peer has answered the close. What it still sends before is of no account.
    async fn closed_by_peer(&mut self) {
        while !matches!(self.next(), Err(End::Closed(_))) {
            if self.read().await.is_err() {
                return;
            }
        }
    }
}

fn utf8(text: Bytes) -> Result<Received, End> {
    match std::str::from_utf8(&text) {
        Ok(_) => Ok(Received::Text(text)),
        Err(_) => Err(End::Close(CloseCode::NotUtf8)),
    }
}

/// The reason in a whole and masked close frame at the start of `input`: the codec does not tell a
/// reason that is not UTF-8 from other breaches.
fn closing_words(input: &[u8]) -> Option<Vec<u8>> {
    const CLOSE: u8 = 0x88;
    const MASKED: u8 = 0x80;
    let [CLOSE, length, a, b, c, d, payload @ ..] = input else { return None };
    let length = usize::from(length.checked_sub(MASKED)?);
    let payload = payload.get(..length).filter(|payload| payload.len() > 2 && length < 126)?;
    let unmasked =
        payload.iter().zip([a, b, c, d].into_iter().cycle()).map(|(byte, mask)| byte ^ mask);
    Some(unmasked.skip(2).collect())
}

fn breach(error: &ProtocolError) -> CloseCode {
    match error {
        ProtocolError::Overflow => CloseCode::TooBig,
        _ => CloseCode::Protocol,
    }
}
