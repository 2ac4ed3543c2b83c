//! Which web pages may call the gateway (CORS): those of the origins that the operator names.

use actix_cors::Cors;
use actix_web::http::header;

use super::credentials::TOKEN_HEADER;
use crate::request_id::REQUEST_ID_HEADER;

/// How long a browser caches the answer to a preflight: an hour.
const MAX_AGE_SECONDS: usize = 3600;

/// The middleware that answers preflights and marks answers as readable for `allowed_origins`. Pages
/// of the gateway's own origin need neither.
pub fn cors(allowed_origins: &[String]) -> Cors {
    let mut cors = Cors::default()
        .allowed_methods(["GET", "POST", "PUT", "DELETE"])
        .allowed_headers([
            TOKEN_HEADER,
            header::CONTENT_TYPE.as_str(),
            header::AUTHORIZATION.as_str(),
        ])
        .expose_headers([REQUEST_ID_HEADER, header::RETRY_AFTER.as_str()])
        .block_on_origin_mismatch(false)
        .max_age(MAX_AGE_SECONDS);
    for origin in allowed_origins {
        cors = cors.allowed_origin(origin);
    }
    cors
}
