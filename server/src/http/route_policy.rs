//! What a route allows, declared in the attribute of its operation:
//!
//! ```ignore
//! #[post("/operator/prospects/{deviceTag}/messages", wrap = "RoutePolicy::LARGE_BODY")]
//! ```
//!
//! Every route has a policy, [`not_found`](super::not_found) too: it decides whether the connection
//! is admitted, and it reads the body. Who may call is declared beside it, by the handler's first
//! argument: [`Token`](super::credentials::Token), [`AnyToken`](super::credentials::AnyToken) or
//! [`Operator`](super::credentials::Operator); without one the operation is open.

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::future::LocalBoxFuture;

use super::{admission, body};
use crate::{config::HttpConfig, state::Gateway};

/// What one route allows. See the module for how it is declared.
#[derive(Debug, Clone, Copy)]
pub struct RoutePolicy {
    body_limit: BodyLimit,
    always_admitted: bool,
}

/// Which setting limits the request body.
#[derive(Debug, Clone, Copy)]
enum BodyLimit {
    /// `--body-bytes`.
    Default,
    /// `--message-body-bytes`.
    Message,
}

impl RoutePolicy {
    /// The policy of most routes: bodies of up to `--body-bytes`, and 503 on a connection beyond
    /// the limit of descriptors.
    #[must_use]
    pub const fn new() -> Self {
        Self { body_limit: BodyLimit::Default, always_admitted: false }
    }

    /// Takes bodies of up to `--message-body-bytes`.
    #[must_use]
    pub const fn message_body(self) -> Self {
        Self { body_limit: BodyLimit::Message, ..self }
    }

    /// Answers on every connection, also on one beyond the limit of descriptors: for probes, and
    /// for a handler that checks by itself.
    #[must_use]
    pub const fn always_admitted(self) -> Self {
        Self { always_admitted: true, ..self }
    }

    fn max_body_bytes(self, config: &HttpConfig) -> u32 {
        match self.body_limit {
            BodyLimit::Default => config.body_bytes,
            BodyLimit::Message => config.message_body_bytes,
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RoutePolicy
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = PolicedRoute<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, route: S) -> Self::Future {
        ready(Ok(PolicedRoute { policy: *self, route: Rc::new(route) }))
    }
}

/// A route behind its policy.
pub struct PolicedRoute<S> {
    policy: RoutePolicy,
    route: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for PolicedRoute<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(route);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        if !self.policy.always_admitted && admission::is_newcomer(request.request()) {
            // What it sends is not waited for.
            return Box::pin(ready(Ok(request.into_response(admission::refusal()))));
        }
        let (policy, route) = (self.policy, Rc::clone(&self.route));
        Box::pin(async move {
            let gateway = Gateway::of(request.request()).clone();
            let config = &gateway.config.http;
            body::read(&mut request, policy.max_body_bytes(config) as usize, config.body_timeout)
                .await;
            Ok(route.call(request).await?.map_into_boxed_body())
        })
    }
}
