//! An event as it is kept, and as it is read.

use redis::Value;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{Event, EventKind, rfc3339},
    reply::{int, text},
};

/// What an event says, in the order of the contract.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventData<'a> {
    device_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<&'a str>,
    at: String,
    /// Of `connected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    linkinjected: Option<&'a RawValue>,
    /// Of `disconnected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a RawValue>,
    /// Of `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a str>,
    /// Of `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<&'a RawValue>,
    /// Of `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    /// Of `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// Reads an entry of the stream: its id, and names and values by turns.
pub fn read(entry: &Value) -> Option<Event> {
    let Value::Array(parts) = entry else { return None };
    let [id, Value::Array(fields)] = parts.as_slice() else { return None };
    let [_, kind, _, device, _, connection, _, at, _, one, _, other] = fields.as_slice() else {
        return None;
    };
    let kinds =
        [EventKind::Connected, EventKind::Disconnected, EventKind::Message, EventKind::Expired];
    let kind = text(kind)?;
    let kind = kinds.into_iter().find(|known| known.name() == kind)?;
    let (one, other) = (text(one)?, text(other)?);
    let mut said = EventData {
        device_tag: text(device)?,
        connection_id: text(connection).filter(|name| !name.is_empty()),
        at: rfc3339(int(at)?),
        ..EventData::default()
    };
    match kind {
        EventKind::Connected => said.linkinjected = json(one),
        EventKind::Disconnected => said.code = json(one),
        EventKind::Message => (said.id, said.data) = (json(one), json(other)),
        EventKind::Expired => (said.epoch, said.seq) = (Some(one), json(other)),
    }
    let n = text(id)?.split('-').next()?.parse().ok()?;
    let data = serde_json::to_string(&said).ok()?;
    Some(Event { n, kind, data: data.into() })
}

/// JSON as it stands; nothing where there is none.
fn json(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}
