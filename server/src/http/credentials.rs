//! Who asks: a prospect by its token, the operator by its key.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderValue},
};
use api_types::problem::ProblemKind;

use super::client_address::client_address;
use engine::Digest;

use crate::{problem::ApiError, secret, state::Gateway};

/// The header that a prospect's token travels in: the document's.
pub const TOKEN_HEADER: &str = "token";

/// The token that a prospect shows, as its digest. Whether it is good, the engine knows.
pub struct Token(pub Digest);

impl FromRequest for Token {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match shown(request) {
            Shown::Nothing => Err(ProblemKind::TokenMissing.into()),
            Shown::Something => Err(ProblemKind::TokenMalformed.into()),
            Shown::Token(digest) => Ok(Self(digest)),
        })
    }
}

/// The token that a prospect shows where it needs none: what cannot be one counts as absent.
pub struct AnyToken(pub Option<Digest>);

impl FromRequest for AnyToken {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(match shown(request) {
            Shown::Nothing | Shown::Something => None,
            Shown::Token(digest) => Some(digest),
        })))
    }
}

enum Shown {
    Nothing,
    Something,
    Token(Digest),
}

fn shown(request: &HttpRequest) -> Shown {
    let mut values = request.headers().get_all(TOKEN_HEADER);
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (None, _) => Shown::Nothing,
        (Some(token), None) if secret::is_token(token) => Shown::Token(Digest::of(token)),
        (Some(_), _) => Shown::Something,
    }
}

/// The operator, who showed a key.
pub struct Operator;

impl FromRequest for Operator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(operator(request).map(|()| Self))
    }
}

fn operator(request: &HttpRequest) -> Result<(), ApiError> {
    let gateway = Gateway::of(request);
    let key = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    if key.is_some_and(|key| gateway.knows_operator_key(key)) {
        return Ok(());
    }
    let address = client_address(request, &gateway.config.trusted_proxies);
    gateway
        .wrong_keys
        .count(address)
        .map_err(|wait| ApiError::for_a_while(ProblemKind::TooManyWrongKeys, wait))?;
    Err(ProblemKind::OperatorKeyUnknown.into())
}
