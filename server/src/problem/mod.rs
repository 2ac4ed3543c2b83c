//! Refusals: the error that a handler returns, how it is rendered ([`render`]) and how the contract
//! shows it ([`openapi`]). The registry of problem types is in `api_types::problem`.

pub mod openapi;
pub mod render;

use std::{borrow::Cow, time::Duration};

use actix_web::http::{
    StatusCode,
    header::{self, HeaderName},
};
use api_types::{
    body::BodyError,
    problem::{FieldError, Problem, ProblemKind},
};
use engine::{AuthoriseError, EngineError, ReleaseError, RequestTokenError, SendError, TokenError};

pub(crate) use openapi::api_errors;

/// Why a request is refused. Handlers return it and
/// `http::request_scope` renders it, because only the scope knows the
/// request's id.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", kind.title())]
pub struct ApiError {
    /// The type of the problem.
    pub kind: ProblemKind,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// A header of the answer that says what would be accepted.
    accepts: Option<Box<(HeaderName, String)>>,
}

impl ApiError {
    /// A refusal whose detail says more than its kind's.
    #[must_use]
    pub fn with_detail(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..kind.into() }
    }

    /// A refusal that ends by itself after `wait`, which becomes `Retry-After`.
    #[must_use]
    pub fn with_retry_after(kind: ProblemKind, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..kind.into() }
    }

    /// The path does not take the method. `allow` lists those that it takes, as in the header.
    #[must_use]
    pub fn method_not_allowed(allow: String) -> Self {
        Self {
            accepts: Some(Box::new((header::ALLOW, allow))),
            ..ProblemKind::MethodNotAllowed.into()
        }
    }

    /// The body has a content coding such as gzip, and none is supported.
    #[must_use]
    pub fn content_coding() -> Self {
        Self {
            detail: Some("Send the body as it is, without Content-Encoding.".into()),
            accepts: Some(Box::new((header::ACCEPT_ENCODING, "identity".to_owned()))),
            ..ProblemKind::UnsupportedMediaType.into()
        }
    }

    /// These fields of the body break rules.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self { errors, ..ProblemKind::InvalidFields.into() }
    }

    /// A refusal for an answer that actix made, by its status.
    #[must_use]
    pub fn by_status(status: StatusCode) -> Self {
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
}

impl From<ProblemKind> for ApiError {
    fn from(kind: ProblemKind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), retry_after: None, accepts: None }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotJson(error) => Self::with_detail(
                ProblemKind::MalformedJson,
                format!("{error}. {}", ProblemKind::MalformedJson.detail()),
            ),
            BodyError::InvalidFields(errors) => Self::fields(errors),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unknown => ProblemKind::TokenUnknown,
            TokenError::Expired => ProblemKind::TokenExpired,
            TokenError::Engine(error) => return error.into(),
        }
        .into()
    }
}

impl From<RequestTokenError> for ApiError {
    fn from(error: RequestTokenError) -> Self {
        match error {
            RequestTokenError::DeviceClaimed => ProblemKind::DeviceClaimed,
            RequestTokenError::DevicesFull => ProblemKind::DevicesFull,
            RequestTokenError::Engine(error) => return error.into(),
        }
        .into()
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::UnknownDevice => ProblemKind::UnknownDevice.into(),
            SendError::OutboxFull(wait) => Self::with_retry_after(ProblemKind::OutboxFull, wait),
            SendError::EventsFull => ProblemKind::EventsFull.into(),
            SendError::KeyReused => ProblemKind::IdempotencyKeyReused.into(),
            SendError::KeysFull(wait) => {
                Self::with_retry_after(ProblemKind::IdempotencyKeysFull, wait)
            }
            SendError::Engine(error) => error.into(),
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
                Self::with_retry_after(ProblemKind::TooManyAuthorisations, wait)
            }
        }
    }
}

impl From<ReleaseError> for ApiError {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::OtherStream => ProblemKind::EventUnknown.into(),
            ReleaseError::Engine(error) => error.into(),
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable => ProblemKind::EngineUnavailable,
            EngineError::OutcomeUnknown => ProblemKind::OutcomeUnknown,
        }
        .into()
    }
}
