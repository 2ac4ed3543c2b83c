//! One open socket, from `hello` to the close: the conversation between a prospect and the engine.
//!
//! What an idle socket does not do is boxed, so that its state takes no memory in an idle socket.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use actix_web::rt::net::TcpStream;
use api_types::{
    close_code::RATE_TOLERANCE,
    frame::{
        AcceptedFrame, AcceptedType, ClientFrame, ErrorFrame, ErrorType, FrameError, HelloFrame,
        HelloType, OperatorMessageFrame, PongFrame, ProspectMessageFrame, ServerFrame,
    },
    problem::ProblemKind,
};
use bytes::BytesMut;
use engine::{Opened, SocketError};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    close_code::{self, CloseCode},
    codec::{Opcode, Received},
    in_flight::InFlight,
    rate::{Pace, Throttle},
    stream::{FrameStream, SocketEnd},
};
use crate::{
    descriptors::Connection, logging::Repeated, problem::ApiError, registry::Registration,
    state::Gateway, turns,
};

/// Bytes of messages that are read from the outbox at a time.
const OUTBOX_BATCH: usize = 64 * 1024;

/// A fragment of fewer bytes counts as a frame for the rate: a message may have any number of tiny
/// and empty ones.
const SMALL_FRAGMENT: usize = 1024;

/// The pause between two attempts to report a closed socket to an engine that is unavailable.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Messages that the full event stream refused, in the log.
static EVENTS_FULL: Repeated = Repeated::new();

/// Sockets of which the engine does not know that they closed, in the log.
static NOT_REPORTED: Repeated = Repeated::new();

/// A socket whose handshake is answered.
pub struct Session {
    pub(super) registration: Registration,
    /// The device's socket; or the code that closes this one at once, because its `halfRef` is dead.
    pub(super) opened: Result<Opened, CloseCode>,
    #[expect(dead_code, reason = "counts its descriptor until it is dropped")]
    pub(super) descriptor: Arc<Connection>,
    /// Names the handshake, in the problems of `error` frames.
    pub(super) request_id: Box<str>,
}

impl Session {
    /// Runs the socket until it ends. `buffered` has arrived with the handshake.
    pub async fn run(self, gateway: Arc<Gateway>, stream: TcpStream, buffered: BytesMut) {
        gateway.metrics.socket_opened();
        let opened_at = Instant::now();
        let limit = gateway.config.sockets.inbound_frame_bytes as usize;
        let mut stream =
            FrameStream::new(stream, &buffered, limit, gateway.config.sockets.pong_timeout);
        drop(buffered);
        let end = match &self.opened {
            Ok(opened) => {
                let mut conversation = Conversation::new(&gateway, &self, opened, &mut stream);
                tokio::select! {
                    biased;
                    request = self.registration.control.close_requested() => {
                        SocketEnd::ByGateway(close_code::of_request(request))
                    }
                    Err(end) = conversation.run() => end,
                }
            }
            Err(code) => SocketEnd::ByGateway(*code),
        };
        Box::pin(self.close(&gateway, stream, end, opened_at)).await;
    }

    /// Closes the socket after its `end`.
    async fn close(
        &self,
        gateway: &Gateway,
        stream: FrameStream,
        end: SocketEnd,
        opened_at: Instant,
    ) {
        turns::close().await;
        let code = end.code();
        tracing::info!(
            connectionId = %self.registration.connection.0,
            requestId = %self.request_id,
            code,
            seconds = opened_at.elapsed().as_secs(),
            "socket closed"
        );
        gateway.metrics.socket_closed(end.gateway_code().map(CloseCode::number));
        let is_reported = self.report_closed(gateway, code).await;
        stream.close(end).await;
        if !is_reported {
            self.keep_reporting_closed(gateway, code).await;
        }
    }

    /// Ends a socket whose connection was lost before the handshake was answered.
    pub async fn cancel(self, gateway: &Gateway) {
        if !self.report_closed(gateway, None).await {
            self.keep_reporting_closed(gateway, None).await;
        }
    }

    /// Reports to the engine that the socket closed; `false` when the engine is unavailable.
    async fn report_closed(&self, gateway: &Gateway, code: Option<u16>) -> bool {
        let Ok(opened) = &self.opened else { return true };
        gateway.engine.close(&opened.device, &self.registration.connection, code).await.is_ok()
    }

    /// Retries the report until the engine takes it: until then the operator reads that the device
    /// is connected.
    async fn keep_reporting_closed(&self, gateway: &Gateway, code: Option<u16>) {
        while gateway.unless_draining(sleep(REPORT_INTERVAL)).await.is_some() {
            if self.report_closed(gateway, code).await {
                return;
            }
        }
        if let Some(count) = NOT_REPORTED.count() {
            let why = gateway.engine.failure();
            tracing::warn!(count, why, "closed sockets not reported to the engine");
        }
    }
}

/// The conversation on one socket, and how far it is.
struct Conversation<'a> {
    gateway: &'a Gateway,
    session: &'a Session,
    opened: &'a Opened,
    stream: &'a mut FrameStream,
    throttle: Throttle,
    /// The highest `seq` that was sent on this socket.
    sent: u64,
    in_flight: InFlight,
    /// When the next ping is due, or the pong that answers the last one.
    deadline: Instant,
    awaits_pong: bool,
    /// Nothing is read before this, because the client sends above its rate.
    read_after: Instant,
}

impl<'a> Conversation<'a> {
    fn new(
        gateway: &'a Gateway,
        session: &'a Session,
        opened: &'a Opened,
        stream: &'a mut FrameStream,
    ) -> Self {
        let now = Instant::now();
        Self {
            gateway,
            session,
            opened,
            stream,
            throttle: Throttle::new(gateway.config.sockets.frames_per_second, RATE_TOLERANCE),
            sent: 0,
            in_flight: InFlight::default(),
            deadline: now + gateway.config.sockets.heartbeat,
            awaits_pong: false,
            read_after: now,
        }
    }

    /// Runs until something ends the socket.
    async fn run(&mut self) -> Result<Infallible, SocketEnd> {
        Box::pin(self.send_hello()).await?;
        let mut is_queued = true;
        let mut timer = pin!(sleep_until(self.deadline));
        loop {
            let has_more = is_queued && Box::pin(self.deliver()).await?;
            Box::pin(self.handle_received()).await?;
            if has_more {
                // Gives the thread's other sockets a turn before the next batch.
                tokio::task::yield_now().await;
            }
            let is_throttled = self.read_after > Instant::now();
            // One timer for both: a second would take memory in every idle socket.
            let wake_at =
                if is_throttled { self.deadline.min(self.read_after) } else { self.deadline };
            if timer.deadline() != wake_at {
                timer.as_mut().reset(wake_at);
            }
            // The outbox is asked only where something may have been added to it.
            is_queued = tokio::select! {
                biased;
                () = self.session.registration.control.message_queued() => true,
                () = &mut timer => {
                    if self.deadline <= Instant::now() {
                        Box::pin(self.ping()).await?;
                    }
                    has_more
                }
                () = std::future::ready(()), if has_more => true,
                read = self.stream.read(), if !is_throttled => {
                    read?;
                    false
                }
            };
        }
    }

    async fn send_hello(&mut self) -> Result<(), SocketEnd> {
        let hello = HelloFrame {
            r#type: HelloType::Hello,
            connection_id: self.session.registration.connection.0.to_string(),
            epoch: self.opened.epoch.to_string(),
            heartbeat: self.gateway.config.sockets.heartbeat.as_secs().max(1),
        };
        self.stream.send(&ServerFrame::Hello(hello)).await
    }

    /// Pings the client, or ends the socket where the last ping is unanswered.
    async fn ping(&mut self) -> Result<(), SocketEnd> {
        if self.awaits_pong {
            return Err(SocketEnd::ByGateway(CloseCode::NoPong));
        }
        self.stream.send_control(Opcode::Ping, b"").await?;
        self.awaits_pong = true;
        self.deadline = Instant::now() + self.gateway.config.sockets.pong_timeout;
        Ok(())
    }

    /// Sends a batch of the outbox; returns whether more may wait there.
    async fn deliver(&mut self) -> Result<bool, SocketEnd> {
        let connection = &self.session.registration.connection;
        let messages = self
            .gateway
            .engine
            .outbox(&self.opened.device, connection, self.sent, OUTBOX_BATCH)
            .await
            .map_err(|error| self.end_of(error))?;
        let has_more = !messages.is_empty();
        for message in messages {
            let json = OperatorMessageFrame::json(&self.opened.epoch, message.seq, &message.data);
            self.stream.send_text(&json).await?;
            self.sent = message.seq;
            self.in_flight.push(message.seq, message.data.len());
            self.gateway.metrics.written.add(message.data.len());
        }
        Ok(has_more)
    }

    /// Handles what has arrived, until there is no more or the client is above its rate.
    async fn handle_received(&mut self) -> Result<(), SocketEnd> {
        while self.read_after <= Instant::now() {
            let Some(received) = self.stream.next()? else { return Ok(()) };
            match received {
                Received::Pong if self.awaits_pong => {
                    self.awaits_pong = false;
                    self.deadline = Instant::now() + self.gateway.config.sockets.heartbeat;
                }
                // A large fragment counts with its message.
                Received::Fragment(length) if length >= SMALL_FRAGMENT => continue,
                Received::Pong | Received::Fragment(_) => {}
                Received::Ping(payload) => {
                    self.stream.send_control(Opcode::Pong, &payload).await?;
                }
                Received::Text(text) => self.handle_frame(&text).await?,
            }
            match self.throttle.count() {
                Pace::Allowed => {}
                Pace::Delay(until) => self.read_after = until,
                Pace::TooFast => return Err(SocketEnd::ByGateway(CloseCode::TooFast)),
            }
        }
        Ok(())
    }

    /// Handles one frame of the contract.
    async fn handle_frame(&mut self, text: &[u8]) -> Result<(), SocketEnd> {
        let connection = &self.session.registration.connection;
        let (engine, device) = (&self.gateway.engine, &self.opened.device);
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Ping(_)) => {
                self.stream.send(&ServerFrame::Pong(PongFrame::default())).await
            }
            Ok(ClientFrame::Ack(ack)) if ack.seq > self.sent => {
                self.send_error(None, ProblemKind::AckNotSent.into()).await
            }
            Ok(ClientFrame::Ack(ack)) => {
                let acknowledged = engine.acknowledge(device, connection, ack.seq).await;
                acknowledged.map_err(|error| self.end_of(error))?;
                let metrics = &self.gateway.metrics;
                self.in_flight.acknowledge(ack.seq, |bytes, after| {
                    metrics.message_acknowledged(bytes, after);
                });
                Ok(())
            }
            Ok(ClientFrame::Message(ProspectMessageFrame { id, data, .. })) => {
                match engine.accept(device, connection, &id, data.get()).await {
                    Ok(()) => {
                        self.gateway.metrics.accepted.add(data.get().len());
                        let r#type = AcceptedType::Accepted;
                        let accepted = ServerFrame::Accepted(AcceptedFrame { r#type, id });
                        self.stream.send(&accepted).await
                    }
                    Err(SocketError::EventsFull) => {
                        if let Some(count) = EVENTS_FULL.count() {
                            tracing::info!(count, "messages refused: the event stream is full");
                        }
                        self.send_error(Some(id), ProblemKind::EventsFull.into()).await
                    }
                    Err(error) => Err(self.end_of(error)),
                }
            }
            Err(FrameError::InvalidFields { id, errors }) => {
                self.send_error(id, ApiError::fields(errors)).await
            }
            Err(FrameError::NotAFrame) => Err(SocketEnd::ByGateway(CloseCode::BadFrame)),
        }
    }

    /// Refuses a frame; the socket stays open.
    async fn send_error(&mut self, id: Option<String>, error: ApiError) -> Result<(), SocketEnd> {
        let problem = error.problem(&self.session.request_id);
        let error = ErrorFrame { r#type: ErrorType::Error, id, problem };
        self.stream.send(&ServerFrame::Error(error)).await
    }

    /// How the socket ends when the engine refuses one of its operations.
    fn end_of(&self, error: SocketError) -> SocketEnd {
        SocketEnd::ByGateway(match error {
            SocketError::Stale => {
                let request = self.session.registration.control.close_request();
                request.map_or(CloseCode::Superseded, close_code::of_request)
            }
            SocketError::EventsFull | SocketError::Engine(_) => CloseCode::EngineUnavailable,
        })
    }
}
