//! The scope of one request: its id, its log line, its metrics, the headers of its answer, and the
//! one place where a refusal is rendered.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use actix_http::ConnectionType;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use api_types::problem::ProblemKind;

use super::{address::client_address, body};
use crate::{
    gateway::Gateway,
    problem::{self, Refusal},
};

/// The header that names a request in its answer.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// Names requests: unlike in one process and, most likely, between processes.
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids of a new process.
    #[must_use]
    pub fn new() -> Self {
        let process = getrandom::u64().expect("the operating system has random numbers");
        Self {
            process: process >> 16,
            next: AtomicU64::new(1),
        }
    }

    fn next(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:012x}-{count:08x}", self.process))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

/// The name of one request.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// What the answer tells a browser, where a handler does not say otherwise.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
];

/// Wraps every request.
///
/// # Errors
/// Never: what goes wrong inside is rendered here.
pub async fn scope(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let gateway = Gateway::of(request.request()).clone();
    let id = gateway.request_ids.next();
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    if method == Method::HEAD {
        // HEAD is GET without the body (RFC 9110), and actix leaves the body out by itself.
        request.head_mut().method = Method::GET;
    }
    body::read(&mut request, &gateway.config).await;

    let address = client_address(request.request(), &gateway.config.trusted_proxies);

    let (asked, answer) = if gateway.descriptors.is_full() && !is_probe(request.path()) {
        let refusal = Refusal::from(ProblemKind::OutOfDescriptors);
        (Some(request.into_parts().0), refusal.error_response())
    } else {
        match next.call(request).await {
            Ok(answer) => {
                let (asked, answer) = answer.map_into_boxed_body().into_parts();
                (Some(asked), answer)
            }
            // actix hands back no request with an error.
            Err(error) => (None, error.error_response()),
        }
    };
    let (mut response, refused) = rendered(answer, &id.0);
    if refused == Some(ProblemKind::OutOfDescriptors) {
        response
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    add_headers(response.headers_mut(), &id);

    let status = response.status().as_u16();
    // The route, not the path: a path or a query can hold what should not be logged.
    let route = asked.as_ref().and_then(HttpRequest::match_pattern);
    let route = route.as_deref().unwrap_or("none");
    let problem = refused.map(ProblemKind::name);
    let took = started.elapsed();
    gateway.metrics.answered(route, status, problem, took);
    tracing::info!(
        requestId = %id.0,
        method = %method,
        route,
        status,
        problem,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        %address,
        "request"
    );
    match asked {
        Some(asked) => Ok(ServiceResponse::new(asked, response)),
        None => Err(InternalError::from_response("refused", response).into()),
    }
}

fn add_headers(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(
        HeaderName::from_static(REQUEST_ID_HEADER),
        problem::request_id_value(&id.0),
    );
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Probes are answered even when nobody else is.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics")
}

/// The response, with a refusal rendered and any foreign error made one of ours.
fn rendered(mut response: HttpResponse, request_id: &str) -> (HttpResponse, Option<ProblemKind>) {
    let refusal = response.extensions_mut().remove::<Refusal>();
    let refusal = match refusal {
        Some(refusal) => refusal,
        None if response.status().is_client_error() || response.status().is_server_error() => {
            problem::by_status(response.status())
        }
        None => return (response, None),
    };
    let mut rendered = refusal.render(request_id);
    // What was set on the way out stays: CORS, for one.
    for (name, value) in response.headers() {
        if !rendered.headers().contains_key(name) && name != header::CONTENT_TYPE {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    (rendered, Some(refusal.kind))
}
