//! A bare TCP stream as websocket messages (RFC 6455), for the server's side.
//!
//! An idle socket holds no buffer: bytes are read into one that all sockets of a thread share, and
//! only what the decoder keeps of an unfinished message stays.

use std::{cell::RefCell, future::poll_fn, io, time::Duration};

use actix_codec::Encoder;
use actix_http::ws::{CloseReason, Codec, Message};
use actix_web::rt::net::TcpStream;
use api_types::frame::{ByeFrame, ByeType, ServerFrame};
use bytes::BytesMut;
use tokio::{io::AsyncWriteExt, time::timeout};

use super::{
    close_code::CloseCode,
    codec::{Decoder, Received, Stop},
};

/// What one read can take; shared by all sockets of a thread.
const SCRATCH: usize = 16 * 1024;

/// How long the peer has to answer a close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

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

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Close(code) => Self::Close(code),
            Stop::Closed(reason) => Self::Closed(reason),
        }
    }
}

/// The TCP stream as websocket frames.
pub struct FrameStream {
    stream: TcpStream,
    decoder: Decoder,
    write_deadline: Duration,
    /// Whether part of a frame is written and the rest is not: nothing else can be said then.
    interrupted: bool,
}

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

impl FrameStream {
    /// The stream, of which `early` has arrived already.
    pub fn new(stream: TcpStream, early: &[u8], limit: usize, write_deadline: Duration) -> Self {
        let mut decoder = Decoder::new(limit);
        decoder.push(early);
        Self { stream, decoder, write_deadline, interrupted: false }
    }

    /// Waits until something arrived.
    pub async fn read(&mut self) -> Result<(), End> {
        loop {
            // Not `readable()`: that leaves in place the waker of the task which actix had the
            // connection in, and with it that task's memory, 2.8 KB a socket.
            poll_fn(|context| self.stream.poll_read_ready(context)).await.map_err(|_| End::Gone)?;
            let read: io::Result<usize> = READ.with_borrow_mut(|scratch| {
                let read = self.stream.try_read(scratch)?;
                self.decoder.push(&scratch[..read]);
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

    /// The next message or part of one, if it has arrived.
    pub fn next(&mut self) -> Result<Option<Received>, End> {
        Ok(self.decoder.next_message()?)
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(|_| End::Gone)?;
        self.write(Message::Text(text.into())).await
    }

    /// Writes a message whole, or finds that the peer takes nothing.
    pub async fn write(&mut self, message: Message) -> Result<(), End> {
        let mut output = BytesMut::new();
        Codec::new().encode(message, &mut output).map_err(|_| End::Gone)?;
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
        loop {
            match self.next() {
                Err(End::Closed(_)) => return,
                // All that arrived is taken before more is read: else it would pile up.
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    if self.read().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
