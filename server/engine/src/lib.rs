//! What the gateway remembers of devices, tokens, authorisations, sockets, messages and events,
//! behind one trait.
//!
//! Each operation is one atomic step. An engine knows neither HTTP nor websockets nor settings: the
//! gateway reports socket events to it, and it notifies the gateway through [`EngineListener`].
//! There are two: [`embedded::Embedded`] keeps everything in its process, optionally with a journal on
//! disk; [`redis::Redis`] keeps everything in a Redis that many gateways share.

mod digest;
pub mod embedded;
mod event;
mod id;
mod journal;
mod limits;
mod memory;
mod operations;
mod rate;
pub mod redis;
mod time;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::{
    digest::Digest,
    event::{DisconnectCause, Event, EventData, Events},
    id::new_id,
    journal::{Durability, JournalError},
    limits::Limits,
    operations::*,
    rate::{Micros, Rate, RateState},
    time::{Clock, Millis, SystemClock, millis, rfc3339},
};

/// The part of the process that holds sockets and event streams, as an engine sees it.
///
/// An engine calls it before it answers the operation that caused the notification. Each method
/// returns at once and calls no engine.
pub trait EngineListener: Send + Sync {
    /// The connection, if it is held here, must end.
    fn end(&self, connection: &ConnectionId, reason: EndReason);

    /// A message was queued in the outbox of the connection's device.
    fn message_queued(&self, connection: &ConnectionId);

    /// The device acknowledged messages.
    fn messages_acknowledged(&self, device: &str);

    /// Events were appended to the stream.
    fn events_appended(&self);

    /// Notifications of acknowledgements and events may have been missed: everything that waits for
    /// one looks again. An engine that cannot lose its connection never calls this.
    fn notifications_missed(&self) {}
}

/// What the gateway remembers. The caller makes every secret and passes its digest.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Issues `token` to `device`, by the rules of channel and claim.
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        token: &Digest,
    ) -> Result<(), RequestTokenError>;

    /// Checks whether a token is live, without using it.
    async fn check_token(&self, token: &Digest) -> Result<(), TokenError>;

    /// Revokes a token with its open authorisations and its socket; revoking a claim's token ends
    /// the device's record. An unknown token is no error, so the operation is repeatable.
    async fn revoke_token(&self, token: &Digest) -> Result<(), Unavailable>;

    /// Authorises a websocket under a `halfRef`.
    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError>;

    /// Redeems a `halfRef`: spends it, makes `connection` the device's socket and ends the socket
    /// before it.
    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError>;

    /// Reports that a connection closed. `code` is the gateway's own opaque number for the reason,
    /// if it has one; the event of the close carries it as [`DisconnectCause::Gateway`]. A
    /// connection that is no longer the device's socket is no error.
    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), Unavailable>;

    /// Queues a message in a device's outbox.
    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError>;

    /// Whether message `seq` of `epoch` was acknowledged; `false` for another epoch.
    async fn is_acknowledged(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<bool, Unavailable>;

    /// The messages after `after` in the outbox: at least one, if there are any, and then up to
    /// `bytes` bytes of them.
    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError>;

    /// The prospect has processed every message up to `seq`.
    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError>;

    /// Appends a prospect's message to the event stream, unless a message with this id was accepted
    /// before.
    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError>;

    /// The state of a device; `None` where there is no record of it.
    async fn device(&self, device: &str) -> Result<Option<DeviceState>, Unavailable>;

    /// Up to `limit` devices with a socket, ordered by name, after `after`.
    async fn connected(&self, after: &str, limit: usize) -> Result<Vec<DeviceState>, Unavailable>;

    /// Disconnects a device: closes its socket, revokes its tokens and ends its record. An unknown
    /// device is no error.
    async fn disconnect(&self, device: &str) -> Result<(), Unavailable>;

    /// The name of the event stream: numbers of another stream mean nothing in this one.
    async fn stream(&self) -> Result<Arc<str>, Unavailable>;

    /// Up to `limit` events from number `from` on.
    async fn events(&self, from: u64, limit: usize) -> Result<Events, Unavailable>;

    /// Drops all events up to number `through`.
    async fn release(&self, through: u64) -> Result<(), Unavailable>;

    /// Expires what is due. Called about every second; its work is proportional to what is due, not
    /// to what is known.
    async fn expire(&self) -> Result<(), Unavailable>;

    /// Checks whether the engine can do its work.
    async fn ready(&self) -> Result<(), Unavailable>;

    /// Flushes and shuts down. Later operations fail with [`Unavailable`].
    async fn end(&self);
}
