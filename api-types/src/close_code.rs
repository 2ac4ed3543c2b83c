//! The close codes that a client can meet on its socket, and what each asks of the client.

use std::time::Duration;

use serde::Serialize;

/// The delay before a client reconnects without a `bye` frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackOff {
    /// The delay before the first attempt, in milliseconds.
    pub first_ms: u64,
    /// What each further attempt multiplies the delay by.
    pub factor: u64,
    /// The longest delay, in milliseconds.
    pub max_ms: u64,
    /// The part of each delay that is random, so that clients that lost their sockets together do not
    /// reconnect together.
    pub jitter: f64,
    /// How long a socket has to stay open, in milliseconds, until the next delay is the first one again.
    pub reset_after_ms: u64,
}

/// The delays of every client of this gateway.
pub const BACK_OFF: BackOff =
    BackOff { first_ms: 1000, factor: 2, max_ms: 30_000, jitter: 0.5, reset_after_ms: 30_000 };

/// Whether and when a client reconnects by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It does not.
    Never,
    /// After the time in the `bye` frame, which the gateway draws from this range. A client that got no
    /// `bye` backs off.
    AfterBye {
        /// The shortest time, in milliseconds. The longest is three times as long.
        least_ms: u64,
    },
    /// After the delays of [`BACK_OFF`].
    BackOff,
}

impl Policy {
    /// The name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AfterBye { .. } => "after-bye",
            Self::BackOff => "back-off",
        }
    }

    /// The shortest and the longest time that a `bye` frame names, in milliseconds.
    #[must_use]
    pub const fn retry_after_ms(self) -> Option<(u64, u64)> {
        match self {
            Self::AfterBye { least_ms } => Some((least_ms, 3 * least_ms)),
            Self::Never | Self::BackOff => None,
        }
    }
}

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $code:ident $number:literal $reason:literal $policy:expr;)+) => {
        /// The codes that a client can meet. The gateway sends those from 4000 and, where a client breaks
        /// a rule of websockets, those of RFC 6455; the others come from elsewhere.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CloseCode { $($(#[doc = $doc])+ $code,)+ }

        impl CloseCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// When it comes, in a sentence of the contract, which shows limits in place of their names.
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

            /// Whether and when the client reconnects by itself.
            #[must_use]
            pub const fn policy(self) -> Policy {
                match self { $(Self::$code => $policy,)+ }
            }
        }
    };
}

/// How long a client may send above its rate. Until then the gateway reads slower.
pub const RATE_TOLERANCE: Duration = Duration::from_secs(10);

const NEVER: Policy = Policy::Never;
const BACKS_OFF: Policy = Policy::BackOff;
const AT_ONCE: Policy = Policy::AfterBye { least_ms: 0 };
const SOON: Policy = Policy::AfterBye { least_ms: 1000 };

close_codes! {
    /// The client closed the socket.
    Normal 1000 "" NEVER;
    /// A proxy between client and gateway shuts down.
    GoingAway 1001 "" BACKS_OFF;
    /// The client breaks RFC 6455.
    Protocol 1002 "protocol error" NEVER;
    /// The client sends a binary frame.
    Binary 1003 "text frames only" NEVER;
    /// No close frame came: the connection was lost, or the handshake was refused. A script in a browser
    /// cannot tell which; the log of the gateway can.
    Lost 1006 "" BACKS_OFF;
    /// The client sends text that is not UTF-8.
    NotUtf8 1007 "not UTF-8" NEVER;
    /// The client sends a message over the limit.
    TooBig 1009 "message too big" NEVER;
    /// A proxy between client and gateway failed.
    ProxyFailed 1011 "" BACKS_OFF;
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
    /// The client sends above its rate for [`RATE_TOLERANCE`].
    TooFast 4101 "too fast" SOON;
    /// The client does not read what is sent to it.
    TooSlow 4102 "too slow" BACKS_OFF;
    /// The engine is unavailable.
    EngineUnavailable 4103 "engine away" SOON;
    /// The gateway shuts down.
    Draining 4200 "draining" SOON;
    /// The client did not answer a ping in time.
    NoPong 4201 "no pong" AT_ONCE;
    /// The token expired.
    TokenExpired 4202 "token ended" AT_ONCE;
}

impl CloseCode {
    /// Whether a `bye` frame precedes the close frame. The codes below 4000 are RFC 6455's own and
    /// have none; a client that does not read cannot be notified.
    #[must_use]
    pub fn has_bye(self) -> bool {
        self.number() >= 4000 && self != Self::TooSlow
    }

    /// Whether the client should reconnect by itself.
    #[must_use]
    pub fn allows_reconnect(self) -> bool {
        self.policy() != Policy::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_rise() {
        assert!(CloseCode::ALL.is_sorted_by_key(|code| code.number()));
    }

    #[test]
    fn a_client_waits_only_for_a_bye_that_comes() {
        for code in CloseCode::ALL {
            let waits = matches!(code.policy(), Policy::AfterBye { .. });
            assert!(code.has_bye() || !waits, "{code:?}");
        }
    }
}
