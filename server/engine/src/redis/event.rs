//! Reads an entry of the event stream, as `lua/events.lua` appends it.
//!
//! An entry has one field. Its name is kind, device, connection, time and detail, one a line; its value is the body.
//!
//! | kind | detail | body |
//! |---|---|---|
//! | `connected` | the link, after `=` | the device data, if there is any |
//! | `message` | the prospect's id | the message |
//! | `disconnected` | a reason of the engine, a number of the gateway, or nothing | |
//! | `expired` | the epoch | the message's number |

use redis::Value;

use super::protocol::{link, reason, text};
use crate::{ConnectionId, DisconnectCause, Event, EventData};

/// Reads an entry: its id, and an array of name and value.
pub fn read(entry: &Value) -> Option<Event> {
    let Value::Array(parts) = entry else { return None };
    let [id, Value::Array(fields)] = parts.as_slice() else { return None };
    let [head, body] = fields.as_slice() else { return None };
    let (mut head, body) = (text(head)?.splitn(5, '\n'), text(body)?);
    let [kind, device, connection, at, detail] = [(); 5].map(|()| head.next());
    let detail = detail?;
    let data = match kind? {
        "connected" => EventData::Connected {
            linkinjected: link(detail),
            device_data: (!body.is_empty()).then(|| body.into()),
        },
        "message" => EventData::Message { id: detail.into(), data: body.into() },
        "disconnected" if detail.is_empty() => EventData::Disconnected { cause: None },
        "disconnected" => EventData::Disconnected { cause: Some(cause(detail)?) },
        "expired" => EventData::Expired { epoch: detail.into(), seq: body.parse().ok()? },
        _ => return None,
    };
    let connection = connection?;
    Some(Event {
        n: text(id)?.split('-').next()?.parse().ok()?,
        device: device?.into(),
        connection: (!connection.is_empty()).then(|| ConnectionId(connection.into())),
        at: at?.parse().ok()?,
        data,
    })
}

fn cause(text: &str) -> Option<DisconnectCause> {
    match reason(text) {
        Some(reason) => Some(DisconnectCause::Engine(reason)),
        None => text.parse().ok().map(DisconnectCause::Gateway),
    }
}
