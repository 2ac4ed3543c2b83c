//! The close codes, and what each asks of the client (`retryAfterMs` says when).

use std::time::Duration;

use engine::{EndReason, RedeemError};

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $code:ident $number:literal $reason:literal $retry:expr;)+) => {
        /// Why the gateway closes a socket.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CloseCode { $($(#[doc = $doc])+ $code,)+ }

        impl CloseCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// Why it is given, in a sentence.
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

            /// How long the client should wait at least; `None` where it should not come back by
            /// itself.
            const fn wait(self) -> Option<Duration> {
                match self { $(Self::$code => $retry,)+ }
            }
        }
    };
}

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const SOON: Option<Duration> = Some(Duration::from_secs(1));
const NEVER: Option<Duration> = None;

close_codes! {
    /// The peer breaks RFC 6455.
    Protocol 1002 "protocol error" NEVER;
    /// The peer sends binary frames.
    Binary 1003 "text frames only" NEVER;
    /// The peer sends text that is not UTF-8.
    NotUtf8 1007 "not UTF-8" NEVER;
    /// The peer sends a message over the limit.
    TooBig 1009 "message too big" NEVER;
    /// The peer sends a frame that is not of the contract.
    BadFrame 4000 "bad frame" NEVER;
    /// The `halfRef` has opened a socket before.
    Spent 4001 "half ref spent" AT_ONCE;
    /// The `halfRef` was not redeemed in time.
    Expired 4002 "half ref expired" AT_ONCE;
    /// The token was revoked.
    Revoked 4003 "revoked" NEVER;
    /// A newer socket of the device took over.
    Superseded 4004 "superseded" NEVER;
    /// The peer says more than its rate, for a while.
    TooFast 4101 "too fast" SOON;
    /// The peer does not take what is sent to it.
    TooSlow 4102 "too slow" SOON;
    /// The engine cannot be reached.
    EngineAway 4103 "engine away" SOON;
    /// The gateway is going away.
    Draining 4200 "draining" SOON;
    /// The peer did not answer a ping.
    NoPong 4201 "no pong" AT_ONCE;
    /// The token's lifetime is over.
    TokenEnded 4202 "token ended" AT_ONCE;
}

impl From<EndReason> for CloseCode {
    fn from(ending: EndReason) -> Self {
        match ending {
            EndReason::Superseded => Self::Superseded,
            EndReason::Revoked => Self::Revoked,
            EndReason::TokenExpired => Self::TokenEnded,
            EndReason::LeaseExpired => Self::EngineAway,
        }
    }
}

impl CloseCode {
    /// The code for a `halfRef` that is known and opens nothing; `None` for one that is not known.
    #[must_use]
    pub fn of_dead_half_ref(error: RedeemError) -> Option<Self> {
        match error {
            RedeemError::Unknown | RedeemError::EventsFull | RedeemError::Unavailable => None,
            RedeemError::Spent => Some(Self::Spent),
            RedeemError::Expired => Some(Self::Expired),
            RedeemError::Revoked => Some(Self::Revoked),
        }
    }

    /// Whether the client should come back by itself.
    #[must_use]
    pub fn invites(self) -> bool {
        self.wait().is_some()
    }

    /// How long this client should wait, in milliseconds: spread, so that not all come back at
    /// the same instant.
    #[must_use]
    pub fn retry_after_ms(self) -> Option<u64> {
        let wait = u64::try_from(self.wait()?.as_millis()).unwrap_or(u64::MAX);
        let spread = getrandom::u64().unwrap_or_default() % (2 * wait + 1);
        Some(wait + spread)
    }

    /// Whether a `bye` frame goes before the close: the codes below 4000 are the RFC's own, and who
    /// reads nothing cannot be told.
    #[must_use]
    pub fn says_bye(self) -> bool {
        self.number() >= 4000 && self != Self::TooSlow
    }
}
