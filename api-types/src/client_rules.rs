//! The rules that a client on the socket follows, as numbers and sentences of the contract.

use serde::Serialize;

use crate::{
    close_code::{BACK_OFF, BackOff, Policy},
    frame::MAX_UNACCEPTED,
};

/// How often the gateway pings a socket by default, in seconds.
pub const DEFAULT_HEARTBEAT_SECONDS: u64 = 25;

/// What a client does beyond sending and reading single frames.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientRules {
    /// When and how to come back.
    pub reconnecting: Reconnecting,
    /// How to notice a connection that was lost in silence.
    pub ping: Ping,
    /// What to keep across restarts of the client.
    pub persist: Vec<Persisted>,
    /// What to send again.
    pub resending: Resending,
}

/// When and how a client comes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconnecting {
    /// The rule, in words.
    pub description: &'static str,
    /// The policy for a code that is not in the list of close codes.
    pub unknown_code: &'static str,
    /// The delays of the policy `back-off`.
    pub back_off: BackOff,
}

/// How a client notices that the connection is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ping {
    /// The rule, in words.
    pub description: &'static str,
    /// How long to receive nothing before a `ping` frame, in milliseconds, where `hello` did not say
    /// otherwise in `heartbeat`.
    pub interval_ms: u64,
    /// How long to wait for any frame after a `ping` frame, in milliseconds.
    pub timeout_ms: u64,
}

/// Something that a client keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Persisted {
    /// Its name.
    pub what: &'static str,
    /// What for, and until when.
    pub why: &'static str,
}

/// What a client sends again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resending {
    /// The rule, in words.
    pub description: &'static str,
    /// How many messages may be sent and not accepted at a time.
    pub max_unaccepted: u32,
}

impl ClientRules {
    /// The rules of this version of the contract.
    #[must_use]
    pub fn current() -> Self {
        Self {
            reconnecting: Reconnecting {
                description: "Look the code of the close up in `x-close-codes`. `never`: do not \
                    reconnect by itself. `after-bye`: wait for `retryAfterMs` of the `bye` frame. \
                    `back-off`, and `after-bye` where no `bye` came: wait for `firstMs`, multiplied by \
                    `factor` for each attempt since a socket last stayed open for `resetAfterMs`, at \
                    most `maxMs`; of that the part `jitter` at random. An attempt after a failed one \
                    waits for the longer of the two. Then authorise with a new `halfRef`.",
                unknown_code: Policy::BackOff.name(),
                back_off: BACK_OFF,
            },
            ping: Ping {
                description: "A script in a browser sees no websocket pings. When nothing arrived for \
                    `heartbeat` seconds of the `hello` frame, send a `ping` frame; when nothing arrives \
                    for `timeoutMs` after it, the connection is lost: close the socket and treat it as \
                    1006.",
                interval_ms: DEFAULT_HEARTBEAT_SECONDS * 1000,
                timeout_ms: 10_000,
            },
            persist: vec![
                Persisted {
                    what: "deviceTag",
                    why: "The name of the device. Another one is another prospect.",
                },
                Persisted {
                    what: "token",
                    why: "The newest token, also after it expired: only it gets the next one of a \
                        claimed device.",
                },
                Persisted {
                    what: "Idempotency-Key of requestToken",
                    why: "Until the token of that request was used, so that a lost response can be \
                        fetched again.",
                },
                Persisted {
                    what: "epoch and the last processed seq",
                    why: "To drop a message that arrives again. Store it together with the effect of \
                        the message, and acknowledge after that.",
                },
                Persisted {
                    what: "unaccepted messages, id and data",
                    why: "To send them again after a restart, with the same ids and in the same order.",
                },
            ],
            resending: Resending {
                description: "On each new socket, after `hello`, send every message that was not \
                    accepted again, in order, with its old `id`, and before any new one. Send no more \
                    than `maxUnaccepted` before one is accepted.",
                max_unaccepted: MAX_UNACCEPTED,
            },
        }
    }
}
