//! `POST /operator/prospects/{deviceTag}/messages`: the operator sends to a prospect.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web::Data};
use api_types::{
    device_tag::DeviceTag,
    operator::{MESSAGE_TTL, SendMessageRequest, SendMessageResponse},
    parameter::MessageKey,
    problem::ProblemKind,
};
use engine::{
    Acknowledgement, Digest, EngineError, Idempotency, Limits, OutboxFill, Outgoing, Sent,
};
use serde::Deserialize;

use crate::{
    http::{
        body::Json, credentials::Operator, device_path::DevicePath,
        idempotency_key::idempotency_key, query::Parameters, route_policy::RoutePolicy,
    },
    problem::{ApiError, api_errors, openapi::BadBody},
    state::Gateway,
};

/// Bodies that `sendMessage` refuses.
pub const BAD_BODIES: &[BadBody] = &[
    BadBody { name: "broken-json", summary: "JSON that ends too early", body: b"{\"data\": " },
    BadBody { name: "missing-field", summary: "A required field that is missing", body: b"{}" },
    BadBody {
        name: "out-of-range",
        summary: "A number out of range",
        body: br#"{"data": "Hello", "ttlSeconds": 86401}"#,
    },
];

api_errors!(SendMessageErrors:
    MalformedJson, OperatorKeyUnknown, UnknownDevice, BadRequest, RequestTimeout, BodyTooLarge,
    UnsupportedMediaType, InvalidFields, IdempotencyKeyReused, IdempotencyKeyMalformed,
    InvalidParameter, TooManyWrongKeys, OutboxFull, IdempotencyKeysFull, EventsFull, EngineUnavailable,
    OutcomeUnknown, OutOfDescriptors;
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
/// Queues one message for a prospect. 202 means that it is in the device's outbox, from which it is
/// delivered whenever the prospect has a socket; no message is dropped silently. With `?wait=ack` the
/// answer waits up to [`api_types::operator::ACK_WAIT`] for the prospect to acknowledge the message. It
/// ends at once, with 202 and `acknowledged: false`, when the message expires or the device's record
/// ends: an `expired` event says that it will not be delivered.
#[utoipa::path(
    operation_id = "sendMessage",
    tag = "operator",
    params(
        ("deviceTag" = inline(DeviceTag), Path, description = "The device tag (id)"),
        (
            "wait" = Option<String>, Query, nullable = false, pattern = "^ack$",
            description = "`ack`: answer when the prospect has acknowledged or no longer can, or after [`ACK_WAIT`]."
        ),
        (
            "Idempotency-Key" = inline(Option<MessageKey>), Header, nullable = false,
            description = "Makes the request repeatable: the same key and body within [`Limits::idempotency_memory`] get the first answer."
        )
    ),
    request_body(
        content = SendMessageRequest,
        content_type = "application/json",
        description = "The message."
    ),
    responses(
        (status = 200, description = "The prospect has acknowledged the message.", body = SendMessageResponse),
        (status = 202, description = "The message was put into the outbox. With `?wait=ack`: it is not acknowledged, or no longer can be.", body = SendMessageResponse),
        SendMessageErrors
    ),
    security(("operatorKey" = []))
)]
#[post("/operator/prospects/{deviceTag}/messages", wrap = "RoutePolicy::new().message_body()")]
pub async fn send_message(
    request: HttpRequest,
    _operator: Operator,
    body: Json<SendMessageRequest>,
    device: DevicePath,
    parameters: Result<Parameters<SendParameters>, ApiError>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let body = body.accepted()?;
    let Parameters(parameters) = parameters?;
    let data = body.data.get();
    let ttl = body.ttl_seconds.map_or(MESSAGE_TTL, |ttl| Duration::from_secs(ttl.into()));
    // The key stands for the whole body.
    let body = format!("{}\n{data}", ttl.as_secs());
    let idempotency = idempotency_key(&request, MessageKey::requirement)?
        .map(|key| Idempotency { key, body: Digest::of(body.as_bytes()) });
    let device = device.tag_or(ProblemKind::UnknownDevice)?;
    let device = device.as_str();
    // Before the message is sent, so that no acknowledgement is missed.
    let subscription = gateway.registry.acknowledgements.subscribe(device);
    let message = Outgoing { device, data, ttl, idempotency };
    let mut sent = gateway.engine.send(message).await?;
    if let Some(fill) = sent.outbox {
        gateway.metrics.message_queued(data.len(), per_mille(fill, &gateway.limits));
    }
    let waits = parameters.wait.is_some();
    if waits {
        let acknowledged = async {
            while !sent.acknowledged {
                let woken = subscription.notify.notified();
                let mut woken = std::pin::pin!(woken);
                woken.as_mut().enable();
                match gateway.engine.acknowledgement(device, &sent.epoch, sent.seq).await? {
                    Acknowledgement::Pending => woken.await,
                    Acknowledgement::Acknowledged => sent.acknowledged = true,
                    Acknowledgement::Never => break,
                }
            }
            Ok::<_, EngineError>(())
        };
        // After the deadline, when the engine is unavailable or when the gateway shuts down, the
        // message was queued all the same, which is what 202 says. So it was if it has expired since;
        // the operator reads that from its `expired` event.
        let deadline = gateway.config.operator.ack_wait;
        let _waiting = gateway.registry.acknowledgements.wait();
        let _ = gateway.unless_draining(tokio::time::timeout(deadline, acknowledged)).await;
    }
    Ok(answer(&sent, waits))
}

/// How full an outbox is, in thousandths: of its messages or of its bytes, whichever is more.
fn per_mille(fill: OutboxFill, limits: &Limits) -> u64 {
    let of = |used: u64, limit: usize| used.saturating_mul(1000) / (limit as u64).max(1);
    of(fill.messages, limits.outbox_messages).max(of(fill.bytes, limits.outbox_bytes))
}

fn answer(sent: &Sent, waited: bool) -> HttpResponse {
    // Without `?wait=ack` a repeated request gets the same answer as the first.
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
