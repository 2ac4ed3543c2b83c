//! What prospects say, as the operator reads it: a stream of Server-Sent Events.

mod position;
mod reader;
mod share;
mod streams;
mod written;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, body::None as NoLength, delete, get, http::header, web::Data,
};
use api_types::{
    event::MAX_CURSOR_LENGTH,
    parameter::{EventId, EventShare},
    problem::ProblemKind,
};
use engine::EngineError;
use serde::Deserialize;

pub use self::streams::Streams;
use self::{
    position::{Known, Place, Position},
    reader::{Reader, gap, look},
    share::Share,
};

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

api_errors!(StreamErrors:
    OperatorKeyUnknown, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys, TooManyStreams, InvalidParameter,
    TooManyShares, EngineUnavailable, OutOfDescriptors;
);

/// Stream events
///
/// What happens to prospects and what they say, as Server-Sent Events. The `data` of each is an
/// `OperatorEvent` in JSON. Its `id` is an opaque cursor: after a break, send the last one in
/// `Last-Event-ID`; `0` begins at the oldest event that is kept, and without the header the stream
/// begins now. A cursor that is not kept gets `gap`, then everything from the oldest. Events are kept
/// for [`engine::Limits::event_ttl`], or until `DELETE /operator/events` releases them. A comment comes
/// at once, and every [`api_types::event::COMMENT_INTERVAL`]. Several consumers can divide the stream
/// with `share`.
#[utoipa::path(
    operation_id = "streamEvents",
    tag = "operator",
    params(
        // Not `lastEventId` as well: generators give both parameters the same name.
        (
            "Last-Event-ID" = inline(Option<EventId>), Header, nullable = false,
            description = "The last `id` that was processed, or `0` for the oldest that is kept. Empty means the same as absent. A client that cannot set a header sends `lastEventId` in the query; the header goes first."
        ),
        (
            "share" = inline(Option<EventShare>), Query, nullable = false,
            description = "For consumers that read side by side: `2/4` is the second of four shares. All events of a device are in one share, in order. An `id` of a share stands for that share alone, so releasing it drops nothing of the others. There are at most as many shares as the gateway has partitions."
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
    let share = parameters.share.as_deref();
    let share = share.map(|share| Share::parse(share, gateway.engine.partitions())).transpose()?;
    let share = share.unwrap_or(Share::WHOLE);
    let known = look(&gateway, |partition| share.has(partition)).await?;
    let last_event_id = last_event_id(&request).or(parameters.last_event_id);
    let last_event_id = last_event_id.filter(|id| !id.is_empty()).map(cut);
    let (position, gap) = begin(last_event_id.as_deref(), &known, share)?;
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
    let reader = Reader::new(gateway.into_inner(), share, position, gap, open);
    Ok(response.streaming(reader.stream()))
}

/// The value of `Last-Event-ID`. A value that is not text matches no id.
fn last_event_id(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get("last-event-id").filter(|value| !value.is_empty())?;
    Some(value.to_str().unwrap_or("?").to_owned())
}

/// An id, cut to the length of the longest cursor. A longer one matches none.
fn cut(id: String) -> String {
    match id.char_indices().nth(MAX_CURSOR_LENGTH) {
        Some((end, _)) => id[..end].to_owned(),
        None => id,
    }
}

/// An `EventSource` of a library that cannot set headers sends the id in the query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StreamParameters {
    last_event_id: Option<String>,
    share: Option<String>,
}

/// Where a stream begins, and the `gap` event that it begins with, if events were missed. A partition that
/// cannot be reached is read from where the reader left it. Where that is not said, it is not known. A
/// partition of another share has no place.
fn begin(
    last: Option<&str>,
    known: &[Option<Known>],
    share: Share,
) -> Result<(Position, Option<String>), ApiError> {
    let Some(last) = last else {
        let ends = known.iter().enumerate().map(|(partition, known)| match known {
            Some(known) => Some(Place::of(&known.name, known.events.next - 1)),
            None if share.has(partition) => None,
            None => Some(Place::UNKNOWN),
        });
        let ends: Option<Vec<_>> = ends.collect();
        return match ends {
            Some(ends) => Ok((Position::new(ends), None)),
            None => Err(EngineError::Unavailable.into()),
        };
    };
    let requested = match last {
        "0" => Some(Position::oldest(known.len())),
        last => Position::parse(last, known.len()),
    };
    let has_gap = requested.is_none();
    let requested = requested.unwrap_or_else(|| Position::oldest(known.len()));
    let (mut begins, mut oldest, mut has_gap) = (Vec::new(), Vec::new(), has_gap);
    for (partition, (place, known)) in requested.places().iter().zip(known).enumerate() {
        let Some(known) = known else {
            let place = if share.has(partition) { place.clone() } else { Place::UNKNOWN };
            begins.push(place.clone());
            oldest.push(place);
            continue;
        };
        if let Some(place) = place.in_stream(known) {
            begins.push(place);
        } else {
            has_gap = true;
            begins.push(Place::of(&known.name, known.events.oldest - 1));
        }
        oldest.push(Place::of(&known.name, known.events.oldest));
    }
    let gap = has_gap.then(|| gap(last, &Position::new(oldest)));
    Ok((Position::new(begins), gap))
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
/// The operator has dealt with every event up to this id, and they are dropped. Can be repeated. The
/// `id` of a share stands for the events of that share.
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
    let through = Position::parse(&parameters.through, gateway.engine.partitions());
    let through = through.ok_or(ProblemKind::EventUnknown)?;
    let known = look(&gateway, |partition| through.places()[partition].is_known()).await?;
    let mut releases = Vec::new();
    for (partition, (place, known)) in through.places().iter().zip(&known).enumerate() {
        if !place.is_known() {
            continue;
        }
        let known = known.as_ref().ok_or(EngineError::Unavailable)?;
        if place.is_in(&known.name) {
            if place.after >= known.events.next {
                return Err(ProblemKind::EventUnknown.into());
            }
            releases.push((partition, Arc::clone(&known.name), place.after));
        }
    }
    // A partition in which another stream has begun keeps what it has.
    if releases.is_empty() {
        return Err(ProblemKind::EventUnknown.into());
    }
    for (partition, name, after) in releases {
        gateway.engine.release(partition, &name, after).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
