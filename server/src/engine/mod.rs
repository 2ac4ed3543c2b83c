//! What the gateway remembers of devices, tokens, authorisations and sockets, behind one trait.
//!
//! Each action is one atomic step. The engine knows neither HTTP nor websockets: whoever holds the
//! sockets tells it what happens and hears through [`Sockets`] what must end.

mod actions;
pub mod embedded;
pub mod redis;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;

pub use self::actions::*;
pub use crate::secret::Digest;

/// A point in time, in milliseconds since the Unix epoch.
pub type Millis = u64;

/// Where an engine takes the time from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Millis;
}

/// The machine's clock as it stood at the start, and the time since: it never goes back and never
/// jumps.
pub struct SystemClock {
    started_at: Millis,
    started: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_at: millis(since_epoch), started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        self.started_at + millis(self.started.elapsed())
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
    /// Messages in a device's outbox.
    pub outbox_messages: usize,
    /// Bytes of messages in a device's outbox.
    pub outbox_bytes: usize,
    /// Ids of accepted messages remembered per device.
    pub remembered_ids: usize,
    /// How long an idempotency key is remembered.
    pub idempotency_memory: Duration,
    /// Idempotency keys remembered per device.
    pub idempotency_keys: usize,
    /// How long an event is kept.
    pub event_ttl: Duration,
    /// Bytes of events kept.
    pub event_bytes: usize,
    /// Bytes of events kept of one device.
    pub event_bytes_per_device: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            token_ttl: Duration::from_hours(24),
            authorisation_ttl: Duration::from_secs(30),
            half_ref_memory: Duration::from_mins(10),
            record_ttl: Duration::from_hours(24),
            devices: 1_000_000,
            open_authorisations: 3,
            authorisations_per_second: 10,
            test_tokens: 8,
            remembered_half_refs: 1_000_000,
            outbox_messages: 1000,
            outbox_bytes: 1024 * 1024,
            remembered_ids: 256,
            idempotency_memory: Duration::from_hours(24),
            idempotency_keys: 10_000,
            event_ttl: Duration::from_hours(24),
            event_bytes: 1024 * 1024 * 1024,
            event_bytes_per_device: 1024 * 1024 * 1024 / 100,
        }
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

impl Ending {
    /// The code that the contract closes such a socket with.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Revoked => 4003,
            Self::Superseded => 4004,
            Self::TokenEnded => 4202,
        }
    }
}

/// Whoever holds the sockets and the event streams, as the engine sees them. Called before the step
/// is answered that it is about: each returns at once and calls no engine.
pub trait Sockets: Send + Sync {
    /// The connection, if it is held here, must end.
    fn end(&self, connection: &ConnectionId, ending: Ending);

    /// There is something new in the outbox of the connection's device.
    fn queued(&self, connection: &ConnectionId);

    /// The device has acknowledged messages.
    fn acknowledged(&self, device: &str);

    /// There are new events.
    fn happened(&self);

    /// The engine does not hold the connection any more, which must end if it is held here: the
    /// gateway was out of touch for too long. An engine that cannot lose touch never says so.
    fn lose(&self, _connection: &ConnectionId) {}

    /// Acknowledgements and events may have gone by untold: who waits for some looks again. An
    /// engine that cannot lose touch never says so.
    fn missed(&self) {}
}

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

    /// The connection is gone, closed with `code` if it was closed. A connection that is not the
    /// device's socket any more is no error.
    async fn close(
        &self,
        device: &str,
        connection: &ConnectionId,
        code: Option<u16>,
    ) -> Result<(), Unavailable>;

    /// Puts a message into a device's outbox.
    async fn send(&self, message: Outgoing<'_>) -> Result<Sent, SendError>;

    /// Whether a message of this numbering is acknowledged. Of another numbering none is.
    async fn is_acknowledged(
        &self,
        device: &str,
        epoch: &str,
        seq: u64,
    ) -> Result<bool, Unavailable>;

    /// The messages after `after` that wait in the outbox: at least one, if there are any, and then
    /// up to so many bytes.
    async fn outbox(
        &self,
        device: &str,
        connection: &ConnectionId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError>;

    /// The prospect has processed everything up to `seq`.
    async fn acknowledge(
        &self,
        device: &str,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<(), SocketError>;

    /// Puts a prospect's message into the event stream, unless one of this id is there already.
    async fn accept(
        &self,
        device: &str,
        connection: &ConnectionId,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError>;

    /// What is known of a device; `None` where there is no record of it.
    async fn device(&self, device: &str) -> Result<Option<DeviceState>, Unavailable>;

    /// The devices with a socket, in the order of their names, after `after`.
    async fn connected(&self, after: &str, limit: usize) -> Result<Vec<DeviceState>, Unavailable>;

    /// Ends all that is kept for a device. A device that is not known is no error.
    async fn forget(&self, device: &str) -> Result<(), Unavailable>;

    /// Names the event stream: the numbers of another stream mean nothing in this one.
    async fn stream(&self) -> Result<Arc<str>, Unavailable>;

    /// The events from number `from` on: up to so many.
    async fn events(&self, from: u64, limit: usize) -> Result<Events, Unavailable>;

    /// The operator has dealt with all events up to number `through`.
    async fn release(&self, through: u64) -> Result<(), Unavailable>;

    /// Ends what is due by now. Called every second or so; the work is in proportion to what is
    /// due, not to what is known.
    async fn expire(&self) -> Result<(), Unavailable>;

    /// Whether the engine can do its work.
    async fn ready(&self) -> Result<(), Unavailable>;

    /// The last word, when the gateway ends. Whoever takes a step after it is told that the engine
    /// is away.
    async fn end(&self);
}
