//! One open socket, from `hello` to the close: the conversation between a prospect and the engine.
//!
//! What is done now and then is boxed, so that its state takes no room in a socket that is idle.

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_http::ws::Message;
use actix_web::rt::net::TcpStream;
use api_types::{
    frame::{
        AcceptedFrame, AcceptedType, ClientFrame, ErrorFrame, ErrorType, FrameError, HelloFrame,
        HelloType, MessageType, OperatorMessageFrame, PongFrame, ProspectMessageFrame, ServerFrame,
    },
    problem::ProblemKind,
};
use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    close_code::CloseCode,
    codec::Received,
    rate::{Pace, Throttle},
    registry::Seat,
    stream::{End, FrameStream},
};
use engine::{Opened, SocketError};

use crate::{descriptors::Connection, problem::ApiError, state::Gateway};

/// Bytes of messages that are taken from the outbox at a time.
const BATCH: usize = 64 * 1024;

/// A part of a message that is smaller than this counts as a frame: a message may have any number of
/// tiny and empty ones.
const SMALL_PART: usize = 1024;

/// How long a prospect may be too fast.
const TOO_FAST: Duration = Duration::from_secs(10);

/// How long until an engine that was away is told again that a socket ended.
const ENGINE_RETRY: Duration = Duration::from_secs(1);

/// A socket that may begin.
pub struct Session {
    pub(super) seat: Seat,
    /// The device's socket; or why there is none, which the peer is told by a close code.
    pub(super) opened: Result<Opened, CloseCode>,
    #[expect(dead_code, reason = "counts its descriptor until it is dropped")]
    pub(super) counted: Arc<Connection>,
    /// Names the request that opened the socket, in what is said of problems.
    pub(super) request_id: Box<str>,
}

impl Session {
    /// The whole life of the socket.
    pub async fn run(self, gateway: Arc<Gateway>, stream: TcpStream, early: BytesMut) {
        gateway.metrics.socket_opened();
        let limit = gateway.config.inbound_frame_bytes as usize;
        let mut wire = FrameStream::new(stream, &early, limit, gateway.config.pong_timeout);
        drop(early);
        let end = match &self.opened {
            Ok(opened) => tokio::select! {
                biased;
                code = self.seat.signal.closing() => End::Close(code),
                end = self.converse(&gateway, &mut wire, opened) => end,
            },
            Err(code) => End::Close(*code),
        };
        let code = end.code();
        tracing::debug!(connectionId = ?self.seat.connection, code, "socket ended");
        gateway.metrics.socket_closed(end.closed_by_us());
        let told = Box::pin(self.forget(&gateway, code)).await;
        Box::pin(wire.end(end)).await;
        if !told {
            Box::pin(self.forget_when_possible(&gateway, code)).await;
        }
    }

    /// The peer went away before the conversation began.
    pub async fn abandon(self, gateway: &Gateway) {
        if !self.forget(gateway, None).await {
            self.forget_when_possible(gateway, None).await;
        }
    }

    /// Tells the engine that the socket ended; says whether it heard.
    async fn forget(&self, gateway: &Gateway, code: Option<u16>) -> bool {
        let Ok(opened) = &self.opened else { return true };
        gateway.engine.close(&opened.device, &self.seat.connection, code).await.is_ok()
    }

    /// Tells the engine, which is away, as soon as it is back: until then the operator reads that
    /// the device is connected.
    async fn forget_when_possible(&self, gateway: &Gateway, code: Option<u16>) {
        while gateway.unless_draining(sleep(ENGINE_RETRY)).await.is_some() {
            if self.forget(gateway, code).await {
                return;
            }
        }
        let connection = &self.seat.connection;
        tracing::warn!(connectionId = ?connection, "the engine was not told that a socket ended");
    }

    /// Talks until something ends the socket.
    async fn converse(&self, gateway: &Gateway, wire: &mut FrameStream, opened: &Opened) -> End {
        match self.talk(gateway, wire, opened).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn talk(
        &self,
        gateway: &Gateway,
        wire: &mut FrameStream,
        opened: &Opened,
    ) -> Result<Infallible, End> {
        let heartbeat = gateway.config.heartbeat;
        let hello = ServerFrame::Hello(HelloFrame {
            r#type: HelloType::Hello,
            connection_id: self.seat.connection.0.to_string(),
            epoch: opened.epoch.to_string(),
            heartbeat: heartbeat.as_secs().max(1),
        });
        Box::pin(wire.send(&hello)).await?;
        drop(hello);

        let mut throttle = Throttle::new(gateway.config.frames_per_second, TOO_FAST);
        let mut talk = Conversation { gateway, session: self, opened, sent: 0 };
        let mut deadline = Instant::now() + heartbeat;
        let mut pinged = false;
        let mut reading_from = Instant::now();
        loop {
            let more = Box::pin(talk.deliver(wire)).await?;
            let slowed = loop {
                if reading_from > Instant::now() {
                    break true;
                }
                match wire.next()? {
                    None => break false,
                    Some(Received::Pong) if pinged => {
                        (pinged, deadline) = (false, Instant::now() + heartbeat);
                    }
                    // It is counted with its message.
                    Some(Received::Part(length)) if length >= SMALL_PART => continue,
                    Some(Received::Pong | Received::Part(_)) => {}
                    Some(Received::Ping(payload)) => {
                        Box::pin(wire.write(Message::Pong(payload))).await?;
                    }
                    Some(Received::Text(text)) => Box::pin(talk.hear(wire, &text)).await?,
                }
                match throttle.count() {
                    Pace::Fine => {}
                    Pace::Wait(until) => reading_from = until,
                    Pace::TooFast => return Err(End::Close(CloseCode::TooFast)),
                }
            };
            if more {
                // Others' turn; what waits is taken up again at once.
                tokio::task::yield_now().await;
            }
            tokio::select! {
                biased;
                () = self.seat.signal.queued() => {}
                () = sleep_until(deadline) => {
                    if pinged {
                        return Err(End::Close(CloseCode::NoPong));
                    }
                    Box::pin(wire.write(Message::Ping(Bytes::new()))).await?;
                    (pinged, deadline) = (true, Instant::now() + gateway.config.pong_timeout);
                }
                () = std::future::ready(()), if more => {}
                read = wire.read(), if !slowed => read?,
                () = sleep_until(reading_from), if slowed => {}
            }
        }
    }
}

/// The conversation of one socket, as far as it has come.
struct Conversation<'a> {
    gateway: &'a Gateway,
    session: &'a Session,
    opened: &'a Opened,
    /// The highest number that was sent on this socket.
    sent: u64,
}

impl Conversation<'_> {
    /// Sends a batch of what waits in the outbox; says whether more may wait.
    async fn deliver(&mut self, wire: &mut FrameStream) -> Result<bool, End> {
        let connection = &self.session.seat.connection;
        let device = &self.opened.device;
        let messages = self
            .gateway
            .engine
            .outbox(device, connection, self.sent, BATCH)
            .await
            .map_err(|error| self.lost(error))?;
        let more = !messages.is_empty();
        for message in messages {
            let data = RawValue::from_string(message.data.to_string()).map_err(|_| End::Gone)?;
            wire.send(&ServerFrame::Message(OperatorMessageFrame {
                r#type: MessageType::Message,
                epoch: self.opened.epoch.to_string(),
                seq: message.seq,
                data,
            }))
            .await?;
            self.sent = message.seq;
        }
        Ok(more)
    }

    /// Does what a client's frame asks.
    async fn hear(&mut self, wire: &mut FrameStream, text: &[u8]) -> Result<(), End> {
        let connection = &self.session.seat.connection;
        let (engine, device) = (&self.gateway.engine, &self.opened.device);
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Ping(_)) => wire.send(&ServerFrame::Pong(PongFrame::default())).await,
            Ok(ClientFrame::Ack(ack)) if ack.seq > self.sent => {
                self.refuse(wire, None, ProblemKind::AckNotSent.into()).await
            }
            Ok(ClientFrame::Ack(ack)) => engine
                .acknowledge(device, connection, ack.seq)
                .await
                .map_err(|error| self.lost(error)),
            Ok(ClientFrame::Message(ProspectMessageFrame { id, data, .. })) => {
                match engine.accept(device, connection, &id, data.get()).await {
                    Ok(()) => {
                        let r#type = AcceptedType::Accepted;
                        wire.send(&ServerFrame::Accepted(AcceptedFrame { r#type, id })).await
                    }
                    Err(SocketError::EventsFull) => {
                        self.refuse(wire, Some(id), ProblemKind::EventsFull.into()).await
                    }
                    Err(error) => Err(self.lost(error)),
                }
            }
            Err(FrameError::Refused { id, errors }) => {
                self.refuse(wire, id, ApiError::fields(errors)).await
            }
            Err(FrameError::NotAFrame) => Err(End::Close(CloseCode::BadFrame)),
        }
    }

    async fn refuse(
        &self,
        wire: &mut FrameStream,
        id: Option<String>,
        refusal: ApiError,
    ) -> Result<(), End> {
        let problem = refusal.problem(&self.session.request_id);
        wire.send(&ServerFrame::Error(ErrorFrame { r#type: ErrorType::Error, id, problem })).await
    }

    /// The engine does not hold this socket, or cannot be asked.
    fn lost(&self, error: SocketError) -> End {
        let told = self.session.seat.signal.code();
        End::Close(match error {
            SocketError::Stale => told.unwrap_or(CloseCode::Superseded),
            SocketError::EventsFull | SocketError::Unavailable => CloseCode::EngineAway,
        })
    }
}
