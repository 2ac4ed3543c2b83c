//! The protocol between the functions in Lua and their caller in Rust.
//!
//! A call performs operations:
//!
//! ```text
//! FCALL <library>_<function> 1 <prefix> <clock> <gateway> <connection> <writes>
//!     <operation> <deadline> <count> <arguments>   for each operation
//! ```
//!
//! `operation.rs` lists the functions and their operations. Of the call are the time in milliseconds (empty:
//! Redis's own), the name of the gateway, the number of its connection, and how often it has written by its
//! own count; of an operation, the time by Redis's own clock after which it must not act, and the number of
//! its arguments. The reply is an array:
//!
//! | part | type | content |
//! |---|---|---|
//! | writes | integer | in how many calls the gateway has written by Redis's count |
//! | time | integer | the time by Redis's own clock, in milliseconds |
//! | notifications | string | what the calling gateway is notified of, in order, one a line |
//! | outcome, for each operation | string or array | a word (`ok` or why not), a word and values, or values alone; see below |
//!
//! An error in the place of an outcome is of that operation alone: `LATE` time says that its deadline had
//! passed. An error instead of a reply says that nothing was done: after `GATEWAY …` the gateway has to join
//! again. The outcomes:
//!
//! | operation | outcome |
//! |---|---|
//! | `request_token` | `ok`, `more`, `device-claimed`, `devices-full` |
//! | `check_token` | `ok`, `unknown`, `expired` |
//! | `authorise` | `ok`, `unknown`, `expired`, `device-mismatch`, `half-ref-foreign`, `half-ref-spent`, `too-many` µs, `full` ms |
//! | `check_authorisation` | as `authorise`, but for what is wrong with the `halfRef` |
//! | `point` | `ok` settles, `taken` partition settled |
//! | `pointed` | `ok` partition, `unknown` |
//! | `knows_half_ref` | `known`, `unknown` |
//! | `redeem` | `ok` device epoch link, `unknown`, `spent`, `expired`, `revoked`, `events-full` |
//! | `send` | `ok` epoch seq connected acknowledged \[messages bytes\], `unknown-device`, `outbox-full` ms, `events-full`, `key-reused`, `keys-full` ms |
//! | `outbox` | `ok` seq data seq data …, `more` seq data …, `stale` reason |
//! | `acknowledge` | `ok`, `more`, `stale` reason |
//! | `accept` | `ok`, `events-full`, `stale` reason |
//! | `acknowledgement` | `pending`, `acknowledged`, `never` |
//! | `device`, `connected` | for each device an array: device unacknowledged data last-seen \[connection since link\] |
//! | `events` | oldest next entries |
//! | `release` | `ok`, `more`, `other-stream` |
//! | `expire` | `ok`, `more` |
//! | `check_sockets` | for each connection `open`, `queued` or a reason |
//! | `list_sockets` | cursor device connection device connection … |
//! | `erase_record` | `ok` first-event last-event time, or `more`: repeat the call |
//! | `erase_events` | `ok`, or `more` number: continue from it |
//! | `erase_half_refs` | `ok`, or `more` cursor: continue from it |
//! | `disconnect`, `revoke_token`, `revoke_unconfirmed` | `ok`, or `more`: repeat the call |
//! | `close`, `leave`, `ready`, `settle` | `ok` |
//! | `stats` | devices connected queued events bytes reserved \[age\] |
//!
//! `join` has no gateway yet: its reply is stream, gateway and writes. A reason is a word of
//! [`reason`]. A link is stored after `=`, so that an empty one differs from none. Device data is empty
//! where there is none, as is the time when a device was last seen.
//!
//! Notifications for another gateway are published on its channel, one a line:
//!
//! | notification | effect |
//! |---|---|
//! | `heartbeat` | the channel works |
//! | `events` | [`EngineListener::events_appended`](crate::EngineListener::events_appended) |
//! | `settled` device | [`EngineListener::messages_settled`](crate::EngineListener::messages_settled) |
//! | `queued` connection | [`EngineListener::message_queued`](crate::EngineListener::message_queued) |
//! | `expired` count | [`EngineListener::messages_expired`](crate::EngineListener::messages_expired); for the caller alone |
//! | `end` reason connection | [`EngineListener::end`](crate::EngineListener::end) |

use std::{sync::Arc, time::Duration};

use redis::{RedisError, Value};

use crate::{EndReason, EngineError, Millis};

/// The number of the format in which the functions store data. It grows with each change after which they read
/// other keys or contents.
pub const FORMAT: u64 = 2;

/// The words for the reasons, with the names that Lua has for them.
pub const END_REASONS: [(&str, &str, EndReason); 4] = [
    ("superseded", "superseded", EndReason::Superseded),
    ("revoked", "revoked", EndReason::Revoked),
    ("token_expired", "token-expired", EndReason::TokenExpired),
    ("lease_expired", "lease-expired", EndReason::LeaseExpired),
];

/// The reason that this word stands for.
pub fn reason(word: &str) -> Option<EndReason> {
    END_REASONS.into_iter().find(|(_, known, _)| *known == word).map(|(.., reason)| reason)
}

const HEARTBEAT: &str = "heartbeat";
const EVENTS_APPENDED: &str = "events";
const MESSAGES_SETTLED: &str = "settled";
const MESSAGE_QUEUED: &str = "queued";
const MESSAGES_EXPIRED: &str = "expired";
const END_SOCKET: &str = "end";

/// The kinds of notifications, with the names that Lua has for them.
pub const NOTIFICATIONS: [(&str, &str); 6] = [
    ("heartbeat", HEARTBEAT),
    ("events_appended", EVENTS_APPENDED),
    ("messages_settled", MESSAGES_SETTLED),
    ("message_queued", MESSAGE_QUEUED),
    ("messages_expired", MESSAGES_EXPIRED),
    ("end_socket", END_SOCKET),
];

/// A notification.
#[derive(Debug, PartialEq, Eq)]
pub enum Notification<'a> {
    Heartbeat,
    EventsAppended,
    MessagesSettled { device: &'a str },
    MessageQueued { connection: &'a str },
    MessagesExpired { count: u64 },
    EndSocket { reason: EndReason, connection: &'a str },
}

impl<'a> Notification<'a> {
    /// Reads a notification; `None` where it is of no known kind.
    pub fn read(notification: &'a [u8]) -> Option<Self> {
        let notification = std::str::from_utf8(notification).ok()?;
        Some(match notification.split_once(' ').unwrap_or((notification, "")) {
            (HEARTBEAT, "") => Self::Heartbeat,
            (EVENTS_APPENDED, "") => Self::EventsAppended,
            (MESSAGES_SETTLED, device) => Self::MessagesSettled { device },
            (MESSAGE_QUEUED, connection) => Self::MessageQueued { connection },
            (MESSAGES_EXPIRED, count) => Self::MessagesExpired { count: count.parse().ok()? },
            (END_SOCKET, end) => {
                let (word, connection) = end.split_once(' ')?;
                Self::EndSocket { reason: reason(word)?, connection }
            }
            _ => return None,
        })
    }
}

/// A link as Lua stores it.
pub fn stored_link(link: Option<&str>) -> String {
    link.map_or_else(String::new, |link| format!("={link}"))
}

/// The link that was stored.
pub fn link(stored: &str) -> Option<Arc<str>> {
    stored.strip_prefix('=').map(Into::into)
}

/// A value as text.
pub fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// A value as a number.
pub fn int(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}

/// The answer to a call.
pub struct Answer {
    /// In how many calls the gateway has written, by Redis's count.
    pub writes: u64,
    /// The time by Redis's own clock.
    pub time: Millis,
    /// What the gateway is notified of, in order, one a line.
    pub notifications: String,
    /// What came of each operation.
    pub outcomes: Vec<Value>,
}

impl Answer {
    /// Reads the answer to a call of so many operations; `None` where it has another shape.
    pub fn read(value: Value, operations: usize) -> Option<Self> {
        let Value::Array(mut parts) = value else { return None };
        if parts.len() != 3 + operations {
            return None;
        }
        let outcomes = parts.split_off(3);
        let [writes, time, notifications] = &parts[..] else { return None };
        let notifications = text(notifications)?.to_owned();
        Some(Self { writes: int(writes)?, time: int(time)?, notifications, outcomes })
    }
}

/// What came of an operation.
pub struct Reply {
    outcome: Vec<Value>,
}

impl Reply {
    /// Reads the outcome of an operation.
    ///
    /// # Errors
    /// The error in its place.
    pub fn of(outcome: Value) -> Result<Self, RedisError> {
        Ok(match outcome.extract_error()? {
            Value::Array(outcome) => Self { outcome },
            word => Self { outcome: vec![word] },
        })
    }

    /// The first value of the outcome as a word; empty where it is none.
    pub fn word(&self) -> &str {
        self.outcome.first().and_then(text).unwrap_or_default()
    }

    /// Whether a bounded part was done, and the operation is to be repeated until all is.
    pub fn is_partial(&self) -> bool {
        self.word() == "more"
    }

    /// All values of the outcome.
    pub fn values(&self) -> &[Value] {
        &self.outcome
    }

    /// The value of the outcome at `index`.
    pub fn value(&self, index: usize) -> Result<&Value, EngineError> {
        self.outcome.get(index).ok_or_else(|| self.unexpected())
    }

    /// The value at `index` as text.
    pub fn text(&self, index: usize) -> Result<Arc<str>, EngineError> {
        let found = text(self.value(index)?);
        found.map(Into::into).ok_or_else(|| self.unexpected())
    }

    /// The value at `index` as a number.
    pub fn int(&self, index: usize) -> Result<u64, EngineError> {
        int(self.value(index)?).ok_or_else(|| self.unexpected())
    }

    /// The value at `index` as a duration in milliseconds.
    pub fn millis(&self, index: usize) -> Result<Duration, EngineError> {
        self.int(index).map(Duration::from_millis)
    }

    /// Logs an outcome that no function has, without its values: they may be secrets.
    pub fn unexpected(&self) -> EngineError {
        tracing::error!(values = self.outcome.len(), "Redis gave an unexpected outcome");
        EngineError::OutcomeUnknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_read_as_lua_writes_it() {
        let end =
            Notification::EndSocket { reason: EndReason::TokenExpired, connection: "connection" };
        assert_eq!(Notification::read(b"heartbeat"), Some(Notification::Heartbeat));
        assert_eq!(Notification::read(b"end token-expired connection"), Some(end));
        assert_eq!(Notification::read(b"end unknown connection"), None);
        assert_eq!(Notification::read(b"unknown"), None);
    }

    #[test]
    fn an_empty_link_differs_from_none() {
        for kept in [None, Some(""), Some("a link")] {
            assert_eq!(link(&stored_link(kept)).as_deref(), kept);
        }
    }
}
