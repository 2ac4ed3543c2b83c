//! One open socket, from `hello` to the close.
//!
//! An idle socket holds no buffer: bytes are read into one that all sockets of a thread share, and
//! only what is left of an unfinished frame stays.

use std::{cell::RefCell, future::poll_fn, io, sync::Arc, time::Duration};

use actix_codec::{Decoder, Encoder};
use actix_http::ws::{CloseReason, Codec, Frame, Item, Message, ProtocolError};
use actix_web::rt::net::TcpStream;
use api_types::{
    body,
    frame::{ByeFrame, ClientFrame, HelloFrame, PongFrame, ServerFrame},
};
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, sleep_until, timeout};

use super::{close::CloseCode, registry::Seat};
use crate::{descriptors::Connection, engine::Opened, gateway::Gateway};

/// What one read can take; shared by all sockets of a thread.
const SCRATCH: usize = 16 * 1024;

/// The longest head of a frame (RFC 6455, section 5.2).
const FRAME_HEAD: usize = 14;

/// How long the peer has to answer a close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// A socket that may begin.
pub struct Session {
    pub(super) seat: Seat,
    /// The device's socket; or why there is none, which the peer is told by a close code.
    pub(super) opened: Result<Opened, CloseCode>,
    /// Counts the descriptor for as long as the session lives.
    #[expect(dead_code, reason = "counts its descriptor until it is dropped")]
    pub(super) counted: Connection,
}

/// How a socket ended.
enum End {
    /// The gateway closes it.
    Close(CloseCode),
    /// The peer closed it, saying this.
    Closed(Option<CloseReason>),
    /// The connection is gone.
    Gone,
}

impl Session {
    /// The conversation.
    pub async fn run(self, gateway: Arc<Gateway>, stream: TcpStream, early: BytesMut) {
        gateway.metrics.socket_opened();
        let limit = gateway.config.inbound_frame_bytes as usize;
        let mut wire = Wire::new(stream, &early, limit, gateway.config.pong_timeout);
        drop(early);
        let end = match &self.opened {
            Ok(opened) => self.converse(&gateway, &mut wire, opened).await,
            Err(code) => End::Close(*code),
        };
        let code = match &end {
            End::Close(code) => Some(*code),
            End::Closed(_) | End::Gone => None,
        };
        tracing::debug!(connectionId = ?self.seat.connection, code = code.map(CloseCode::number), "socket ended");
        gateway.metrics.socket_closed(code);
        self.forget(&gateway).await;
        wire.end(end).await;
    }

    /// The peer went away before the conversation began.
    pub async fn abandon(self, gateway: &Gateway) {
        self.forget(gateway).await;
    }

    async fn forget(&self, gateway: &Gateway) {
        if let Ok(opened) = &self.opened
            && gateway
                .engine
                .close(&opened.device, &self.seat.connection)
                .await
                .is_err()
        {
            tracing::warn!(connectionId = ?self.seat.connection, "the engine was not told that a socket ended");
        }
    }

    async fn converse(&self, gateway: &Gateway, wire: &mut Wire, opened: &Opened) -> End {
        let heartbeat = gateway.config.heartbeat;
        let hello = ServerFrame::Hello(HelloFrame {
            connection_id: self.seat.connection.0.to_string(),
            epoch: opened.epoch.to_string(),
            heartbeat: heartbeat.as_secs().max(1),
        });
        if let Err(end) = wire.send(&hello).await {
            return end;
        }
        let mut deadline = Instant::now() + heartbeat;
        let mut pinged = false;
        loop {
            loop {
                match wire.next_frame() {
                    Ok(None) => break,
                    Ok(Some(Received::Pong)) => {
                        if pinged {
                            (pinged, deadline) = (false, Instant::now() + heartbeat);
                        }
                    }
                    Ok(Some(Received::Ping(payload))) => {
                        if let Err(end) = wire.write(Message::Pong(payload)).await {
                            return end;
                        }
                    }
                    Ok(Some(Received::Text(text))) => {
                        if let Err(end) = answer(wire, &text).await {
                            return end;
                        }
                    }
                    Err(end) => return end,
                }
            }
            tokio::select! {
                biased;
                code = self.seat.signal.closing() => return End::Close(code),
                read = wire.read() => if let Err(end) = read { return end },
                () = sleep_until(deadline) => {
                    if pinged {
                        return End::Close(CloseCode::NoPong);
                    }
                    if let Err(end) = wire.write(Message::Ping(Bytes::new())).await {
                        return end;
                    }
                    (pinged, deadline) = (true, Instant::now() + gateway.config.pong_timeout);
                }
            }
        }
    }
}

/// Does what a client's frame asks.
async fn answer(wire: &mut Wire, text: &[u8]) -> Result<(), End> {
    match body::parse::<ClientFrame>(text) {
        Ok(ClientFrame::Ping(_)) => wire.send(&ServerFrame::Pong(PongFrame {})).await,
        Err(_) => Err(End::Close(CloseCode::BadFrame)),
    }
}

/// What a peer sends, put together.
enum Received {
    Text(Bytes),
    Ping(Bytes),
    Pong,
}

/// The TCP stream as websocket frames.
struct Wire {
    stream: TcpStream,
    codec: Codec,
    /// What arrived and is not yet a frame.
    input: BytesMut,
    /// What arrived of a message in fragments.
    fragments: Option<BytesMut>,
    limit: usize,
    write_deadline: Duration,
}

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

impl Wire {
    fn new(stream: TcpStream, early: &[u8], limit: usize, write_deadline: Duration) -> Self {
        // Copied, because what actix read into is a buffer of many KB.
        let input = BytesMut::from(early);
        let codec = Codec::new().max_size(limit);
        Self {
            stream,
            codec,
            input,
            fragments: None,
            limit,
            write_deadline,
        }
    }

    /// Waits until something arrived.
    async fn read(&mut self) -> Result<(), End> {
        loop {
            // Not `readable()`: that leaves in place the waker of the task which actix had the
            // connection in, and with it that task's memory, 2.8 KB a socket.
            poll_fn(|context| self.stream.poll_read_ready(context))
                .await
                .map_err(|_| End::Gone)?;
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
    fn next_frame(&mut self) -> Result<Option<Received>, End> {
        loop {
            let frame = self
                .codec
                .decode(&mut self.input)
                .map_err(|error| End::Close(breach(&error)))?;
            let Some(frame) = frame else {
                // The codec looks at the limit only once a frame is whole.
                if self.input.len() > self.limit + FRAME_HEAD {
                    return Err(End::Close(CloseCode::TooBig));
                }
                if self.input.is_empty() {
                    self.input = BytesMut::new();
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

    async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(|_| End::Gone)?;
        self.write(Message::Text(text.into())).await
    }

    /// Writes a message whole, or finds the peer too slow.
    async fn write(&mut self, message: Message) -> Result<(), End> {
        let mut output = BytesMut::new();
        self.codec
            .encode(message, &mut output)
            .map_err(|_| End::Gone)?;
        match timeout(self.write_deadline, self.write_all(&output)).await {
            Ok(written) => written.map_err(|_| End::Gone),
            Err(_) => Err(End::Close(CloseCode::TooSlow)),
        }
    }

    async fn write_all(&self, mut output: &[u8]) -> io::Result<()> {
        while !output.is_empty() {
            poll_fn(|context| self.stream.poll_write_ready(context)).await?;
            match self.stream.try_write(output) {
                Ok(written) => output = &output[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says goodbye and waits a little for the peer to have read it: a connection that is dropped
    /// with bytes unread takes the goodbye with it.
    async fn end(mut self, end: End) {
        let reason = match end {
            End::Gone | End::Close(CloseCode::TooSlow) => return,
            End::Closed(reason) => reason.map(|reason| CloseReason {
                code: reason.code,
                description: None,
            }),
            End::Close(code) => {
                if code.says_bye() {
                    let bye = ByeFrame {
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
        if self.write(Message::Close(reason)).await.is_err() {
            return;
        }
        let _ = timeout(CLOSE_DEADLINE, self.drain()).await;
    }

    /// Reads until the peer closes. What it still sends is of no account.
    async fn drain(&mut self) {
        while self.read().await.is_ok() {
            self.input.clear();
        }
    }
}

fn utf8(text: Bytes) -> Result<Received, End> {
    match std::str::from_utf8(&text) {
        Ok(_) => Ok(Received::Text(text)),
        Err(_) => Err(End::Close(CloseCode::NotUtf8)),
    }
}

fn breach(error: &ProtocolError) -> CloseCode {
    match error {
        ProtocolError::Overflow => CloseCode::TooBig,
        _ => CloseCode::Protocol,
    }
}
