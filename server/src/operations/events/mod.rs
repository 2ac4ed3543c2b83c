//! What prospects say, as the operator reads it: a stream of Server-Sent Events.

mod written;

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
use api_types::{
    event::{GapEvent, GapKind, MAX_CURSOR_LENGTH, OperatorEvent},
    parameter::EventId,
    problem::ProblemKind,
};
use futures_util::{Stream, stream};
use serde::Deserialize;

use engine::Events;

use self::written::{operator_event, server_sent};

use crate::{
    contract::EVENT_STREAM,
    http::{
        body::NoBody, credentials::Operator, query::Parameters, request_scope,
        route_policy::RoutePolicy,
    },
    problem::{ApiError, api_errors},
    state::Gateway,
};

/// Tells nginx not to buffer the answer.
const ACCEL_BUFFERING_HEADER: &str = "x-accel-buffering";

/// What a stream sends where it has no event: a comment.
const COMMENT: &str = ":\n\n";

/// How often an idle stream sends a comment.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Events that are read at a time.
const BATCH: usize = 64;

/// How many streams are open.
#[derive(Default)]
pub struct Streams(Arc<AtomicUsize>);

/// One open stream.
struct OpenStream(Arc<AtomicUsize>);

impl Streams {
    /// How many are open now.
    #[must_use]
    pub fn open_now(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

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
/// What happens to prospects and what they say, as Server-Sent Events. The `data` of each is an
/// `OperatorEvent` in JSON. Its `id` is an opaque cursor: after a break, send the last one in
/// `Last-Event-ID`; `0` begins at the oldest event that is kept, and without the header the stream
/// begins now. A cursor that is not kept gets `gap`, then everything from the oldest. Events are kept
/// for 24 hours, or until `DELETE /operator/events` releases them. A comment comes at once, and every
/// 15 seconds.
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
            description = "The stream. It does not end by itself. Each item is a Server-Sent Event whose `data` is an `OperatorEvent` in JSON. Its schema is `itemSchema` in OpenAPI 3.2, and `x-item-schema` in the older ones.",
            body = String,
            content_type = "text/event-stream"
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
        .content_type(EVENT_STREAM)
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
    Some(text.chars().take(MAX_CURSOR_LENGTH).collect())
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

fn cursor(name: &str, n: u64) -> String {
    format!("{name}-{n}")
}

fn gap(requested: &str, name: &str, oldest: u64) -> String {
    let (requested, oldest) = (requested.to_owned(), cursor(name, oldest));
    server_sent(None, &OperatorEvent::Gap(GapEvent { event: GapKind::Gap, requested, oldest }))
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
                let requested = cursor(&self.name, self.from.saturating_sub(1));
                self.from = found.oldest;
                return Some(gap(&requested, &self.name, found.oldest));
            }
            if let Some(last) = found.events.last() {
                self.from = last.n + 1;
                let written: String = found
                    .events
                    .iter()
                    .map(|event| {
                        server_sent(Some(&cursor(&self.name, event.n)), &operator_event(event))
                    })
                    .collect();
                gateway.metrics.events_written.add_all(found.events.len(), written.len());
                return Some(written);
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
    gateway.engine.release(&name, through).await?;
    Ok(HttpResponse::NoContent().finish())
}
