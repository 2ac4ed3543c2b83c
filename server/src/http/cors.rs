//! Which web pages may call the gateway (CORS): those of the origins that the operator allows.

use actix_cors::Cors;
use actix_web::http::header::HeaderValue;
use api_types::problem::ProblemKind;

use super::{credentials::TOKEN_HEADER, idempotency_key::IDEMPOTENCY_KEY_HEADER};
use crate::{origin, problem::ApiError, request_id::REQUEST_ID_HEADER};

/// How long a browser caches the answer to a preflight: an hour.
const MAX_AGE_SECONDS: usize = 3600;

/// Longer origins are not logged, in characters.
const MAX_LOGGED: usize = 200;

/// The request headers of the contract.
const REQUEST_HEADERS: [&str; 6] = [
    TOKEN_HEADER,
    "content-type",
    "authorization",
    IDEMPOTENCY_KEY_HEADER,
    "last-event-id",
    "if-none-match",
];

/// The response headers that a script may read.
const RESPONSE_HEADERS: [&str; 7] =
    [REQUEST_ID_HEADER, "retry-after", "etag", "allow", "deprecation", "sunset", "link"];

/// The middleware that answers preflights and marks answers as readable for `allowed_origins`. Pages
/// of the gateway's own origin need neither.
pub fn cors(allowed_origins: &[String]) -> Cors {
    let allowed: Vec<HeaderValue> =
        allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    Cors::default()
        .allowed_origin_fn(move |origin, _| allowed.contains(origin))
        .allowed_methods(["GET", "POST", "PUT", "DELETE"])
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(RESPONSE_HEADERS)
        .block_on_origin_mismatch(false)
        .max_age(MAX_AGE_SECONDS)
}

/// Why a preflight from `origin` is refused.
pub fn preflight_refusal(origin: Option<&HeaderValue>, allowed_origins: &[String]) -> ApiError {
    let origin = origin.and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    if !allowed_origins.iter().any(|allowed| allowed == origin) {
        return origin_refusal(origin);
    }
    let headers = REQUEST_HEADERS.join(", ");
    let detail = format!(
        "The origin is allowed, the preflight is not: ask for one of the methods GET, POST, PUT and \
         DELETE, and for no other headers than {headers}."
    );
    ApiError::with_detail(ProblemKind::BadRequest, detail)
}

/// Refuses an origin and logs it, so that the operator knows what to allow.
pub fn origin_refusal(origin: &str) -> ApiError {
    // Anything may stand in the header, a secret among it.
    let well_formed = Some(origin).filter(|origin| origin::is_valid(origin));
    if let Some(origin) = well_formed.filter(|origin| origin.len() <= MAX_LOGGED) {
        tracing::info!(origin, "origin refused");
    } else {
        tracing::info!("malformed origin refused");
    }
    let detail = "The operator allows an origin with the setting --allowed-origin; the gateway's log \
                  names the origin that was sent.";
    ApiError::with_detail(ProblemKind::OriginRefused, detail)
}
