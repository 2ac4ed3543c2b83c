//! The request body: read whole, within a limit and a deadline, before the handler answers.
//!
//! actix closes a connection whose request is answered with the body unread. So the policy of each
//! route reads the body first, and a refusal keeps the connection.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{Extensions, Payload, ServiceRequest},
    http::header::{self, HeaderMap},
    web::{Bytes, BytesMut},
};
use api_types::{
    body::{self, RequestBody},
    problem::ProblemKind,
};
use futures_util::StreamExt;

use crate::problem::ApiError;

/// A body as it arrived: its bytes, or why there are none.
type Arrived = Result<Bytes, ApiError>;

/// Reads the body of `request` and keeps it for [`Json`] and [`NoBody`].
pub async fn read(request: &mut ServiceRequest, max_bytes: usize, deadline: Duration) {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return;
    }
    if request.headers().contains_key(header::EXPECT)
        && content_length(request.headers()).is_some_and(|length| length > max_bytes as u64)
    {
        request.extensions_mut().insert(Arrived::Err(too_large(max_bytes)));
        return;
    }
    let arrived = tokio::time::timeout(deadline, collect(payload, max_bytes))
        .await
        .unwrap_or_else(|_| Err(too_slow(deadline)));
    request.extensions_mut().insert(arrived);
}

/// The length that the request announces for its body.
#[must_use]
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Marks a request as one whose body is too large to be read.
pub fn refuse_as_too_large(extensions: &mut Extensions, max_bytes: usize) {
    extensions.insert(Arrived::Err(too_large(max_bytes)));
}

/// Marks a request as one whose body cannot be read.
pub fn refuse(extensions: &mut Extensions) {
    extensions.insert(Arrived::Err(ProblemKind::BadRequest.into()));
}

async fn collect(mut payload: Payload, max_bytes: usize) -> Arrived {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ProblemKind::BadRequest)?;
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large(max_bytes: usize) -> ApiError {
    let detail = format!("A body has at most {max_bytes} bytes here.");
    ApiError::with_detail(ProblemKind::BodyTooLarge, detail)
}

fn too_slow(deadline: Duration) -> ApiError {
    let detail = format!("Send the whole body within {}.", humantime::format_duration(deadline));
    ApiError::with_detail(ProblemKind::RequestTimeout, detail)
}

/// The operation takes no body: one that arrives whole is ignored, any other is refused.
pub struct NoBody;

impl FromRequest for NoBody {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Arrived>() {
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(_)) | None => Ok(Self),
        })
    }
}

/// A JSON body, or why it is refused. Extraction itself never fails, because the handler checks the
/// token first.
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
        Some(Err(error)) => return Err(error.clone()),
        None => &[],
    };
    if has_content_coding(request) {
        return Err(ApiError::content_coding());
    }
    if !is_json(request) {
        return Err(ProblemKind::UnsupportedMediaType.into());
    }
    Ok(body::parse(bytes)?)
}

/// Whether the body is encoded, for example with gzip (RFC 9110, section 8.4).
fn has_content_coding(request: &HttpRequest) -> bool {
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING);
    codings.any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Whether `Content-Type` says JSON. JSON is UTF-8 (RFC 8259), so its parameters change nothing.
fn is_json(request: &HttpRequest) -> bool {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let media_type = media_type.to_str().unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
