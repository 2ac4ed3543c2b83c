//! Reads an event as `events.lua` stores it.

use std::sync::Arc;

use redis::Value;

use super::reply::{int, text};
use crate::{ConnectionId, DisconnectCause, EndReason, Event, EventData};

/// The words that Lua and Rust have for the reasons.
const REASONS: [(&str, EndReason); 4] = [
    ("superseded", EndReason::Superseded),
    ("revoked", EndReason::Revoked),
    ("token-expired", EndReason::TokenExpired),
    ("lease-expired", EndReason::LeaseExpired),
];

/// The reason that has this word.
pub fn reason(word: &str) -> Option<EndReason> {
    REASONS.into_iter().find(|(known, _)| *known == word).map(|(_, reason)| reason)
}

/// Reads an entry of the stream: its id, and names and values by turns.
pub fn read(entry: &Value) -> Option<Event> {
    let Value::Array(parts) = entry else { return None };
    let [id, Value::Array(fields)] = parts.as_slice() else { return None };
    let [_, kind, _, device, _, connection, _, at, _, one, _, other] = fields.as_slice() else {
        return None;
    };
    let (one, other) = (text(one)?, text(other)?);
    let data = match text(kind)? {
        "connected" => EventData::Connected { linkinjected: link(one) },
        "message" => EventData::Message { id: one.into(), data: other.into() },
        "disconnected" if one.is_empty() => EventData::Disconnected { cause: None },
        "disconnected" => EventData::Disconnected { cause: Some(cause(one)?) },
        "expired" => EventData::Expired { epoch: one.into(), seq: other.parse().ok()? },
        _ => return None,
    };
    let connection = text(connection)?;
    Some(Event {
        n: text(id)?.split('-').next()?.parse().ok()?,
        device: text(device)?.into(),
        connection: (!connection.is_empty()).then(|| ConnectionId(connection.into())),
        at: int(at)?,
        data,
    })
}

/// The cause: a word for an end by the engine, a number for a close by the gateway.
fn cause(text: &str) -> Option<DisconnectCause> {
    match reason(text) {
        Some(reason) => Some(DisconnectCause::Engine(reason)),
        None => text.parse().ok().map(DisconnectCause::Gateway),
    }
}

/// A link as Lua stores it: after `=`, so that an empty link differs from none.
pub fn stored_link(link: Option<&str>) -> String {
    link.map_or_else(String::new, |link| format!("={link}"))
}

/// The link that was stored.
pub fn link(stored: &str) -> Option<Arc<str>> {
    stored.strip_prefix('=').map(Into::into)
}
