//! Which web pages may call the gateway (CORS): those of the origins that the operator names.

use actix_cors::Cors;
use actix_web::http::header;

use super::{credentials::TOKEN_HEADER, request_id::REQUEST_ID_HEADER};

/// An hour: how long a browser remembers the answer.
const MAX_AGE_SECONDS: usize = 3600;

/// What browsers are told. A page of the gateway's own origin needs no leave.
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
