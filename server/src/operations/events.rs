//! What prospects say, as the operator reads it: a stream of Server-Sent Events.

use std::{
    convert::Infallible,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::None as NoLength,
    delete, get,
    http::header,
    web::{Bytes, Data},
};
use api_types::{parameter::EventId, problem::ProblemKind};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

use engine::{DisconnectCause, Event, EventData, Events, rfc3339};

use crate::{
    http::{
        body::NoBody, credentials::Operator, query::Parameters, request_scope,
        route_policy::RoutePolicy,
    },
    problem::{ApiError, api_errors},
    state::Gateway,
    websocket::close_code::CloseCode,
};

/// The media type of a stream.
const MEDIA_TYPE: &str = "text/event-stream";

/// Tells nginx not to buffer the answer.
const ACCEL_BUFFERING_HEADER: &str = "x-accel-buffering";

/// What a stream sends where it has no event: a comment.
const COMMENT: &str = ":\n\n";

/// How often an idle stream sends a comment.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Events that are read at a time.
const BATCH: usize = 64;

/// The longest id that a `gap` repeats, in characters.
const MAX_ID_LENGTH: usize = 64;

/// How many streams are open.
#[derive(Default)]
pub struct Streams(Arc<AtomicUsize>);

/// One open stream.
struct OpenStream(Arc<AtomicUsize>);

impl Streams {
    fn open(&self, at_most: u32) -> Option<OpenStream> {
        let opened = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
            (open < at_most as usize).then_some(open + 1)
        });
        opened.ok().map(|_| OpenStream(Arc::clone(&self.0)))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

api_errors!(StreamErrors:
    OperatorKeyUnknown, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys, TooManyStreams, InvalidParameter,
    EngineUnavailable, OutOfDescriptors;
);

/// Stream events
///
/// What happens to prospects and what they say, as Server-Sent Events: `connected`, `message`,
/// `disconnected` and `expired`, each with an `id` that rises by one. After a break send the last
/// `id` in `Last-Event-ID`; `0` begins at the oldest event that is kept, and without the header the
/// stream begins now. An id that is not kept gets `gap` with `requested` and `oldest`, then
/// everything from the oldest. Events are kept for 24 hours, or until `DELETE /operator/events`
/// releases them. A comment comes every 15 seconds.
#[utoipa::path(
    operation_id = "streamEvents",
    tag = "operator",
    params(
        // Not `lastEventId` as well: generators give both parameters the same name.
        (
            "Last-Event-ID" = inline(Option<EventId>), Header, nullable = false,
            description = "The last `id` that was processed, or `0` for the oldest that is kept. Empty means the same as absent. A client that cannot set a header sends `lastEventId` in the query; the header goes first."
        )
    ),
    responses(
        (
            status = 200,
            description = "The stream. It does not end by itself.",
            body = String,
            content_type = "text/event-stream",
            example = "id: Zb41mN0qTs8-42\nevent: message\ndata: {\"deviceTag\":\"my_deviceTag\",\"connectionId\":\"kS2fXw9QbT6hYpLr0aVn3g\",\"at\":\"2026-01-31T12:00:00.000Z\",\"id\":\"9f0c2f4e\",\"data\":{\"text\":\"Hello\"}}\n\n"
        ),
        StreamErrors
    ),
    security(("operatorKey" = []))
)]
#[get("/operator/events", wrap = "RoutePolicy::new()")]
pub async fn stream_events(
    request: HttpRequest,
    _operator: Operator,
    _: NoBody,
    Parameters(parameters): Parameters<StreamParameters>,
    streams: Data<Streams>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let open = streams.open(gateway.config.operator.event_streams);
    let open = open.ok_or(ProblemKind::TooManyStreams)?;
    let name = gateway.engine.stream().await?;
    let known = gateway.engine.events(u64::MAX, 1).await?;
    let last_event_id = last_event_id(&request).or(parameters.last_event_id);
    let last_event_id = last_event_id.filter(|id| !id.is_empty());
    let (from, gap) = begin(last_event_id.as_deref(), &name, &known);
    let mut response = HttpResponse::Ok();
    response
        .content_type(MEDIA_TYPE)
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"));
    // nginx holds answers back to send larger parts, and again to compress them; it leaves alone
    // what is encoded already.
    response.insert_header((ACCEL_BUFFERING_HEADER, "no"));
    response.insert_header((header::CONTENT_ENCODING, "identity"));
    if request_scope::is_head(&request) {
        // The length of the stream is not known, and zero would be wrong.
        return Ok(response.body(NoLength::new()));
    }
    let reader =
        Reader { gateway: gateway.into_inner(), name, from, begun: false, gap, _open: open };
    Ok(response.streaming(reader.stream()))
}

/// The value of `Last-Event-ID`, cut to the length of the longest id. A value that is not text matches no
/// id.
fn last_event_id(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get("last-event-id").filter(|value| !value.is_empty())?;
    let text = value.to_str().unwrap_or("?");
    Some(text.chars().take(MAX_ID_LENGTH).collect())
}

/// An `EventSource` of a library that cannot set headers sends the id in the query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StreamParameters {
    last_event_id: Option<String>,
}

/// Where a stream begins, and the `gap` event that it begins with, if events were missed.
fn begin(last: Option<&str>, name: &str, known: &Events) -> (u64, Option<String>) {
    let Some(last) = last else { return (known.next, None) };
    if last == "0" {
        return (known.oldest, None);
    }
    match number(last, name) {
        Some(n) if (known.oldest..=known.next).contains(&(n + 1)) => (n + 1, None),
        _ => (known.oldest, Some(gap(last, name, known.oldest))),
    }
}

/// The number of an id of this stream.
fn number(id: &str, name: &str) -> Option<u64> {
    let text = id.strip_prefix(name)?.strip_prefix('-')?;
    let n: u64 = text.parse().ok()?;
    (n < u64::MAX && n.to_string() == text).then_some(n)
}

fn gap(requested: &str, name: &str, oldest: u64) -> String {
    let data = json!({"requested": requested, "oldest": format!("{name}-{oldest}")});
    format!("event: gap\ndata: {data}\n\n")
}

/// One reader of the stream.
struct Reader {
    gateway: Arc<Gateway>,
    name: Arc<str>,
    from: u64,
    /// Whether anything was sent. A stream without an event to begin with sends a comment at once, so
    /// that the client and every proxy between see it begin.
    begun: bool,
    gap: Option<String>,
    _open: OpenStream,
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut reader| async {
            let chunk = reader.next().await?;
            Some((Ok(chunk.into()), reader))
        })
    }

    /// The next chunk; `None` ends the stream: the gateway shuts down, the engine is unavailable, or
    /// another event stream has begun.
    async fn next(&mut self) -> Option<String> {
        let begun = mem::replace(&mut self.begun, true);
        if let Some(gap) = self.gap.take() {
            return Some(gap);
        }
        let gateway = Arc::clone(&self.gateway);
        // Subscribe before reading, so that no event is missed in between.
        let appended = gateway.registry.events.notified();
        let mut appended = std::pin::pin!(appended);
        appended.as_mut().enable();
        loop {
            let found = gateway.engine.events(self.from, BATCH).await.ok()?;
            // In another stream the same numbers name other events.
            if gateway.engine.stream().await.ok()? != self.name {
                return None;
            }
            if self.from < found.oldest {
                let requested = format!("{}-{}", self.name, self.from.saturating_sub(1));
                self.from = found.oldest;
                return Some(gap(&requested, &self.name, found.oldest));
            }
            if let Some(last) = found.events.last() {
                self.from = last.n + 1;
                return Some(found.events.iter().map(|event| self.written(event)).collect());
            }
            if !begun {
                return Some(COMMENT.to_owned());
            }
            tokio::select! {
                biased;
                () = appended.as_mut() => {
                    appended.set(gateway.registry.events.notified());
                    appended.as_mut().enable();
                }
                () = tokio::time::sleep(HEARTBEAT) => return Some(COMMENT.to_owned()),
                () = gateway.ending.cancelled() => return None,
            }
        }
    }

    fn written(&self, event: &Event) -> String {
        let (name, data) = rendered(event);
        // JSON may have line breaks between its parts; each line of an event is a line of data.
        let data = data.replace("\r\n", "\n").replace(['\r', '\n'], "\ndata: ");
        format!("id: {}-{}\nevent: {name}\ndata: {data}\n\n", self.name, event.n)
    }
}

/// The JSON of an event: the fields in the order of the contract, those of other kinds left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventJson<'a> {
    device_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<&'a str>,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    linkinjected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// An event's name in the stream and its JSON.
fn rendered(event: &Event) -> (&'static str, String) {
    let mut json = EventJson {
        device_tag: &event.device,
        connection_id: event.connection.as_ref().map(|connection| &*connection.0),
        at: rfc3339(event.at),
        ..EventJson::default()
    };
    let name = match &event.data {
        EventData::Connected { linkinjected } => {
            json.linkinjected = linkinjected.as_deref();
            "connected"
        }
        EventData::Message { id, data } => {
            json.id = Some(id);
            // It was parsed before it was accepted, so this does not fail.
            json.data = serde_json::from_str(data).ok();
            "message"
        }
        EventData::Disconnected { cause } => {
            json.code = cause.map(close_code);
            "disconnected"
        }
        EventData::Expired { epoch, seq } => {
            json.epoch = Some(epoch);
            json.seq = Some(*seq);
            "expired"
        }
    };
    // Texts, numbers and JSON can always be written as JSON.
    (name, serde_json::to_string(&json).unwrap_or_default())
}

/// The close code of a socket that ended for this cause.
fn close_code(cause: DisconnectCause) -> u16 {
    match cause {
        DisconnectCause::Engine(reason) => CloseCode::from(reason).number(),
        DisconnectCause::Gateway(code) => code,
    }
}

api_errors!(ReleaseErrors:
    OperatorKeyUnknown, BadRequest, RequestTimeout, EventUnknown, BodyTooLarge, InvalidParameter, TooManyWrongKeys,
    EngineUnavailable, OutcomeUnknown, OutOfDescriptors;
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseParameters {
    through: String,
}

/// Release events
///
/// The operator has dealt with every event up to this id, and they are dropped. Can be repeated.
#[utoipa::path(
    operation_id = "releaseEvents",
    tag = "operator",
    params((
        "through" = inline(EventId), Query,
        description = "The `id` of the last event that was dealt with."
    )),
    responses((status = 204, description = "The events are dropped."), ReleaseErrors),
    security(("operatorKey" = []))
)]
#[delete("/operator/events", wrap = "RoutePolicy::new()")]
pub async fn release_events(
    _operator: Operator,
    _: NoBody,
    Parameters(parameters): Parameters<ReleaseParameters>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let name = gateway.engine.stream().await?;
    let through = number(&parameters.through, &name).ok_or(ProblemKind::EventUnknown)?;
    if through >= gateway.engine.events(u64::MAX, 1).await?.next {
        return Err(ProblemKind::EventUnknown.into());
    }
    gateway.engine.release(through).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use engine::{ConnectionId, EndReason};

    use super::*;

    /// The name and JSON of an event with this data.
    fn json(connection: Option<&str>, data: EventData) -> (&'static str, String) {
        rendered(&Event {
            n: 1,
            device: "phone".into(),
            connection: connection.map(|name| ConnectionId(name.into())),
            at: 1_700_000_000_001,
            data,
        })
    }

    /// The JSON of a `disconnected` event with this cause.
    fn disconnected(cause: Option<DisconnectCause>) -> String {
        json(Some("c"), EventData::Disconnected { cause }).1
    }

    #[test]
    fn a_connected_event_has_device_connection_and_time() {
        let expected =
            r#"{"deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z"}"#;
        let event = json(Some("c"), EventData::Connected { linkinjected: None });
        assert_eq!(event, ("connected", expected.to_owned()));
    }

    #[test]
    fn a_connected_event_has_linkinjected() {
        let expected = r#"{"deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z","linkinjected":"a/\"b\"é"}"#;
        let linkinjected = Some(r#"a/"b"é"#.into());
        let event = json(Some("c"), EventData::Connected { linkinjected });
        assert_eq!(event, ("connected", expected.to_owned()));
    }

    #[test]
    fn a_message_event_has_its_data_byte_for_byte() {
        for data in [r#"{ "b" : [1.0e2, -0], "a":"\u00e9/é" }"#, "null"] {
            let expected = format!(
                r#"{{"deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z","id":"a-1","data":{data}}}"#
            );
            let message = EventData::Message { id: "a-1".into(), data: data.into() };
            assert_eq!(json(Some("c"), message), ("message", expected));
        }
    }

    #[test]
    fn a_disconnected_event_has_the_close_code() {
        let expected = r#"{"deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z","code":1001}"#;
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
        let expected =
            r#"{"deviceTag":"phone","connectionId":"c","at":"2023-11-14T22:13:20.001Z"}"#;
        assert_eq!(disconnected(None), expected);
    }

    #[test]
    fn an_expired_event_has_epoch_and_number() {
        let expected =
            r#"{"deviceTag":"phone","at":"2023-11-14T22:13:20.001Z","epoch":"e","seq":1}"#;
        let event = json(None, EventData::Expired { epoch: "e".into(), seq: 1 });
        assert_eq!(event, ("expired", expected.to_owned()));
    }
}
