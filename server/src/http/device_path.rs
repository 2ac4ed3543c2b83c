//! The device tag in a path.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Path};
use api_types::{device_tag::DeviceTag, problem::ProblemKind};

use crate::problem::ApiError;

/// The `{deviceTag}` of the path, which may be malformed. A handler gets at the tag by saying what
/// a malformed one is answered with.
pub struct DevicePath(Option<DeviceTag>);

impl DevicePath {
    /// The tag.
    ///
    /// # Errors
    /// `malformed`, where the text in the path cannot be a device tag.
    pub fn tag_or(self, malformed: ProblemKind) -> Result<DeviceTag, ApiError> {
        self.0.ok_or_else(|| malformed.into())
    }
}

impl FromRequest for DevicePath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let text = Path::<String>::from_request(request, payload).into_inner();
        ready(Ok(Self(text.ok().and_then(|text| DeviceTag::new(text.into_inner())))))
    }
}
