//! An event as the stream carries it: its type in the contract, and the text of a Server-Sent Event.

use api_types::{
    device_data::DeviceData,
    event::{
        ConnectedEvent, ConnectedKind, DisconnectedEvent, DisconnectedKind, ExpiredEvent,
        ExpiredKind, MessageEvent, MessageKind, OperatorEvent,
    },
};
use engine::{DisconnectCause, Event, EventData, rfc3339};
use serde_json::value::RawValue;

use crate::websocket::close_code;

/// The event of the contract for an event of the engine.
pub fn operator_event(event: &Event) -> OperatorEvent {
    let device_tag = event.device.to_string();
    let at = rfc3339(event.at);
    let connection_id =
        event.connection.as_ref().map(|connection| connection.0.to_string()).unwrap_or_default();
    match &event.data {
        EventData::Connected { linkinjected, device_data } => {
            OperatorEvent::Connected(ConnectedEvent {
                event: ConnectedKind::Connected,
                device_tag,
                connection_id,
                at,
                linkinjected: linkinjected.as_deref().map(ToOwned::to_owned),
                device_data: device_data.as_deref().and_then(DeviceData::from_json),
            })
        }
        EventData::Message { id, data } => OperatorEvent::Message(MessageEvent {
            event: MessageKind::Message,
            device_tag,
            connection_id,
            at,
            id: id.to_string(),
            // It was parsed before it was accepted, so this does not fail.
            data: RawValue::from_string(data.to_string())
                .unwrap_or_else(|_| RawValue::NULL.to_owned()),
        }),
        EventData::Disconnected { cause } => OperatorEvent::Disconnected(DisconnectedEvent {
            event: DisconnectedKind::Disconnected,
            device_tag,
            connection_id,
            at,
            code: cause.map(close_code),
        }),
        EventData::Expired { epoch, seq } => OperatorEvent::Expired(ExpiredEvent {
            event: ExpiredKind::Expired,
            device_tag,
            at,
            epoch: epoch.to_string(),
            seq: *seq,
        }),
    }
}

/// The close code of a socket that ended for this cause.
fn close_code(cause: DisconnectCause) -> u16 {
    match cause {
        DisconnectCause::Engine(reason) => close_code::of_end(reason).number(),
        DisconnectCause::Gateway(code) => code,
    }
}

/// The text of a Server-Sent Event, with the cursor that a reader resumes after.
pub fn server_sent(cursor: Option<&str>, event: &OperatorEvent) -> String {
    // Texts, numbers and JSON can always be written as JSON.
    let json = serde_json::to_string(event).unwrap_or_default();
    // JSON may have line breaks between its parts; each line of an event is a line of data.
    let data = json.replace("\r\n", "\n").replace(['\r', '\n'], "\ndata: ");
    let kind = event.kind();
    match cursor {
        Some(cursor) => format!("id: {cursor}\nevent: {kind}\ndata: {data}\n\n"),
        None => format!("event: {kind}\ndata: {data}\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use api_types::event::{GapEvent, GapKind};
    use engine::{ConnectionId, EndReason};

    use super::*;

    /// The `data` of an event with this data, after a look at the other fields.
    fn json(connection: Option<&str>, data: EventData) -> String {
        let event = operator_event(&Event {
            n: 1,
            device: "phone".into(),
            connection: connection.map(|name| ConnectionId(name.into())),
            at: 1_700_000_000_001,
            data,
        });
        let text = server_sent(Some("s-1"), &event);
        let head = format!("id: s-1\nevent: {}\ndata: ", event.kind());
        let data = text.strip_prefix(&head).and_then(|rest| rest.strip_suffix("\n\n"));
        data.expect(&text).to_owned()
    }

    /// The JSON of a `disconnected` event with this cause.
    fn disconnected(cause: Option<DisconnectCause>) -> String {
        json(Some("c"), EventData::Disconnected { cause })
    }

    #[test]
    fn a_connected_event_has_device_connection_and_time() {
        let expected = r#"{"event":"connected","deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z"}"#;
        let event = json(Some("c"), EventData::Connected { linkinjected: None, device_data: None });
        assert_eq!(event, expected);
    }

    #[test]
    fn a_connected_event_has_linkinjected() {
        let expected = r#"{"event":"connected","deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z","linkinjected":"a/\"b\"é"}"#;
        let linkinjected = Some(r#"a/"b"é"#.into());
        let event = json(Some("c"), EventData::Connected { linkinjected, device_data: None });
        assert_eq!(event, expected);
    }

    #[test]
    fn a_connected_event_has_the_device_data_byte_for_byte() {
        let expected = r#"{"event":"connected","deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z","deviceData":{ "b" : [1.0e2, -0], "a":"é/é" }}"#;
        let device_data = Some(r#"{ "b" : [1.0e2, -0], "a":"é/é" }"#.into());
        let event = json(Some("c"), EventData::Connected { linkinjected: None, device_data });
        assert_eq!(event, expected);
    }

    #[test]
    fn a_message_event_has_its_data_byte_for_byte() {
        for data in [r#"{ "b" : [1.0e2, -0], "a":"\u00e9/é" }"#, "null"] {
            let expected = format!(
                r#"{{"event":"message","deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z","id":"a-1","data":{data}}}"#
            );
            let message = EventData::Message { id: "a-1".into(), data: data.into() };
            assert_eq!(json(Some("c"), message), expected);
        }
    }

    #[test]
    fn a_disconnected_event_has_the_close_code() {
        let expected = r#"{"event":"disconnected","deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z","code":1001}"#;
        assert_eq!(disconnected(Some(DisconnectCause::Gateway(1001))), expected);
        let reasons = [
            (EndReason::Revoked, "4003"),
            (EndReason::Superseded, "4004"),
            (EndReason::LeaseExpired, "4103"),
            (EndReason::TokenExpired, "4202"),
        ];
        for (reason, code) in reasons {
            let expected = expected.replace("1001", code);
            assert_eq!(disconnected(Some(DisconnectCause::Engine(reason))), expected);
        }
    }

    #[test]
    fn a_disconnected_event_has_no_code_where_there_was_none() {
        let expected = r#"{"event":"disconnected","deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z"}"#;
        assert_eq!(disconnected(None), expected);
    }

    #[test]
    fn an_expired_event_has_epoch_and_number() {
        let expected = r#"{"event":"expired","deviceTag":"phone","at":"2023-11-14T22:13:20.001Z","epoch":"e","seq":1}"#;
        let event = json(None, EventData::Expired { epoch: "e".into(), seq: 1 });
        assert_eq!(event, expected);
    }

    #[test]
    fn a_gap_has_both_cursors_and_none_of_its_own() {
        let gap = GapEvent {
            event: GapKind::Gap,
            requested: "a\nb".to_owned(),
            oldest: "s-7".to_owned(),
        };
        let expected =
            "event: gap\ndata: {\"event\":\"gap\",\"requested\":\"a\\nb\",\"oldest\":\"s-7\"}\n\n";
        assert_eq!(server_sent(None, &OperatorEvent::Gap(gap)), expected);
    }

    #[test]
    fn a_line_break_in_data_begins_a_line_of_data() {
        for (data, written) in
            [("[1,\n2]", "[1,\ndata: 2]"), ("[\r\n1,\r2]", "[\ndata: 1,\ndata: 2]")]
        {
            let message = EventData::Message { id: "a-1".into(), data: data.into() };
            let text = json(Some("c"), message);
            assert!(text.ends_with(&format!("\"data\":{written}}}")), "{text}");
        }
    }
}
