//! `GET /livez`, `GET /readyz` and `GET /metrics`: for the platform that runs the gateway.

use actix_web::{FromRequest, HttpRequest, HttpResponse, get, web::Data};
use api_types::{health::HealthResponse, problem::ProblemKind};

use crate::{
    config::MetricsAccess,
    http::{body::NoBody, credentials::Operator, route_policy::RoutePolicy},
    metrics,
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
            description = "The metrics, in the OpenMetrics text format.",
            body = String,
            content_type = "application/openmetrics-text",
            example = "# HELP connectsocket_sockets Open sockets.\n# TYPE connectsocket_sockets gauge\nconnectsocket_sockets 0\n# EOF\n"
        ),
        GetMetricsErrors
    ),
    security(("operatorKey" = []))
)]
#[get("/metrics", wrap = "RoutePolicy::new().always_admitted()")]
pub async fn get_metrics(
    body: Result<NoBody, ApiError>,
    request: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    if gateway.config.http.metrics == MetricsAccess::Operator {
        Operator::extract(&request).await?;
    }
    body?;
    let text = gateway.metrics.exposition().map_err(|_| ProblemKind::Internal)?;
    Ok(HttpResponse::Ok().content_type(metrics::MEDIA_TYPE).body(text))
}
