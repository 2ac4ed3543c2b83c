//! The state of a gateway, its devices, tokens, authorisations, sockets, messages and events, behind
//! one trait: [`Engine`].
//!
//! Each operation is atomic. An engine knows neither HTTP nor websockets nor flags: the gateway
//! reports to it what happens to sockets, and it notifies the gateway through [`EngineListener`].
//!
//! There are three engines. [`embedded::Embedded`] keeps everything in its process, optionally with a
//! journal on disk. [`redis::Redis`] keeps everything in a Redis that many gateways share, and
//! [`partitions::Partitioned`] in several partitions, each of which is like such a Redis. The suite
//! `tests/engine` holds all to the same behaviour.

mod digest;
pub mod embedded;
mod event;
mod home;
mod id;
mod journal;
mod limits;
mod memory;
mod operations;
pub mod partitions;
mod rate;
pub mod redis;
mod stats;
mod time;
mod unconfirmed;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::{
    digest::Digest,
    event::{DisconnectCause, Event, EventData, Events},
    home::{Home, TokenId},
    id::new_id,
    journal::{Durability, JournalError, JournalInspection, inspect as inspect_journal},
    limits::Limits,
    operations::*,
    rate::{Micros, Rate, RateState},
    stats::{
        CompactionStats, EngineFill, EngineStats, Histogram, HistogramStats, JournalStats,
        OutboxFill, RedisStats,
    },
    time::{Clock, Millis, SystemClock, millis, rfc3339},
};

/// Receives the notifications of an engine: the part of the gateway that has the sockets and the
/// event streams.
///
/// An engine notifies it after the change is committed and before the operation that caused it
/// returns. A method must return at once and must not call the engine.
pub trait EngineListener: Send + Sync {
    /// The connection is not its device's socket any more and must be closed. One that is not open
    /// here is ignored.
    fn end(&self, connection: &ConnectionId, reason: EndReason);

    /// A message was added to the outbox of the connection's device.
    fn message_queued(&self, connection: &ConnectionId);

    /// The device acknowledged messages, or some of its messages cannot be acknowledged any more.
    fn messages_settled(&self, device: &str);

    /// Events were appended to the stream of a partition.
    fn events_appended(&self, partition: usize);

    /// So many messages expired, in whichever outboxes.
    fn messages_expired(&self, _count: u64) {}

    /// Notifications of a partition's acknowledgements and events may have been missed: everything that
    /// waits for one must ask the engine again. The embedded engine never calls this.
    fn notifications_missed(&self, _partition: usize) {}

    /// An engine that starts from a journal is still busy with `what`: once a second, until it has
    /// started.
    fn recovery_progressed(&self, _what: &str, _done: u64, _of: u64) {}
}

/// The state of a gateway. Secrets never reach an engine: the caller passes their digests.
///
/// Every operation can fail with [`EngineError::Unavailable`]. Those on a device take its tag, which the gateway
/// has validated.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Issues `token` to `device`, by the rules of channel and claim: the first claim of a free
    /// device succeeds, and from then on only requests that present a token of the claim, or come
    /// from the operator. The first request makes the device's record. `device_data`, JSON, replaces
    /// what the record has; without it the record keeps that.
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        device_data: Option<&str>,
        token: &Digest,
    ) -> Result<(), RequestTokenError>;

    /// Checks whether a token is live. That is no use of it: see [`Engine::authorise`].
    async fn check_token(&self, token: &TokenId) -> Result<(), TokenError>;

    /// Revokes a token with its open authorisations and its socket. Revoking a token of a claim
    /// deletes the device's record. Repeatable: an unknown token is no error.
    async fn revoke_token(&self, token: &TokenId) -> Result<(), EngineError>;

    /// Authorises a websocket under a `halfRef`, for [`Limits::authorisation_ttl`]. Repeatable until
    /// the `halfRef` is redeemed. One more than [`Limits::open_authorisations`] replaces the oldest,
    /// which ends as expired. The first use of a claim's newest token ends the one before it.
    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError>;

    /// Redeems a `halfRef`: spends it, makes `connection` the device's socket, and supersedes the
    /// socket before it. Appends `disconnected` of the older and `connected` of the newer.
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
    ) -> Result<(), EngineError>;

    /// Queues a message in a device's outbox. With an idempotency key it is repeatable.
    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError>;

    /// Whether message `seq` of `epoch` was acknowledged, and whether it still can be. Where it can,
    /// [`EngineListener::messages_settled`] says when to ask again.
    async fn acknowledgement(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<Acknowledgement, EngineError>;

    /// The messages of the outbox with a number above `after`, in order: at least one, if there are
    /// any, and up to `bytes` bytes of data.
    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError>;

    /// Removes every message up to number `seq` from the outbox: the prospect has processed them.
    /// Repeatable.
    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError>;

    /// Appends a prospect's message, JSON in `data`, to the event stream. Repeatable: one whose `id`
    /// is among the last [`Limits::remembered_ids`] of the device is not appended again.
    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError>;

    /// The state of a device; `None` where it has no record.
    async fn device(&self, device: &str) -> Result<Option<DeviceState>, EngineError>;

    /// Up to `limit` devices with a socket whose name is above `after`, ordered by name: all, or those
    /// whose socket came with this link. The cost grows with what is returned, not with what is
    /// stored.
    async fn connected(
        &self,
        linkinjected: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<DeviceState>, EngineError>;

    /// Disconnects a device: closes its socket, revokes its tokens and deletes its record. What is
    /// in its outbox becomes `expired` events. Repeatable: an unknown device is no error.
    async fn disconnect(&self, device: &str) -> Result<(), EngineError>;

    /// Disconnects a device, and removes everything that the engine has of it: its events, and the
    /// `halfRef`s that are remembered for it. No event reports that. The numbers of the events that are
    /// left stay, so that readers of the stream miss nothing else. Repeatable, also for a part of it:
    /// where it fails, it may have begun. What comes to the device meanwhile stays.
    async fn erase(&self, device: &str) -> Result<(), EngineError>;

    /// The number of partitions, which are counted from 0. Each has an event stream of its own. All
    /// events of a device are in the stream of one partition.
    fn partitions(&self) -> usize {
        1
    }

    /// The name of a partition's event stream. It changes when events may have been lost; then the
    /// numbers of the earlier stream mean nothing.
    async fn stream(&self, partition: usize) -> Result<Arc<str>, EngineError>;

    /// Up to `limit` events of a partition from number `from` on, or from the oldest where that is
    /// newer.
    async fn events(
        &self,
        partition: usize,
        from: u64,
        limit: usize,
    ) -> Result<Events, EngineError>;

    /// Drops every event of a partition's `stream` up to number `through`. Repeatable. In another
    /// stream the same number names another event: nothing is dropped there.
    async fn release(
        &self,
        partition: usize,
        stream: &str,
        through: u64,
    ) -> Result<(), ReleaseError>;

    /// Expires what is due, and renews a lease where the engine has one. To be called at least every
    /// second. Its cost grows with what is due, not with what is stored.
    async fn expire(&self) -> Result<(), EngineError>;

    /// Checks whether the engine can serve operations.
    async fn ready(&self) -> Result<(), EngineError>;

    /// The engine's numbers. It answers at once, or within half a second where it asks Redis.
    async fn stats(&self) -> EngineStats;

    /// Why the latest operation that failed with an [`EngineError`] did, in words for the log; `None`
    /// where that is not known.
    fn failure(&self) -> Option<String>;

    /// Flushes and shuts down. Every later operation fails with [`EngineError::Unavailable`].
    async fn end(&self);
}
