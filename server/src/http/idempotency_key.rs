//! The header `Idempotency-Key`, by which a repeated request takes effect once.

use actix_web::HttpRequest;
use api_types::problem::ProblemKind;
use engine::Digest;

use crate::problem::ApiError;

pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// The digest of the request's key, if it has one. The key must be one header that follows the rule, of
/// which `requirement` is what a value breaks.
pub fn idempotency_key(
    request: &HttpRequest,
    requirement: fn(&str) -> Option<String>,
) -> Result<Option<Digest>, ApiError> {
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY_HEADER);
    let Some(key) = keys.next() else { return Ok(None) };
    let refusal = ProblemKind::IdempotencyKeyMalformed;
    if keys.next().is_some() {
        return Err(refusal.into());
    }
    if let Some(broken) = requirement(key.to_str().map_err(|_| refusal)?) {
        return Err(ApiError::with_detail(refusal, format!("The key {broken}.")));
    }
    Ok(Some(Digest::of(key.as_bytes())))
}
