//! What prospects say, as the operator reads it: a stream of Server-Sent Events.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    web::{Bytes, Data},
};
use api_types::problem::ProblemKind;
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::json;

use engine::{Event, EventKind, Events};

use crate::{
    http::{body::NoBody, credentials::Operator, query::Parameters, request_scope},
    problem::{ApiError, api_errors},
    state::Gateway,
};

/// The media type of a stream.
const MEDIA_TYPE: &str = "text/event-stream";

/// How often a stream that has nothing to say shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Events that are read at a time.
const BATCH: usize = 64;

/// The longest id that is repeated in a `gap`.
const ID_AT_MOST: usize = 64;

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
    OperatorKeyUnknown, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys, TooManyStreams,
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
    params((
        "Last-Event-ID" = Option<String>, Header, nullable = false, max_length = 64,
        description = "The last `id` that was dealt with, or `0` for the oldest that is kept."
    )),
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
#[get("/operator/events")]
pub async fn stream_events(
    request: HttpRequest,
    _operator: Operator,
    _: NoBody,
    streams: Data<Streams>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let open = streams.open(gateway.config.event_streams);
    let open = open.ok_or(ProblemKind::TooManyStreams)?;
    let name = gateway.engine.stream().await?;
    let known = gateway.engine.events(u64::MAX, 1).await?;
    let (from, gap) = begin(last_event_id(&request).as_deref(), &name, &known);
    let mut response = HttpResponse::Ok();
    response.content_type(MEDIA_TYPE);
    if request_scope::is_head(&request) {
        return Ok(response.finish());
    }
    let reader = Reader { gateway: gateway.into_inner(), name, from, gap, _open: open };
    Ok(response.streaming(reader.stream()))
}

/// The header, cut where no id of ours reaches; anything that is no text is no id.
fn last_event_id(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get("last-event-id")?;
    let text = value.to_str().unwrap_or("?");
    Some(text.chars().take(ID_AT_MOST).collect())
}

/// Where a stream begins, and what to say of the events between.
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
    let said = json!({"requested": requested, "oldest": format!("{name}-{oldest}")});
    format!("event: gap\ndata: {said}\n\n")
}

/// One reader of the stream.
struct Reader {
    gateway: Arc<Gateway>,
    name: Arc<str>,
    from: u64,
    gap: Option<String>,
    _open: OpenStream,
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut reader| async {
            let said = reader.next().await?;
            Some((Ok(said.into()), reader))
        })
    }

    /// What to say next; `None` when the gateway goes away, lost its engine or tells of another
    /// stream now.
    async fn next(&mut self) -> Option<String> {
        if let Some(gap) = self.gap.take() {
            return Some(gap);
        }
        let gateway = Arc::clone(&self.gateway);
        // Listening begins before the look, so that nothing happens unseen in between.
        let happened = gateway.registry.events.notified();
        let mut happened = std::pin::pin!(happened);
        happened.as_mut().enable();
        loop {
            let found = gateway.engine.events(self.from, BATCH).await.ok()?;
            // Where another stream has begun, these numbers are another stream's.
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
            tokio::select! {
                biased;
                () = happened.as_mut() => {
                    happened.set(gateway.registry.events.notified());
                    happened.as_mut().enable();
                }
                () = tokio::time::sleep(HEARTBEAT) => return Some(":\n\n".to_owned()),
                () = gateway.ending.cancelled() => return None,
            }
        }
    }

    fn written(&self, event: &Event) -> String {
        // JSON may have line breaks between its parts; each line of an event is a line of data.
        let data = event.data.replace("\r\n", "\n").replace(['\r', '\n'], "\ndata: ");
        let kind: EventKind = event.kind;
        format!("id: {}-{}\nevent: {}\ndata: {data}\n\n", self.name, event.n, kind.name())
    }
}

api_errors!(ReleaseErrors:
    OperatorKeyUnknown, BadRequest, RequestTimeout, EventUnknown, BodyTooLarge, InvalidParameter, TooManyWrongKeys,
    EngineUnavailable, OutOfDescriptors;
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
        "through" = String, Query, max_length = 64,
        description = "The `id` of the last event that was dealt with."
    )),
    responses((status = 204, description = "The events are dropped."), ReleaseErrors),
    security(("operatorKey" = []))
)]
#[delete("/operator/events")]
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
