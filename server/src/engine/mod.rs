//! What the gateway remembers of devices, tokens, authorisations and sockets, behind one trait.
//!
//! Each action is one atomic step. The engine knows neither HTTP nor websockets: whoever holds the
//! sockets tells it what happens and hears through [`Sockets`] what must end.

pub mod embedded;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;

pub use crate::secret::Digest;

/// A point in time, in milliseconds since the Unix epoch.
pub type Millis = u64;

/// Where an engine takes the time from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Millis;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        millis(since)
    }
}

/// A duration as an engine counts it.
#[must_use]
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// The limits and lifetimes that an engine keeps.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// How long a token lives.
    pub token_ttl: Duration,
    /// How long an authorisation waits to be redeemed.
    pub authorisation_ttl: Duration,
    /// How long a spent or dead `halfRef` is remembered.
    pub half_ref_memory: Duration,
    /// How long a device's record outlives its last token, socket and message.
    pub record_ttl: Duration,
    /// Devices known at a time.
    pub devices: usize,
    /// Open authorisations per device.
    pub open_authorisations: usize,
    /// Authorisations per second and device.
    pub authorisations_per_second: u32,
    /// Live tokens of the test channel per device; the oldest makes room for the newest.
    pub test_tokens: usize,
    /// Spent and dead `halfRef`s remembered at a time; the oldest makes room for the newest.
    pub remembered_half_refs: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            token_ttl: Duration::from_secs(24 * 60 * 60),
            authorisation_ttl: Duration::from_secs(30),
            half_ref_memory: Duration::from_secs(10 * 60),
            record_ttl: Duration::from_secs(24 * 60 * 60),
            devices: 1_000_000,
            open_authorisations: 3,
            authorisations_per_second: 10,
            test_tokens: 8,
            remembered_half_refs: 1_000_000,
        }
    }
}

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
    pub linkinjected: Option<Box<str>>,
}

/// Why a `halfRef` opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedeemError {
    /// No authorisation waits under it, and none did lately.
    Unknown,
    /// It has opened a socket before.
    Spent,
    /// It was not redeemed in time.
    Expired,
    /// Its token was revoked.
    Revoked,
    /// The engine cannot be reached.
    Unavailable,
}

/// Names one connection of a device's socket.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub Arc<str>);

impl ConnectionId {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self(crate::secret::new_id().into())
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A newer socket of the device took over.
    Superseded,
    /// Its token or its device's record was ended.
    Revoked,
    /// Its token's lifetime is over.
    TokenEnded,
}

/// Whoever holds the sockets, as the engine sees them.
pub trait Sockets: Send + Sync {
    /// The connection, if it is held here, must end. Called inside an engine's step: it returns at
    /// once and calls no engine.
    fn end(&self, connection: &ConnectionId, ending: Ending);
}

/// The engine cannot be reached; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// What the gateway remembers. The caller makes every secret and hands over its digest.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Gives `token` to `device`, by the rules of channel and claim.
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        token: &Digest,
    ) -> Result<(), RequestTokenError>;

    /// Whether a token is good, without using it.
    async fn check_token(&self, token: &Digest) -> Result<(), TokenError>;

    /// Ends a token, its open authorisations and its socket; a claim's token ends the device's
    /// record. An unknown token is no error, so that this can be repeated.
    async fn revoke_token(&self, token: &Digest) -> Result<(), Unavailable>;

    /// Has a websocket wait for its `halfRef`.
    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError>;

    /// Redeems a `halfRef`: spends it, makes `connection` the device's socket and ends the socket
    /// before it.
    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError>;

    /// The connection is gone. A connection that is not the device's socket any more is no error.
    async fn close(&self, device: &str, connection: &ConnectionId) -> Result<(), Unavailable>;

    /// Ends what is due by now. Called every second or so; the work is in proportion to what is
    /// due, not to what is known.
    async fn expire(&self) -> Result<(), Unavailable>;

    /// Whether the engine can do its work.
    async fn ready(&self) -> Result<(), Unavailable>;
}
