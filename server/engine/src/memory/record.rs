//! What is remembered of one device, one token and one `halfRef`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::outbox::Conversation;
use crate::{ConnectionId, Digest, EventData, Millis, RateState, RedeemError};

/// All that is remembered of one device.
pub struct Record {
    /// Names the numbering of the messages to the device.
    pub epoch: Arc<str>,
    pub holder: Holder,
    /// What the device has said of itself: JSON, byte for byte.
    pub device_data: Option<Arc<str>>,
    /// When the device last got a token that it asked for, or its socket ended, by the wall clock;
    /// `None` where neither has happened yet.
    pub last_seen: Option<Millis>,
    /// The `halfRef`s that can be redeemed, the oldest first.
    pub pending: Vec<Digest>,
    pub socket: Option<Socket>,
    /// `None` until the first message in either direction: most devices never have one.
    pub conversation: Option<Box<Conversation>>,
    /// When the record expires; one with a socket is extended then.
    pub expires: Millis,
    /// The device's use of its rate of authorisations. Not in the journal: a restart resets it.
    pub authorisations: RateState,
}

impl Record {
    /// Removes a `halfRef` that cannot be redeemed any more. Without one, as most devices with a
    /// socket are, the record holds no memory for them.
    pub fn remove_pending(&mut self, half_ref: &Digest) {
        self.pending.retain(|pending| pending != half_ref);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
    }

    /// The bytes of the `expired` event of one of the device's messages.
    pub fn expired_size(&self, device: &str) -> usize {
        EventData::Expired { epoch: Arc::clone(&self.epoch), seq: 0 }.size(device, None)
    }

    /// The bytes of the events that the record is certain to cause.
    pub fn reserved(&self, device: &str) -> usize {
        let queued = self.conversation.as_ref().map_or(0, |it| it.unacknowledged());
        let socket = self.socket.as_ref().map_or(0, |socket| socket.disconnected_size(device));
        queued * self.expired_size(device) + socket
    }
}

impl Socket {
    /// The bytes of the `disconnected` event of the device's socket.
    pub fn disconnected_size(&self, device: &str) -> usize {
        EventData::Disconnected { cause: None }.size(device, Some(&self.connection))
    }
}

/// Whose tokens speak for a device.
pub enum Holder {
    /// Tokens of the test channel, the oldest first. Each of them is good.
    Test(Vec<Digest>),
    /// The tokens of the claim, the oldest first and at least one. The first is one that the device
    /// is known to have; the others are unused, because their responses can be lost or still under
    /// way. The first use of one of them ends all others.
    Claim(Vec<Digest>),
}

impl Holder {
    /// The tokens, the oldest first.
    pub fn tokens(&self) -> &[Digest] {
        let (Self::Test(tokens) | Self::Claim(tokens)) = self;
        tokens
    }
}

/// A token, live or expired.
pub struct Token {
    pub device: Arc<str>,
    pub expires: Millis,
    /// The idempotency key of the request that got it; `None` once the token was used.
    pub key: Option<Digest>,
}

/// The socket of a device.
#[derive(Clone, Serialize, Deserialize)]
pub struct Socket {
    pub connection: ConnectionId,
    /// By the wall clock.
    pub since: Millis,
    pub linkinjected: Option<Arc<str>>,
    /// The token whose end closes the socket.
    pub token: Digest,
}

/// A `halfRef` that can be redeemed, or is remembered for a while afterwards.
#[derive(Clone, Serialize, Deserialize)]
pub struct HalfRef {
    pub device: Arc<str>,
    pub state: HalfRefState,
    /// When it stops being redeemable, or remembered.
    pub expires: Millis,
    /// Rises with each authorisation, so that the older of two is known.
    pub order: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub enum HalfRefState {
    /// It can be redeemed while `token` lives.
    Pending { token: Digest, linkinjected: Option<Arc<str>> },
    /// It cannot be redeemed any more.
    Ended(RedeemError),
}
