//! The request body: read whole, within a limit and a deadline, before anything is answered.
//!
//! actix closes a connection whose request it answers with the body unread. So the scope of each
//! request reads the body first, and a refusal keeps the connection.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{Extensions, Payload, ServiceRequest},
    http::header,
    web::{Bytes, BytesMut},
};
use api_types::{
    body::{self, RequestBody},
    problem::ProblemKind,
};
use futures_util::StreamExt;

use crate::{config::Config, problem::ApiError};

/// A body as it arrived: its bytes, or why there are none.
type Arrived = Result<Bytes, ApiError>;

/// Reads the body of `request` and keeps it for [`Json`].
pub async fn read(request: &mut ServiceRequest, config: &Config) {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return;
    }
    let at_most =
        if is_message(request.path()) { config.message_body_bytes } else { config.body_bytes };
    let reading = collect(payload, at_most as usize);
    let arrived = tokio::time::timeout(config.body_timeout, reading)
        .await
        .unwrap_or_else(|_| Err(late(config.body_timeout)));
    request.extensions_mut().insert(arrived);
}

/// Has a request count as one whose body cannot be read.
pub fn refuse(extensions: &mut Extensions) {
    extensions.insert(Arrived::Err(ProblemKind::BadRequest.into()));
}

/// Whether the body holds a message of the operator's, which may be larger than others.
fn is_message(path: &str) -> bool {
    path.starts_with("/operator/") && path.ends_with("/messages")
}

async fn collect(mut payload: Payload, at_most: usize) -> Arrived {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ProblemKind::BadRequest)?;
        if body.len() + chunk.len() > at_most {
            return Err(too_large(at_most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large(at_most: usize) -> ApiError {
    let detail = format!("A body has at most {at_most} bytes here.");
    ApiError::with_detail(ProblemKind::BodyTooLarge, detail)
}

fn late(after: Duration) -> ApiError {
    let detail = format!("Send the whole body within {}.", humantime::format_duration(after));
    ApiError::with_detail(ProblemKind::RequestTimeout, detail)
}

/// No body is needed: one that arrives whole is read past, and one that does not is refused.
pub struct NoBody;

impl FromRequest for NoBody {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Arrived>() {
            Some(Err(refusal)) => Err(refusal.clone()),
            Some(Ok(_)) | None => Ok(Self),
        })
    }
}

/// A JSON body, or why it is refused: an operation looks at its token first.
pub struct Json<T>(Result<T, ApiError>);

impl<T> Json<T> {
    /// The body.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn accepted(self) -> Result<T, ApiError> {
        self.0
    }
}

impl<T: RequestBody> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(parse(request))))
    }
}

fn parse<T: RequestBody>(request: &HttpRequest) -> Result<T, ApiError> {
    let extensions = request.extensions();
    let bytes = match extensions.get::<Arrived>() {
        Some(Ok(bytes)) => bytes.as_ref(),
        Some(Err(refusal)) => return Err(refusal.clone()),
        None => &[],
    };
    if !says_json(request) {
        return Err(ProblemKind::UnsupportedMediaType.into());
    }
    Ok(body::parse(bytes)?)
}

/// Whether the body is said to be JSON; JSON is UTF-8 (RFC 8259), so a parameter changes nothing.
fn says_json(request: &HttpRequest) -> bool {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(said), None) = (types.next(), types.next()) else {
        return false;
    };
    let said = said.to_str().unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
