//! How a refusal becomes an HTTP answer.

use std::time::Duration;

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    body::BoxBody,
    http::{StatusCode, header},
};
use api_types::problem::ProblemKind;

use super::ApiError;
use crate::spread::spread;

/// The media type of every refusal (RFC 9457).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// `Retry-After` where the gateway cannot know how long the refusal lasts.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// When a client should return that is refused for no fault of its own. The others are refused for the
/// same reason, so each gets another time.
#[must_use]
pub fn after_an_outage() -> Duration {
    Duration::from_secs(spread(1..=5))
}

impl ApiError {
    /// The whole answer.
    #[must_use]
    pub fn render(&self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        response.content_type(MEDIA_TYPE);
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some((name, value)) = self.accepts.as_deref() {
            response.insert_header((name, value.as_str()));
        }
        match self.kind.status() {
            401 => {
                let scheme = match self.kind {
                    ProblemKind::OperatorKeyUnknown => "Bearer",
                    _ => "Token",
                };
                response.insert_header((header::WWW_AUTHENTICATE, scheme));
            }
            426 => {
                response.insert_header((header::UPGRADE, "websocket"));
                response.insert_header((header::CONNECTION, "upgrade"));
                response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
            }
            _ => {}
        }
        response.body(serde_json::to_vec(&self.problem(request_id)).unwrap_or_default())
    }

    /// Rounded up, so that a client that waits that long is not early.
    fn retry_after_seconds(&self) -> Option<u64> {
        let wait = match self.kind.status() {
            429 => self.retry_after.unwrap_or(DEFAULT_RETRY_AFTER),
            503 => self.retry_after.unwrap_or_else(after_an_outage),
            _ => self.retry_after?,
        };
        Some(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// An answer without a body that carries the refusal to where it is rendered: see [`ApiError`].
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::new(self.status_code());
        response.extensions_mut().insert(self.clone());
        response
    }
}
