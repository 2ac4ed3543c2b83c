//! The operator's operations on prospects. What prospects say is read in `events`.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header::HeaderValue,
    post,
    web::{Data, Path},
};
use api_types::{
    device_tag::DeviceTag,
    operator::{Prospect, ProspectList, SendMessageRequest, SendMessageResponse},
    problem::ProblemKind,
    token::TokenResponse,
};
use serde::Deserialize;

use super::token::give_token;
use engine::Digest;
use engine::{DeviceState, Idempotency, Outgoing, Requester, Sent, Unavailable, rfc3339};

use crate::{
    http::{
        body::{Json, NoBody},
        credentials::Operator,
        query::Parameters,
    },
    problem::{ApiError, BadBody, api_errors},
    state::Gateway,
};

/// How long a message waits for its prospect where the operator says nothing.
const MESSAGE_TTL: Duration = Duration::from_hours(24);

/// What repeats a request without doing it twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Devices on one page.
const PAGE: usize = 100;

api_errors!(IssueErrors:
    OperatorKeyUnknown, NotFound, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys, DevicesFull,
    EngineUnavailable, OutOfDescriptors;
);

/// Give a token for a device
///
/// Gives a token for this device, whoever claims it: the token becomes the newest of the claim.
/// The one before it stays good until this one is first used.
#[utoipa::path(
    operation_id = "issueToken",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses(
        (status = 200, description = "A token for this device.", body = TokenResponse),
        IssueErrors
    ),
    security(("operatorKey" = []))
)]
#[post("/operator/prospects/{deviceTag}/token")]
pub async fn issue_token(
    _operator: Operator,
    _: NoBody,
    device: Path<String>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    // What cannot be a device tag is nobody's.
    let device = DeviceTag::new(device.into_inner()).ok_or(ProblemKind::NotFound)?;
    give_token(&gateway, device.as_str(), Requester::Operator).await
}

/// What `sendMessage` refuses by the body alone.
pub const BAD_BODIES: &[BadBody] = &[
    BadBody { name: "broken-json", summary: "JSON that breaks off", body: b"{\"data\": " },
    BadBody { name: "missing-field", summary: "A required field that is not there", body: b"{}" },
    BadBody {
        name: "out-of-range",
        summary: "A number that is out of its range",
        body: br#"{"data": "Hello", "ttlSeconds": 86401}"#,
    },
];

api_errors!(SendErrors:
    MalformedJson, OperatorKeyUnknown, UnknownDevice, BadRequest, RequestTimeout, BodyTooLarge,
    UnsupportedMediaType, InvalidFields, IdempotencyKeyReused, IdempotencyKeyMalformed,
    InvalidParameter, TooManyWrongKeys, OutboxFull, IdempotencyKeysFull, EngineUnavailable,
    OutOfDescriptors;
    SendMessageRequest: BAD_BODIES
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendParameters {
    wait: Option<Wait>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wait {
    Ack,
}

/// Send a message
///
/// Queues one message for a prospect. 202 means that it is in the device's outbox, which the
/// prospect empties whenever it has a socket; nothing is dropped in silence. With `?wait=ack` the
/// answer waits for up to 30 seconds until the prospect has acknowledged the message.
#[utoipa::path(
    operation_id = "sendMessage",
    tag = "operator",
    params(
        ("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)"),
        (
            "wait" = Option<String>, Query, nullable = false, pattern = "^ack$",
            description = "`ack`: answer only once the prospect has acknowledged, or after 30 seconds."
        ),
        (
            "Idempotency-Key" = Option<String>, Header, nullable = false,
            min_length = 1, max_length = 255, pattern = "^[!-~]{1,255}$",
            description = "Makes a repeated request one: the same key and body within 24 hours get the first answer."
        )
    ),
    request_body(
        content = SendMessageRequest,
        content_type = "application/json",
        description = "The message."
    ),
    responses(
        (status = 200, description = "The prospect has acknowledged the message.", body = SendMessageResponse),
        (status = 202, description = "The message is in the outbox.", body = SendMessageResponse),
        SendErrors
    ),
    security(("operatorKey" = []))
)]
#[post("/operator/prospects/{deviceTag}/messages")]
pub async fn send_message(
    request: HttpRequest,
    _operator: Operator,
    body: Json<SendMessageRequest>,
    device: Path<String>,
    parameters: Result<Parameters<SendParameters>, ApiError>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let body = body.accepted()?;
    let Parameters(parameters) = parameters?;
    let data = body.data.get();
    let ttl = body.ttl_seconds.map_or(MESSAGE_TTL, |ttl| Duration::from_secs(ttl.into()));
    let idempotency = idempotency(&request, &format!("{}\n{data}", ttl.as_secs()))?;
    // Before the message is sent, so that no acknowledgement is missed.
    let subscription = gateway.registry.acknowledgements.subscribe(&device);
    let message = Outgoing { device: &device, data, ttl, idempotency };
    let mut sent = gateway.engine.send(message).await?;
    if parameters.wait.is_some() {
        let waiting = async {
            while !sent.acknowledged {
                let woken = subscription.notify.notified();
                let mut woken = std::pin::pin!(woken);
                woken.as_mut().enable();
                sent.acknowledged =
                    gateway.engine.is_acknowledged(&device, &sent.epoch, sent.seq).await?;
                if !sent.acknowledged {
                    woken.await;
                }
            }
            Ok::<_, Unavailable>(())
        };
        // At the deadline, or where the engine cannot say, the message is in the outbox all the
        // same, which is what 202 says.
        let _ = tokio::time::timeout(gateway.config.ack_wait, waiting).await;
    }
    Ok(answer(&sent, parameters.wait.is_some()))
}

fn answer(sent: &Sent, waited: bool) -> HttpResponse {
    let acknowledged = waited && sent.acknowledged;
    let mut response = if acknowledged { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    response.json(SendMessageResponse {
        success: true,
        epoch: sent.epoch.to_string(),
        seq: sent.seq,
        connected: sent.connected,
        acknowledged,
    })
}

fn idempotency(request: &HttpRequest, body: &str) -> Result<Option<Idempotency>, ApiError> {
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
    let Some(key) = keys.next() else { return Ok(None) };
    let well_formed = (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if !well_formed || keys.next().is_some() {
        return Err(ProblemKind::IdempotencyKeyMalformed.into());
    }
    Ok(Some(Idempotency { key: Digest::of(key), body: Digest::of(body.as_bytes()) }))
}

api_errors!(ListErrors:
    OperatorKeyUnknown, BadRequest, RequestTimeout, BodyTooLarge, InvalidParameter, TooManyWrongKeys,
    EngineUnavailable, OutOfDescriptors;
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    limit: Option<usize>,
    cursor: Option<DeviceTag>,
}

/// List connected prospects
///
/// The devices that have an open socket, in the order of their tags. A device that stays connected
/// while the pages are read is on exactly one of them.
#[utoipa::path(
    operation_id = "listProspects",
    tag = "operator",
    params(
        (
            "limit" = Option<usize>, Query, nullable = false, minimum = 1, maximum = 1000,
            description = "Devices on a page; 100 when absent."
        ),
        (
            "cursor" = Option<String>, Query, nullable = false, min_length = 1, max_length = 128,
            pattern = r"^(\.*[A-Za-z0-9_:@~+=-][A-Za-z0-9._:@~+=-]*|\.{3,})$",
            description = "The `nextCursor` of the page before."
        )
    ),
    responses((status = 200, description = "One page.", body = ProspectList), ListErrors),
    security(("operatorKey" = []))
)]
#[get("/operator/prospects")]
pub async fn list_prospects(
    _operator: Operator,
    _: NoBody,
    Parameters(parameters): Parameters<ListParameters>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let limit = parameters.limit.unwrap_or(PAGE);
    if !(1..=1000).contains(&limit) {
        return Err(ProblemKind::InvalidParameter.into());
    }
    let after = parameters.cursor.map_or_else(String::new, DeviceTag::into_string);
    // One more than asked for tells whether there is another page.
    let mut found = gateway.engine.connected(&after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| last.device.to_string());
    let items = found.iter().filter_map(prospect).collect();
    Ok(HttpResponse::Ok().json(ProspectList { items, next_cursor }))
}

fn prospect(state: &DeviceState) -> Option<Prospect> {
    let socket = state.socket.as_ref();
    Some(Prospect {
        device_tag: DeviceTag::new(state.device.to_string())?,
        connected: socket.is_some(),
        since: socket.map(|socket| rfc3339(socket.since)),
        connection_id: socket.map(|socket| socket.connection.0.to_string()),
        linkinjected: socket
            .and_then(|socket| socket.linkinjected.as_deref())
            .map(ToOwned::to_owned),
        unacknowledged: state.unacknowledged as u64,
    })
}

api_errors!(GetErrors:
    OperatorKeyUnknown, UnknownDevice, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys,
    EngineUnavailable, OutOfDescriptors;
);

/// Look at a prospect
///
/// Whether it is connected, since when, and how many messages it has not acknowledged.
#[utoipa::path(
    operation_id = "getProspect",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses((status = 200, description = "What is known of the device.", body = Prospect), GetErrors),
    security(("operatorKey" = []))
)]
#[get("/operator/prospects/{deviceTag}")]
pub async fn get_prospect(
    _operator: Operator,
    _: NoBody,
    device: Path<String>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let state = gateway.engine.device(&device).await?.ok_or(ProblemKind::UnknownDevice)?;
    let prospect = prospect(&state).ok_or(ProblemKind::UnknownDevice)?;
    Ok(HttpResponse::Ok().json(prospect))
}

api_errors!(DisconnectErrors:
    OperatorKeyUnknown, NotFound, BadRequest, RequestTimeout, BodyTooLarge, TooManyWrongKeys, EngineUnavailable,
    OutOfDescriptors;
);

/// Disconnect a prospect
///
/// Closes its socket (4003), ends its tokens and authorisations and everything kept for it; what
/// was not delivered becomes `expired` events. Can be repeated: a device that is not known is no
/// error.
#[utoipa::path(
    operation_id = "disconnectProspect",
    tag = "operator",
    params(("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)")),
    responses((status = 204, description = "Nothing is kept for the device."), DisconnectErrors),
    security(("operatorKey" = []))
)]
#[delete("/operator/prospects/{deviceTag}")]
pub async fn disconnect_prospect(
    _operator: Operator,
    _: NoBody,
    device: Path<String>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let device = DeviceTag::new(device.into_inner()).ok_or(ProblemKind::NotFound)?;
    gateway.engine.disconnect(device.as_str()).await?;
    Ok(HttpResponse::NoContent().finish())
}
