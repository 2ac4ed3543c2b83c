//! The request body: read whole, within a limit and a deadline, before anything is answered.
//!
//! actix closes a connection whose request it answers with the body unread. So the scope of each
//! request reads the body first, and a refusal keeps the connection.

use std::future::{Ready, ready};

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

use crate::{config::Config, problem::Refusal};

/// A body as it arrived: its bytes, or why there are none.
type Arrived = Result<Bytes, ProblemKind>;

/// Reads the body of `request` and keeps it for [`Json`].
pub async fn read(request: &mut ServiceRequest, config: &Config) {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return;
    }
    let reading = collect(payload, config.body_bytes as usize);
    let arrived = tokio::time::timeout(config.body_timeout, reading)
        .await
        .unwrap_or(Err(ProblemKind::RequestTimeout));
    request.extensions_mut().insert(arrived);
}

/// Has a request count as one whose body cannot be read.
pub fn refuse(extensions: &mut Extensions) {
    extensions.insert(Arrived::Err(ProblemKind::BadRequest));
}

async fn collect(mut payload: Payload, at_most: usize) -> Arrived {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ProblemKind::BadRequest)?;
        if body.len() + chunk.len() > at_most {
            return Err(ProblemKind::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// No body is needed: one that arrives whole is read past, and one that does not is refused.
pub struct NoBody;

impl FromRequest for NoBody {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Arrived>() {
            Some(Err(kind)) => Err((*kind).into()),
            Some(Ok(_)) | None => Ok(Self),
        })
    }
}

/// A JSON body, or why it is refused: an operation looks at its token first.
pub struct Json<T>(Result<T, Refusal>);

impl<T> Json<T> {
    /// The body.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn accepted(self) -> Result<T, Refusal> {
        self.0
    }
}

impl<T: RequestBody> FromRequest for Json<T> {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(parse(request))))
    }
}

fn parse<T: RequestBody>(request: &HttpRequest) -> Result<T, Refusal> {
    let extensions = request.extensions();
    let bytes = match extensions.get::<Arrived>() {
        Some(Ok(bytes)) => bytes.as_ref(),
        Some(Err(kind)) => return Err((*kind).into()),
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
