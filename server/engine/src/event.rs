//! The events of the operator's stream, and how many bytes each counts for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ConnectionId, EndReason, Millis};

/// What every event counts for beside its texts, in bytes: about what JSON needs around them.
pub(crate) const EVENT_OVERHEAD: usize = 80;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's number: the first of a stream is 1, and each is one above the one before.
    pub n: u64,
    /// The device that it is about.
    pub device: Arc<str>,
    /// The connection that it is about; `None` for [`EventData::Expired`].
    pub connection: Option<ConnectionId>,
    /// When it was appended.
    pub at: Millis,
    /// Its kind, with the fields of that kind.
    pub data: EventData,
}

/// The kind of an event, with the fields of that kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventData {
    /// The device has a new socket.
    Connected {
        /// The link that came with the authorisation.
        linkinjected: Option<Arc<str>>,
        /// What the device has said of itself: JSON, byte for byte.
        device_data: Option<Arc<str>>,
    },
    /// A message of the prospect was accepted.
    Message {
        /// The prospect's own id of the message.
        id: Arc<str>,
        /// The message's JSON, byte for byte.
        data: Arc<str>,
    },
    /// The device's socket ended.
    Disconnected {
        /// Why; `None` where the connection was lost without a close.
        cause: Option<DisconnectCause>,
    },
    /// A queued message was not acknowledged in time, or its device's record ended before.
    Expired {
        /// The numbering that `seq` is of.
        epoch: Arc<str>,
        /// The message's number.
        seq: u64,
    },
}

/// Why a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisconnectCause {
    /// The engine ended it.
    Engine(EndReason),
    /// The gateway closed it; the number is the one that it passed to [`crate::Engine::close`],
    /// and means nothing to an engine.
    Gateway(u16),
}

/// Events of the stream, in their order. Their numbers have gaps where devices were erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// The number of the first event that was not released and has not expired. It may be erased; it
    /// is that of the next event where there is none.
    pub oldest: u64,
    /// The number of the next event to be appended.
    pub next: u64,
    /// The events that were asked for.
    pub events: Vec<Event>,
}

impl Event {
    /// The bytes that the event counts for in `event_bytes` and `event_bytes_per_device`: its texts
    /// and a constant for everything else. The Redis engine's `events.lua` has the same formula.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.size(&self.device, self.connection.as_ref())
    }
}

impl EventData {
    /// The [`Event::size`] of an event with this data.
    pub(crate) fn size(&self, device: &str, connection: Option<&ConnectionId>) -> usize {
        let texts = match self {
            Self::Connected { linkinjected, device_data } => {
                [linkinjected, device_data].into_iter().flatten().map(|it| it.len()).sum()
            }
            Self::Message { id, data } => id.len() + data.len(),
            Self::Disconnected { .. } => 0,
            Self::Expired { epoch, .. } => epoch.len(),
        };
        EVENT_OVERHEAD
            + device.len()
            + connection.map_or(0, |connection| connection.0.len())
            + texts
    }
}

#[cfg(test)]
impl EventData {
    /// Each kind, with and without the fields that it may lack, for the test of the journal's format.
    pub(crate) fn samples() -> Vec<Self> {
        let reasons = [
            EndReason::Superseded,
            EndReason::Revoked,
            EndReason::TokenExpired,
            EndReason::LeaseExpired,
        ];
        let mut samples = vec![
            Self::Connected { linkinjected: None, device_data: None },
            Self::Connected { linkinjected: Some("link".into()), device_data: Some("{}".into()) },
            Self::Message { id: "id".into(), data: "{}".into() },
            Self::Disconnected { cause: None },
            Self::Disconnected { cause: Some(DisconnectCause::Gateway(1001)) },
            Self::Expired { epoch: "epoch".into(), seq: 16 },
        ];
        let ended = reasons
            .map(|reason| Self::Disconnected { cause: Some(DisconnectCause::Engine(reason)) });
        samples.extend(ended);
        samples
    }
}
