//! The parameters in the query of a URL.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Query};
use api_types::problem::ProblemKind;
use serde::de::DeserializeOwned;

use crate::problem::ApiError;

/// The parameters of the query as a `T`: 422 for one that is unknown, repeated or not a `T`'s.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Parameters<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match Query::from_query(request.query_string()) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(_) => Err(ProblemKind::InvalidParameter.into()),
        })
    }
}
