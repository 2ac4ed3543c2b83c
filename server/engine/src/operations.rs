//! What the operations of an engine take and return.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Digest, Millis, OutboxFill, TokenId};

/// Who requests a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester<'a> {
    /// A prospect through a channel that claims.
    Claim {
        /// The token that the prospect showed, live or expired.
        shown: Option<&'a Digest>,
        /// The idempotency key of the request: a secret of the prospect's. Repeated before the
        /// token was first used, it gets a fresh token in the place of the one whose response was
        /// lost.
        key: Option<&'a Digest>,
    },
    /// A prospect through the test channel.
    Test,
    /// The operator, for the device's claim.
    Operator,
}

/// Why no token is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestTokenError {
    /// The device is claimed, and the request presents no token of the claim.
    #[error("the device is claimed")]
    DeviceClaimed,
    /// There are [`crate::Limits::devices`] devices already.
    #[error("no room for another device")]
    DevicesFull,
    /// The operation has no outcome.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It was never issued, or it was revoked or replaced.
    #[error("the token is unknown")]
    Unknown,
    /// Its lifetime is over.
    #[error("the token has expired")]
    Expired,
    /// The operation has no outcome.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One request to authorise a websocket.
#[derive(Debug, Clone, Copy)]
pub struct Authorisation<'a> {
    /// The token that the request presents.
    pub token: &'a TokenId,
    /// The device that the request names.
    pub device: &'a str,
    /// The one-use secret that will open the socket.
    pub half_ref: &'a Digest,
    /// An opaque link to another user.
    pub linkinjected: Option<&'a str>,
}

/// Why a websocket is not authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthoriseError {
    /// The token is refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is for another device.
    #[error("the token is of another device")]
    DeviceMismatch,
    /// The `halfRef` has opened a socket before.
    #[error("the halfRef has opened a socket before")]
    HalfRefSpent,
    /// The `halfRef` is another device's.
    #[error("the halfRef is another device's")]
    HalfRefForeign,
    /// The device is above its rate; the next request is within it after this wait.
    #[error("too many authorisations: wait {0:?}")]
    TooMany(Duration),
}

/// The result of redeeming a `halfRef`: the connection is the device's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The device of the authorisation.
    pub device: Arc<str>,
    /// The numbering of the messages to it.
    pub epoch: Arc<str>,
    /// The link that came with the authorisation.
    pub linkinjected: Option<Arc<str>>,
}

/// Why a `halfRef` opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum RedeemError {
    /// It was never authorised, or it is not remembered any more.
    #[error("the halfRef is unknown")]
    Unknown,
    /// It has opened a socket before.
    #[error("the halfRef has opened a socket before")]
    Spent,
    /// It was not redeemed in time.
    #[error("the authorisation has expired")]
    Expired,
    /// Its token was revoked.
    #[error("the authorisation was revoked")]
    Revoked,
    /// The event stream has no room for the device. The `halfRef` is not spent.
    #[error("no room for more events")]
    EventsFull,
    /// The operation has no outcome.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What is known of the acknowledgement of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The message is in the outbox.
    Pending,
    /// The device has acknowledged it.
    Acknowledged,
    /// It will not be known to be acknowledged: it expired, its record or epoch ended, or what
    /// became of it is not remembered any more.
    Never,
}

/// Names one connection of a device's socket.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectionId(pub Arc<str>);

impl ConnectionId {
    /// A random name: 22 characters.
    #[must_use]
    pub fn new() -> Self {
        Self(crate::new_id().into())
    }
}

impl Default for ConnectionId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Why the engine ends a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EndReason {
    /// A newer socket of the device took over.
    Superseded,
    /// Its token was revoked, or the device was disconnected.
    Revoked,
    /// Its token expired.
    TokenExpired,
    /// The gateway lost its connection to the engine for longer than its lease. Only the Redis
    /// engine gives this reason.
    LeaseExpired,
}

/// A message from the operator.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The recipient.
    pub device: &'a str,
    /// Its JSON, byte for byte.
    pub data: &'a str,
    /// How long it stays in the outbox, unless it is acknowledged.
    pub ttl: Duration,
    /// Makes a repeated request return the first answer.
    pub idempotency: Option<Idempotency>,
}

/// An idempotency key with the body that it stands for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Idempotency {
    /// The digest of the key.
    pub key: Digest,
    /// The digest of everything that must be the same in a repeated request.
    pub body: Digest,
}

/// The result of sending: a message that is in the outbox, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The numbering that `seq` is of.
    pub epoch: Arc<str>,
    /// The message's number.
    pub seq: u64,
    /// Whether the device had a socket when the message was queued.
    pub connected: bool,
    /// Whether the device has acknowledged the message.
    pub acknowledged: bool,
    /// How full the outbox is with the message; `None` where an earlier request queued it.
    pub outbox: Option<OutboxFill>,
}

/// Why a message is not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// There is no record of the device.
    #[error("the device is unknown")]
    UnknownDevice,
    /// The outbox is full; its first message expires after this wait.
    #[error("the outbox is full: wait {0:?}")]
    OutboxFull(Duration),
    /// The event stream has no room for the `expired` event that the message may cause.
    #[error("no room for more events")]
    EventsFull,
    /// The key is remembered with another body.
    #[error("the key was used for another message")]
    KeyReused,
    /// There are [`crate::Limits::idempotency_keys`] keys; the first is forgotten after this wait.
    #[error("no room for another key: wait {0:?}")]
    KeysFull(Duration),
    /// The operation has no outcome.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A message in an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub seq: u64,
    /// Its JSON, byte for byte.
    pub data: Arc<str>,
}

/// Why an operation of a socket fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SocketError {
    /// The connection is not, or no longer, the device's socket.
    #[error("the connection is not the device's socket")]
    Stale,
    /// The event stream has no room for the device. Nothing was changed.
    #[error("no room for more events")]
    EventsFull,
    /// The operation has no outcome.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why events are not dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReleaseError {
    /// Another event stream has begun.
    #[error("another event stream has begun")]
    OtherStream,
    /// The operation has no outcome.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The state of a device, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceState {
    /// The device's name.
    pub device: Arc<str>,
    /// Its socket, if it has one.
    pub socket: Option<SocketState>,
    /// The number of messages in its outbox.
    pub unacknowledged: usize,
    /// What the device has said of itself: JSON, byte for byte.
    pub device_data: Option<Arc<str>>,
    /// When the device was last there: now where it has a socket, otherwise when that ended or when it
    /// last got a token that it asked for. `None` where it never was there, because the operator
    /// asked for its token.
    pub last_seen: Option<Millis>,
}

/// The state of a socket, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketState {
    /// Names the connection.
    pub connection: ConnectionId,
    /// When it opened.
    pub since: Millis,
    /// The link that came with its authorisation.
    pub linkinjected: Option<Arc<str>>,
}

/// Why an operation has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum EngineError {
    /// The engine cannot serve the operation. Nothing was changed.
    #[error("the engine is unavailable")]
    Unavailable,
    /// The engine did not confirm the operation in time. It may have happened. Operations that change
    /// nothing do not have this error.
    #[error("the engine did not confirm the operation")]
    OutcomeUnknown,
}

impl AuthoriseError {
    /// Why the operation has no outcome, where it has none.
    #[must_use]
    pub const fn engine(self) -> Option<EngineError> {
        match self {
            Self::Token(TokenError::Engine(error)) => Some(error),
            _ => None,
        }
    }
}

impl From<EngineError> for AuthoriseError {
    fn from(error: EngineError) -> Self {
        Self::Token(error.into())
    }
}
