//! What the engine's actions take and give.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Digest, Millis};

/// Who asks for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester<'a> {
    /// A prospect through a channel that claims; with the token it showed, if any.
    Claim(Option<&'a Digest>),
    /// A prospect through the test channel.
    Test,
    /// The operator, for whoever claims the device.
    Operator,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestTokenError {
    /// The device is claimed, and the newest token was not shown.
    DeviceClaimed,
    /// No room for another device.
    DevicesFull,
    /// The engine cannot be reached.
    Unavailable,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Never given, revoked or replaced.
    Unknown,
    /// Its lifetime is over.
    Expired,
    /// The engine cannot be reached.
    Unavailable,
}

/// One request to authorise a websocket.
#[derive(Debug, Clone, Copy)]
pub struct Authorisation<'a> {
    /// The token that was shown.
    pub token: &'a Digest,
    /// The device that was named.
    pub device: &'a str,
    /// The one-use secret that will open the socket.
    pub half_ref: &'a Digest,
    /// An opaque link to another user.
    pub linkinjected: Option<&'a str>,
}

/// Why a websocket is not authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthoriseError {
    /// The token is refused.
    Token(TokenError),
    /// The token is for another device.
    DeviceMismatch,
    /// The `halfRef` has opened a socket before.
    HalfRefSpent,
    /// The `halfRef` is another device's.
    HalfRefForeign,
    /// The device asks too often; wait this long.
    TooMany(Duration),
    /// As many authorisations are open as may be; the first ends in this long.
    Full(Duration),
}

/// A socket that was authorised and is now this connection's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The device at the other end.
    pub device: Arc<str>,
    /// The numbering of the messages to it.
    pub epoch: Arc<str>,
    /// The link that came with the authorisation.
    pub linkinjected: Option<Arc<str>>,
}

/// Why a `halfRef` opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedeemError {
    /// No authorisation waits under it, and none did lately.
    Unknown,
    /// It has opened a socket before.
    Spent,
    /// It was not redeemed in time.
    Expired,
    /// Its token was revoked.
    Revoked,
    /// The event stream has no room for what the socket would say. Nothing was spent.
    EventsFull,
    /// The engine cannot be reached.
    Unavailable,
}

/// Names one connection of a device's socket.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectionId(pub Arc<str>);

impl ConnectionId {
    /// A new one.
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
    /// The gateway was out of touch with the engine for longer than its lease. An engine that cannot
    /// lose its connection never gives this reason.
    LeaseExpired,
}

/// A message that the operator sends.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The device that it is for.
    pub device: &'a str,
    /// Its JSON, byte for byte.
    pub data: &'a str,
    /// How long it waits for the prospect.
    pub ttl: Duration,
    /// What tells a repeated request from a new one.
    pub idempotency: Option<Idempotency>,
}

/// A request's key and what it must be the same for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Idempotency {
    /// The key.
    pub key: Digest,
    /// The body.
    pub body: Digest,
}

/// A message that is in the outbox, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The numbering that `seq` is of.
    pub epoch: Arc<str>,
    /// The message's number.
    pub seq: u64,
    /// Whether the device has a socket.
    pub connected: bool,
    /// Whether the device has acknowledged the message.
    pub acknowledged: bool,
}

/// Why a message is not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// There is no record of the device.
    UnknownDevice,
    /// The outbox is full; its first message ends in this long.
    OutboxFull(Duration),
    /// The key was used for another body.
    KeyReused,
    /// No more keys are remembered; the first is forgotten in this long.
    KeysFull(Duration),
    /// The engine cannot be reached.
    Unavailable,
}

/// A message in an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub seq: u64,
    /// Its JSON.
    pub data: Arc<str>,
}

/// Why a socket's action is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketError {
    /// The connection is not the device's socket any more.
    Stale,
    /// The event stream has no room; nothing was changed.
    EventsFull,
    /// The engine cannot be reached.
    Unavailable,
}

/// What an operator reads of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceState {
    /// Its name.
    pub device: Arc<str>,
    /// Its socket.
    pub socket: Option<SocketState>,
    /// Messages that it has not acknowledged.
    pub unacknowledged: usize,
}

/// What an operator reads of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketState {
    /// Names the connection.
    pub connection: ConnectionId,
    /// When it opened.
    pub since: Millis,
    /// The link that came with its authorisation.
    pub linkinjected: Option<Arc<str>>,
}

/// The engine cannot be reached. Nothing was changed, or it did not say in time what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

impl From<Unavailable> for RequestTokenError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<Unavailable> for TokenError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<Unavailable> for AuthoriseError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Token(unavailable.into())
    }
}

impl From<Unavailable> for RedeemError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<Unavailable> for SendError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<Unavailable> for SocketError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}
