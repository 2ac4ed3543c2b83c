//! `GET /livez`, `GET /readyz` and `GET /metrics`: for the platform that runs the gateway.

use actix_web::{FromRequest, HttpRequest, HttpResponse, get, http::header, web::Data};
use api_types::{health::HealthResponse, problem::ProblemKind};

use super::events::Streams;
use crate::{
    config::MetricsAccess,
    http::{body::NoBody, credentials::Operator, route_policy::RoutePolicy},
    metrics::{Form, Sample},
    problem::{ApiError, api_errors},
    state::Gateway,
};

/// Liveness
///
/// Answers as long as the process can answer at all.
#[utoipa::path(
    operation_id = "getLiveness",
    tag = "platform",
    responses((status = 200, description = "The process is alive.", body = HealthResponse), GetLivenessErrors),
    security(())
)]
#[get("/livez", wrap = "RoutePolicy::new().always_admitted()")]
pub async fn livez(_: NoBody) -> HttpResponse {
    HttpResponse::Ok().json(HealthResponse { success: true })
}

/// Whether a request that has begun like this is a probe.
#[must_use]
pub fn is_probe(begun: &[u8]) -> bool {
    ["GET /livez ", "GET /readyz "].iter().any(|line| begun.starts_with(line.as_bytes()))
}

api_errors!(GetLivenessErrors: BadRequest, BodyTooLarge, RequestTimeout;);
api_errors!(GetReadinessErrors: BadRequest, BodyTooLarge, RequestTimeout, Draining, EngineUnavailable;);

/// Readiness
///
/// Fails while the gateway shuts down and while it cannot reach its engine.
#[utoipa::path(
    operation_id = "getReadiness",
    tag = "platform",
    responses((status = 200, description = "The gateway takes requests.", body = HealthResponse), GetReadinessErrors),
    security(())
)]
#[get("/readyz", wrap = "RoutePolicy::new().always_admitted()")]
pub async fn readyz(_: NoBody, gateway: Data<Gateway>) -> Result<HttpResponse, ApiError> {
    if gateway.is_draining() {
        return Err(ProblemKind::Draining.into());
    }
    gateway.engine.ready().await?;
    Ok(HttpResponse::Ok().json(HealthResponse { success: true }))
}

api_errors!(GetMetricsErrors:
    BadRequest, OperatorKeyUnknown, RequestTimeout, BodyTooLarge, TooManyWrongKeys;
);

/// Metrics
///
/// The metrics of this process, for Prometheus. Needs the operator key, unless the gateway runs with
/// `--metrics open`.
#[utoipa::path(
    operation_id = "getMetrics",
    tag = "platform",
    responses(
        (
            status = 200,
            description = "The metrics, in the OpenMetrics text format, or in the older one of Prometheus where `Accept` prefers `text/plain`.",
            content(
                (String = "application/openmetrics-text", example = "# HELP connectsocket_sockets Open sockets.\n# TYPE connectsocket_sockets gauge\nconnectsocket_sockets 0\n# EOF\n"),
                (String = "text/plain", example = "# HELP connectsocket_sockets Open sockets.\n# TYPE connectsocket_sockets gauge\nconnectsocket_sockets 0\n")
            )
        ),
        GetMetricsErrors
    ),
    security(("operatorKey" = []))
)]
#[get("/metrics", wrap = "RoutePolicy::new().always_admitted()")]
pub async fn get_metrics(
    body: Result<NoBody, ApiError>,
    request: HttpRequest,
    streams: Data<Streams>,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    if gateway.config.http.metrics == MetricsAccess::Operator {
        Operator::extract(&request).await?;
    }
    body?;
    let accept = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let form = Form::preferred(&accept.collect::<Vec<_>>().join(","));
    let registry = &gateway.registry;
    let sample = Sample {
        engine: gateway.engine.stats().await,
        limits: &gateway.limits,
        descriptors: &gateway.descriptors,
        event_streams: (streams.open_now() as u64, gateway.config.operator.event_streams.into()),
        waiting_requests: registry.acknowledgements.waiting(),
        expired_messages: registry.expired_messages(),
    };
    let text = gateway.metrics.exposition(&sample, form).map_err(|_| ProblemKind::Internal)?;
    let mut response = HttpResponse::Ok();
    response.content_type(form.media_type()).insert_header((header::VARY, "Accept"));
    Ok(response.body(text))
}
