//! The header `Idempotency-Key`, by which a repeated request takes effect once.

use actix_web::HttpRequest;
use api_types::problem::ProblemKind;
use engine::Digest;

use crate::problem::ApiError;

pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// The digest of the request's key, if it has one. The key must be one header that follows the rule.
pub fn idempotency_key(
    request: &HttpRequest,
    accepts: fn(&str) -> bool,
) -> Result<Option<Digest>, ApiError> {
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY_HEADER);
    let Some(key) = keys.next() else { return Ok(None) };
    if !key.to_str().is_ok_and(accepts) || keys.next().is_some() {
        return Err(ProblemKind::IdempotencyKeyMalformed.into());
    }
    Ok(Some(Digest::of(key.as_bytes())))
}
