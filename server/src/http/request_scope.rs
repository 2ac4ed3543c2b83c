//! The scope of one request: its id, its log line, its metrics, the headers of its answer, and the
//! one place where a refusal is rendered.

use std::time::Instant;

use actix_http::ConnectionType;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use api_types::problem::ProblemKind;

use super::{
    admission::is_newcomer,
    body,
    client_address::client_address,
    request_id::{REQUEST_ID_HEADER, RequestId},
};
use crate::{
    problem::{self, ApiError},
    state::Gateway,
};

/// Marks a request that was HEAD.
struct Head;

/// Whether a request was HEAD: only its headers are wanted.
pub fn is_head(request: &HttpRequest) -> bool {
    request.extensions().contains::<Head>()
}

/// What the answer tells a browser, where a handler does not say otherwise.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
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
        request.extensions_mut().insert(Head);
    }
    // A newcomer is refused whatever it sends, so that is not waited for.
    if !is_newcomer(request.request()) {
        body::read(&mut request, &gateway.config).await;
    }
    let address = client_address(request.request(), &gateway.config.trusted_proxies);

    let (asked, answer) = match next.call(request).await {
        Ok(answer) => {
            let (asked, answer) = answer.map_into_boxed_body().into_parts();
            (Some(asked), answer)
        }
        // actix hands back no request with an error.
        Err(error) => (None, error.error_response()),
    };
    let (mut response, refused) = rendered(answer, &method, &id.0);
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
        method = logged(&method),
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
    headers.insert(HeaderName::from_static(REQUEST_ID_HEADER), problem::request_id_value(&id.0));
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// A method as it is logged: what is none of the usual ones may be anything.
fn logged(method: &Method) -> &'static str {
    const USUAL: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    USUAL.into_iter().find(|usual| *usual == method.as_str()).unwrap_or("other")
}

/// The response, with a refusal rendered and any foreign error made one of ours.
fn rendered(
    mut response: HttpResponse,
    method: &Method,
    request_id: &str,
) -> (HttpResponse, Option<ProblemKind>) {
    let refusal = response.extensions_mut().remove::<ApiError>();
    let refusal = match refusal {
        Some(refusal) => refusal,
        // The only answer to OPTIONS that is made elsewhere is a preflight's.
        None if method == Method::OPTIONS && response.status() == StatusCode::BAD_REQUEST => {
            ProblemKind::OriginRefused.into()
        }
        None if response.status().is_client_error() || response.status().is_server_error() => {
            problem::by_status(response.status())
        }
        None => return (response, None),
    };
    let mut rendered = refusal.render(request_id);
    if response.head().connection_type() == ConnectionType::Close {
        rendered.head_mut().set_connection_type(ConnectionType::Close);
    }
    // What was set on the way out stays: CORS, for one.
    for (name, value) in response.headers() {
        if !rendered.headers().contains_key(name) && name != header::CONTENT_TYPE {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    (rendered, Some(refusal.kind))
}
