//! A bare TCP stream as websocket frames.
//!
//! Written here rather than taken from a library, for the memory of an idle socket: it holds no
//! buffer. Bytes are read into one buffer that all sockets of a thread share, and only what the
//! decoder keeps of an incomplete message stays.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use api_types::frame::{ByeFrame, ByeType, ServerFrame};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use super::{
    close_code::{self, CloseCode},
    codec::{EncodedFrame, FrameDecoder, Opcode, ReadEnd, Received},
};

/// The most that one read takes, in bytes.
const READ_BUFFER: usize = 16 * 1024;

/// How long the client has to answer a close frame.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// How a socket ended.
#[derive(Debug, Clone, Copy)]
pub enum SocketEnd {
    /// The gateway closes it.
    ByGateway(CloseCode),
    /// The client closed it, with this code if it gave one.
    ByClient(Option<u16>),
    /// The connection was lost.
    ConnectionLost,
}

impl SocketEnd {
    /// The close code that either side gave.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::ByGateway(code) => Some(code.number()),
            Self::ByClient(code) => code,
            Self::ConnectionLost => None,
        }
    }

    /// The close code that the gateway gave.
    pub fn gateway_code(self) -> Option<CloseCode> {
        match self {
            Self::ByGateway(code) => Some(code),
            Self::ByClient(_) | Self::ConnectionLost => None,
        }
    }
}

impl From<ReadEnd> for SocketEnd {
    fn from(end: ReadEnd) -> Self {
        match end {
            ReadEnd::Violation(code) => Self::ByGateway(code),
            ReadEnd::Closed(code) => Self::ByClient(code),
        }
    }
}

/// The TCP stream as websocket frames.
pub struct FrameStream {
    stream: TcpStream,
    decoder: FrameDecoder,
    /// How long the client may take nothing of a frame that is written to it.
    write_deadline: Duration,
    /// Whether only a part of a frame is written: no other frame can follow then.
    is_mid_frame: bool,
}

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER].into_boxed_slice());
}

impl FrameStream {
    /// The frames of `stream`, which begin with those in `buffered`. A message has at most `limit`
    /// bytes.
    pub fn new(stream: TcpStream, buffered: &[u8], limit: usize, write_deadline: Duration) -> Self {
        let mut decoder = FrameDecoder::new(limit);
        decoder.push(buffered);
        Self { stream, decoder, write_deadline, is_mid_frame: false }
    }

    /// Waits for bytes and reads them.
    pub async fn read(&mut self) -> Result<(), SocketEnd> {
        // Not `readable()`: that leaves in place the waker of the task which actix had the connection
        // in, and with it that task's memory, 2.8 KB a socket. Nor `try_read()`, which does not note
        // that a short read took everything: the next one would ask the system in vain.
        let read = poll_fn(|context| {
            READ.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
                self.decoder.push(buffer.filled());
                Poll::Ready(io::Result::Ok(buffer.filled().len()))
            })
        });
        match read.await {
            Ok(0) | Err(_) => Err(SocketEnd::ConnectionLost),
            Ok(_) => Ok(()),
        }
    }

    /// The next message or fragment, if it has arrived.
    pub fn next(&mut self) -> Result<Option<Received>, SocketEnd> {
        Ok(self.decoder.next_message()?)
    }

    /// Sends a frame of the contract.
    pub async fn send(&mut self, frame: &ServerFrame) -> Result<(), SocketEnd> {
        let frame = EncodedFrame::json(frame).map_err(|_| SocketEnd::ConnectionLost)?;
        self.write(&frame).await
    }

    /// Sends a frame of the contract that is JSON already.
    pub async fn send_text(&mut self, json: &str) -> Result<(), SocketEnd> {
        self.write(&EncodedFrame::new(Opcode::Text, json.as_bytes())).await
    }

    /// Sends a ping, or the pong that answers one.
    pub async fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SocketEnd> {
        self.write(&EncodedFrame::new(opcode, payload)).await
    }

    /// Writes a frame whole. A client that takes none of it in time is too slow.
    async fn write(&mut self, frame: &EncodedFrame) -> Result<(), SocketEnd> {
        let mut rest = frame.bytes();
        self.is_mid_frame = true;
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = poll_fn(|context| self.stream.poll_write_ready(context));
                    match timeout(self.write_deadline, ready).await {
                        Err(_) => return Err(SocketEnd::ByGateway(CloseCode::TooSlow)),
                        Ok(ready) => ready.map_err(|_| SocketEnd::ConnectionLost)?,
                    }
                }
                Err(_) => return Err(SocketEnd::ConnectionLost),
            }
        }
        self.is_mid_frame = false;
        Ok(())
    }

    /// Closes the socket: `bye` and close frame, then waits up to 2 seconds for the client to have
    /// read them. A connection that is dropped with bytes unread takes what was written with it.
    pub async fn close(mut self, end: SocketEnd) {
        if self.is_mid_frame {
            return;
        }
        let close = match end {
            SocketEnd::ConnectionLost => return,
            SocketEnd::ByClient(code) => EncodedFrame::close(code.map(|code| (code, ""))),
            SocketEnd::ByGateway(code) => {
                if code.has_bye() {
                    let bye = ServerFrame::Bye(ByeFrame {
                        r#type: ByeType::Bye,
                        code: code.number(),
                        retry_after_ms: close_code::retry_after_ms(code),
                    });
                    if self.send(&bye).await.is_err() {
                        return;
                    }
                }
                EncodedFrame::close(Some((code.number(), code.reason())))
            }
        };
        if self.write(&close).await.is_err() {
            return;
        }
        let _ = self.stream.shutdown().await;
        if !matches!(end, SocketEnd::ByClient(_)) {
            let _ = timeout(CLOSE_DEADLINE, self.closed_by_client()).await;
        }
    }

    /// Reads until the client has answered the close frame, and ignores what it sent before.
    async fn closed_by_client(&mut self) {
        loop {
            match self.next() {
                Err(SocketEnd::ByClient(_)) => return,
                // Messages are taken out before more is read, so that they do not pile up.
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
