//! Who calls: a prospect with its token, or the operator with its key. A handler declares it by its
//! first argument.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderValue},
};
use api_types::problem::ProblemKind;

use engine::TokenId;

use super::client_address::client_address;
use crate::{problem::ApiError, secret, state::Gateway};

/// The header that carries a prospect's token, as the document has it.
pub const TOKEN_HEADER: &str = "token";

/// The token of a prospect, as its digest. The engine checks whether it is live.
pub struct Token(pub TokenId);

impl FromRequest for Token {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match token_header(request) {
            TokenHeader::Absent => Err(ProblemKind::TokenMissing.into()),
            TokenHeader::Malformed => Err(ProblemKind::TokenMalformed.into()),
            TokenHeader::Token(token) => Ok(Self(token)),
        })
    }
}

/// The token of a prospect where none is needed: a malformed one counts as absent.
pub struct AnyToken(pub Option<TokenId>);

impl FromRequest for AnyToken {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(match token_header(request) {
            TokenHeader::Absent | TokenHeader::Malformed => None,
            TokenHeader::Token(token) => Some(token),
        })))
    }
}

/// What the header `token` holds.
enum TokenHeader {
    Absent,
    Malformed,
    Token(TokenId),
}

fn token_header(request: &HttpRequest) -> TokenHeader {
    let mut values = request.headers().get_all(TOKEN_HEADER);
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (None, _) => TokenHeader::Absent,
        (Some(token), None) if secret::is_token(token) => TokenHeader::Token(TokenId::of(token)),
        (Some(_), _) => TokenHeader::Malformed,
    }
}

/// The operator, authenticated by one of its keys.
pub struct Operator;

impl FromRequest for Operator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate_operator(request).map(|()| Self))
    }
}

fn authenticate_operator(request: &HttpRequest) -> Result<(), ApiError> {
    let gateway = Gateway::of(request);
    let key = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    if key.is_some_and(|key| gateway.is_operator_key(key)) {
        return Ok(());
    }
    let address = client_address(request, &gateway.config.http.trusted_proxies);
    gateway
        .wrong_keys
        .count(address)
        .map_err(|wait| ApiError::with_retry_after(ProblemKind::TooManyWrongKeys, wait))?;
    Err(ProblemKind::OperatorKeyUnknown.into())
}
