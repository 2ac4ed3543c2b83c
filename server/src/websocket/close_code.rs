//! The close codes: which reason has which, and what each asks of the client.

use std::time::Duration;

use engine::{EndReason, RedeemError};

use crate::registry::CloseRequest;

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $code:ident $number:literal $reason:literal $retry:expr;)+) => {
        /// The codes with which the gateway closes a socket.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CloseCode { $($(#[doc = $doc])+ $code,)+ }

        impl CloseCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// Why the gateway closes with it, in a sentence of the contract.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$code => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$code => $number,)+ }
            }

            /// The reason on the wire.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$code => $reason,)+ }
            }

            /// The shortest time until the client should reconnect; `None` where it should not by
            /// itself.
            const fn retry_after(self) -> Option<Duration> {
                match self { $(Self::$code => $retry,)+ }
            }
        }
    };
}

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const SOON: Option<Duration> = Some(Duration::from_secs(1));
const NEVER: Option<Duration> = None;

close_codes! {
    /// The client breaks RFC 6455.
    Protocol 1002 "protocol error" NEVER;
    /// The client sends a binary frame.
    Binary 1003 "text frames only" NEVER;
    /// The client sends text that is not UTF-8.
    NotUtf8 1007 "not UTF-8" NEVER;
    /// The client sends a message over the limit.
    TooBig 1009 "message too big" NEVER;
    /// The client sends a text that is no frame of the contract.
    BadFrame 4000 "bad frame" NEVER;
    /// The `halfRef` has opened a socket before.
    Spent 4001 "half ref spent" AT_ONCE;
    /// The `halfRef` was not redeemed in time.
    Expired 4002 "half ref expired" AT_ONCE;
    /// The token was revoked, or the device was disconnected.
    Revoked 4003 "revoked" NEVER;
    /// A newer socket of the device replaces this one.
    Superseded 4004 "superseded" NEVER;
    /// The client sends above its rate for 10 seconds.
    TooFast 4101 "too fast" SOON;
    /// The client does not read what is sent to it.
    TooSlow 4102 "too slow" SOON;
    /// The engine is unavailable.
    EngineUnavailable 4103 "engine away" SOON;
    /// The gateway shuts down.
    Draining 4200 "draining" SOON;
    /// The client did not answer a ping in time.
    NoPong 4201 "no pong" AT_ONCE;
    /// The token expired.
    TokenExpired 4202 "token ended" AT_ONCE;
}

impl From<EndReason> for CloseCode {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Superseded => Self::Superseded,
            EndReason::Revoked => Self::Revoked,
            EndReason::TokenExpired => Self::TokenExpired,
            EndReason::LeaseExpired => Self::EngineUnavailable,
        }
    }
}

impl From<CloseRequest> for CloseCode {
    fn from(request: CloseRequest) -> Self {
        match request {
            CloseRequest::Engine(reason) => reason.into(),
            CloseRequest::Draining => Self::Draining,
        }
    }
}

impl CloseCode {
    /// The code for a `halfRef` that is known and cannot be redeemed any more; `None` for the errors
    /// that refuse the handshake.
    #[must_use]
    pub fn of_dead_half_ref(error: RedeemError) -> Option<Self> {
        match error {
            RedeemError::Unknown | RedeemError::EventsFull | RedeemError::Engine(_) => None,
            RedeemError::Spent => Some(Self::Spent),
            RedeemError::Expired => Some(Self::Expired),
            RedeemError::Revoked => Some(Self::Revoked),
        }
    }

    /// Whether the client should reconnect by itself.
    #[must_use]
    pub fn allows_reconnect(self) -> bool {
        self.retry_after().is_some()
    }

    /// When this client should reconnect, in milliseconds: one to three times the shortest time, at
    /// random, so that clients that are closed together do not reconnect together.
    #[must_use]
    pub fn retry_after_ms(self) -> Option<u64> {
        let shortest = u64::try_from(self.retry_after()?.as_millis()).unwrap_or(u64::MAX);
        let spread = getrandom::u64().unwrap_or_default() % (2 * shortest + 1);
        Some(shortest + spread)
    }

    /// Whether a `bye` frame precedes the close frame. The codes below 4000 are RFC 6455's own and
    /// have none; a client that does not read cannot be notified.
    #[must_use]
    pub fn has_bye(self) -> bool {
        self.number() >= 4000 && self != Self::TooSlow
    }
}
