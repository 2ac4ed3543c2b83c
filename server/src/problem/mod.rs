//! How a refusal becomes an answer and how the contract shows it: one shape, one registry.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use api_types::{
    body::{self, BodyError, RequestBody},
    problem::{FieldError, Problem, ProblemKind},
};
use utoipa::openapi::{
    ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
    example::{Example, ExampleBuilder},
};

use engine::{AuthoriseError, RequestTokenError, SendError, TokenError, Unavailable};

/// The media type of every refusal (RFC 9457).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// How long a client waits where the gateway cannot know better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request is refused. Handlers return it; the request's scope renders it, because only the
/// scope knows the request's id.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// Which problem it is.
    pub kind: ProblemKind,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    allow: Option<String>,
}

impl ApiError {
    /// A refusal with more exact words than its kind's.
    #[must_use]
    pub fn with_detail(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..kind.into() }
    }

    /// A refusal that is over after some time.
    #[must_use]
    pub fn for_a_while(kind: ProblemKind, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..kind.into() }
    }

    /// The path takes other methods: these.
    #[must_use]
    pub fn method_not_allowed(allow: String) -> Self {
        Self { allow: Some(allow), ..ProblemKind::MethodNotAllowed.into() }
    }

    /// These fields are wrong.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self { errors, ..ProblemKind::InvalidFields.into() }
    }

    /// The problem as the client reads it.
    #[must_use]
    pub fn problem(&self, request_id: &str) -> Problem {
        let mut problem = Problem::new(self.kind, request_id);
        if let Some(detail) = &self.detail {
            detail.as_ref().clone_into(&mut problem.detail);
        }
        problem.errors.clone_from(&self.errors);
        problem
    }

    /// The whole answer.
    #[must_use]
    pub fn render(&self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        response.content_type(MEDIA_TYPE);
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
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

    /// Rounded up, so that who waits that long does not come too early.
    fn retry_after_seconds(&self) -> Option<u64> {
        let wait = match self.kind.status() {
            429 | 503 => self.retry_after.unwrap_or(RETRY_AFTER),
            _ => self.retry_after?,
        };
        Some(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
    }
}

impl From<ProblemKind> for ApiError {
    fn from(kind: ProblemKind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), retry_after: None, allow: None }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.title())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Empty but for the refusal itself: see [`ApiError`].
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::new(self.status_code());
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotJson(place) => Self::with_detail(
                ProblemKind::MalformedJson,
                format!("The body {place}. {}", ProblemKind::MalformedJson.detail()),
            ),
            BodyError::Fields(errors) => Self::fields(errors),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unknown => ProblemKind::TokenUnknown,
            TokenError::Expired => ProblemKind::TokenExpired,
            TokenError::Unavailable => ProblemKind::EngineUnavailable,
        }
        .into()
    }
}

impl From<RequestTokenError> for ApiError {
    fn from(error: RequestTokenError) -> Self {
        match error {
            RequestTokenError::DeviceClaimed => ProblemKind::DeviceClaimed,
            RequestTokenError::DevicesFull => ProblemKind::DevicesFull,
            RequestTokenError::Unavailable => ProblemKind::EngineUnavailable,
        }
        .into()
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::UnknownDevice => ProblemKind::UnknownDevice.into(),
            SendError::OutboxFull(wait) => Self::for_a_while(ProblemKind::OutboxFull, wait),
            SendError::KeyReused => ProblemKind::IdempotencyKeyReused.into(),
            SendError::KeysFull(wait) => Self::for_a_while(ProblemKind::IdempotencyKeysFull, wait),
            SendError::Unavailable => ProblemKind::EngineUnavailable.into(),
        }
    }
}

impl From<AuthoriseError> for ApiError {
    fn from(error: AuthoriseError) -> Self {
        match error {
            AuthoriseError::Token(error) => error.into(),
            AuthoriseError::DeviceMismatch => ProblemKind::DeviceMismatch.into(),
            AuthoriseError::HalfRefSpent => ProblemKind::HalfRefSpent.into(),
            AuthoriseError::HalfRefForeign => ProblemKind::HalfRefForeign.into(),
            AuthoriseError::TooMany(wait) => {
                Self::for_a_while(ProblemKind::TooManyAuthorisations, wait)
            }
            AuthoriseError::Full(wait) => Self::for_a_while(ProblemKind::AuthorisationsFull, wait),
        }
    }
}

impl From<Unavailable> for ApiError {
    fn from(Unavailable: Unavailable) -> Self {
        ProblemKind::EngineUnavailable.into()
    }
}

/// A body that an operation refuses: in the contract as an example, in the tests as a request.
pub struct BadBody {
    /// The name of the example.
    pub name: &'static str,
    /// What is wrong with it, in a few words.
    pub summary: &'static str,
    /// What is sent.
    pub body: &'static [u8],
}

/// The request id in the contract's examples.
pub const EXAMPLE_REQUEST_ID: &str = "5f0c3a9be2d1-0000002a";

/// The responses of an operation that can refuse in these ways, one for each status. Where bodies
/// are shown that are refused, they stand for their kind.
#[must_use]
pub fn responses(
    kinds: &[ProblemKind],
    bodies: &[BodyExample],
) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status()).or_default().push(*kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| {
            let examples = kinds.iter().flat_map(|kind| {
                let shown: Vec<_> = bodies
                    .iter()
                    .filter(|body| body.kind == *kind)
                    .map(|body| (body.name.to_owned(), body.example.clone()))
                    .collect();
                if shown.is_empty() { vec![example_of(*kind)] } else { shown }
            });
            (status.to_string(), response(status, &kinds, examples.collect()).into())
        })
        .collect()
}

fn response(status: u16, kinds: &[ProblemKind], examples: Vec<(String, Example)>) -> Response {
    let titles: Vec<_> =
        kinds.iter().map(|kind| format!("`{}`: {}.", kind.name(), kind.title())).collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response =
        ResponseBuilder::new().description(titles.join(" ")).content(MEDIA_TYPE, content);
    if matches!(status, 429 | 503) {
        response = response.header_ref("Retry-After", Ref::new("#/components/headers/RetryAfter"));
    }
    response.build()
}

fn example_of(kind: ProblemKind) -> (String, Example) {
    let refusal = ApiError::from(kind);
    (kind.name().to_owned(), example(kind.title(), &refusal))
}

fn example(summary: &str, refusal: &ApiError) -> Example {
    let problem = serde_json::to_value(refusal.problem(EXAMPLE_REQUEST_ID)).unwrap_or_default();
    ExampleBuilder::new().summary(summary).value(Some(problem)).build()
}

/// A body that is refused, as an example of its kind.
pub struct BodyExample {
    kind: ProblemKind,
    name: &'static str,
    example: Example,
}

/// The examples of what an operation answers to these bodies: made by refusing them.
#[must_use]
pub fn examples<T: RequestBody>(bodies: &[BadBody]) -> Vec<BodyExample> {
    bodies
        .iter()
        .filter_map(|bad| {
            let refusal = ApiError::from(body::parse::<T>(bad.body).err()?);
            let example = example(bad.summary, &refusal);
            Some(BodyExample { kind: refusal.kind, name: bad.name, example })
        })
        .collect()
}

/// Names the ways in which one operation refuses, for its part of the contract.
macro_rules! api_errors {
    ($name:ident: $($kind:ident),+ $(,)?; $($body:ty: $samples:expr)?) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                let examples: Vec<Vec<$crate::problem::BodyExample>> =
                    vec![$($crate::problem::examples::<$body>($samples))?];
                let examples: Vec<_> = examples.into_iter().flatten().collect();
                $crate::problem::responses(&[$(api_types::problem::ProblemKind::$kind),+], &examples)
            }
        }
    };
}
pub(crate) use api_errors;

/// A refusal for an answer that was made elsewhere, by its status.
#[must_use]
pub fn by_status(status: StatusCode) -> ApiError {
    match status.as_u16() {
        404 => ProblemKind::NotFound,
        405 => ProblemKind::MethodNotAllowed,
        408 => ProblemKind::RequestTimeout,
        413 => ProblemKind::BodyTooLarge,
        415 => ProblemKind::UnsupportedMediaType,
        400..500 => ProblemKind::BadRequest,
        _ => ProblemKind::Internal,
    }
    .into()
}

/// The value of the header that names a request.
#[must_use]
pub fn request_id_value(request_id: &str) -> HeaderValue {
    HeaderValue::from_str(request_id).unwrap_or(HeaderValue::from_static("unknown"))
}
