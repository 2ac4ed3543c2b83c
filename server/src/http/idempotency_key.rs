//! The header `Idempotency-Key`, by which a repeated request takes effect once.

use std::ops::RangeInclusive;

use actix_web::{HttpRequest, http::header::HeaderValue};
use api_types::problem::ProblemKind;
use engine::Digest;

use crate::problem::ApiError;

pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// The digest of the request's key, if it has one. The key must be one header of so many visible
/// ASCII characters.
pub fn idempotency_key(
    request: &HttpRequest,
    length: RangeInclusive<usize>,
) -> Result<Option<Digest>, ApiError> {
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY_HEADER).map(HeaderValue::as_bytes);
    let Some(key) = keys.next() else { return Ok(None) };
    let well_formed = length.contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if !well_formed || keys.next().is_some() {
        return Err(ProblemKind::IdempotencyKeyMalformed.into());
    }
    Ok(Some(Digest::of(key)))
}
