//! The outermost middleware: gives each request its id, its log line, its metrics and the headers of
//! its answer, and is the one place where a refusal is rendered.

use std::time::Instant;

use actix_http::ConnectionType;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode, Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
        uri::Authority,
    },
    middleware::Next,
    web::Data,
};
use api_types::problem::ProblemKind;

use super::{client_address::client_address, cors, deprecation::Deprecations};
use crate::{
    problem::ApiError,
    request_id::{REQUEST_ID_HEADER, RequestId},
    state::Gateway,
};

/// Marks a request whose method was HEAD.
struct Head;

/// Whether the request was HEAD, which handlers see as GET: a stream need not begin for it.
pub fn is_head(request: &HttpRequest) -> bool {
    request.extensions().contains::<Head>()
}

/// Headers for browsers, unless the handler sets them itself.
const DEFAULT_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Wraps every request.
///
/// # Errors
/// An error of actix's own, with the rendered answer inside: actix returns no request with an error.
pub async fn request_scope(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let gateway = Gateway::of(request.request()).clone();
    let id = gateway.request_ids.next();
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    if method == Method::HEAD {
        // HEAD is GET without the body (RFC 9110), which actix omits by itself.
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(Head);
    }
    let address = client_address(request.request(), &gateway.config.http.trusted_proxies);
    let offers_upgrade = request.head().connection_type() == ConnectionType::Upgrade;

    let version = request.version();
    let preflight_origin =
        (method == Method::OPTIONS).then(|| request.headers().get(header::ORIGIN).cloned());

    let (request, response) = if has_valid_host(request.request()) {
        match next.call(request).await {
            Ok(response) => {
                let (request, response) = response.map_into_boxed_body().into_parts();
                (Some(request), response)
            }
            Err(error) => (None, error.error_response()),
        }
    } else {
        let detail = "Send exactly one Host, with a host name or an address.";
        let error = ApiError::with_detail(ProblemKind::BadRequest, detail);
        (Some(request.into_parts().0), error.error_response())
    };
    // Only the CORS middleware answers OPTIONS with 400.
    let refused_preflight =
        preflight_origin.filter(|_| response.status() == StatusCode::BAD_REQUEST).map(|origin| {
            cors::preflight_refusal(origin.as_ref(), &gateway.config.http.allowed_origins)
        });
    let (mut response, problem) = render(response, refused_preflight, &id.0);
    if version <= Version::HTTP_10 && response.body().size() == BodySize::Stream {
        // HTTP/1.0 has no chunks (RFC 9112, section 6.1): the end of the connection ends the body.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    add_headers(response.headers_mut(), &id);
    if offers_upgrade && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // actix would say `connection: upgrade`, and close without saying so.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }

    let status = response.status().as_u16();
    // The route and not the path: a path or a query can contain secrets.
    let route = request.as_ref().and_then(HttpRequest::match_pattern);
    let route = route.as_deref().unwrap_or("none");
    if let Some(all) = request.as_ref().and_then(|request| request.app_data::<Data<Deprecations>>())
    {
        all.add(&method, route, response.headers_mut());
    }
    let problem = problem.map(ProblemKind::name);
    let took = started.elapsed();
    gateway.metrics.answered(route, status, problem, took);
    tracing::info!(
        requestId = %id.0,
        method = method_label(&method),
        route,
        status,
        problem,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        %address,
        "request"
    );
    match request {
        Some(request) => Ok(ServiceResponse::new(request, response)),
        None => Err(InternalError::from_response("refused", response).into()),
    }
}

/// Whether `Host` is as RFC 9112, section 3.2, wants it: exactly one, except in HTTP/1.0.
fn has_valid_host(request: &HttpRequest) -> bool {
    let mut hosts = request.headers().get_all(header::HOST);
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() <= Version::HTTP_10,
        (Some(host), None) => host.is_empty() || is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// Whether this is a host with an optional port, and no user.
fn is_host(text: &[u8]) -> bool {
    !text.contains(&b'@') && Authority::try_from(text).is_ok()
}

fn add_headers(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(HeaderName::from_static(REQUEST_ID_HEADER), request_id_value(id));
    for (name, value) in DEFAULT_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

fn request_id_value(id: &RequestId) -> HeaderValue {
    HeaderValue::from_str(&id.0).unwrap_or(HeaderValue::from_static("unknown"))
}

/// The method for the log. A client may send any word as its method, so others are `other`.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Renders the refusal that `response` carries, and turns an error of actix or of a middleware into
/// one of ours. Any other response stays as it is.
fn render(
    mut response: HttpResponse,
    refused_preflight: Option<ApiError>,
    request_id: &str,
) -> (HttpResponse, Option<ProblemKind>) {
    let error = response.extensions_mut().remove::<ApiError>();
    let error = match error.or(refused_preflight) {
        Some(error) => error,
        None if response.status().is_client_error() || response.status().is_server_error() => {
            ApiError::by_status(response.status())
        }
        None => return (response, None),
    };
    let mut rendered = error.render(request_id);
    if response.head().connection_type() == ConnectionType::Close {
        rendered.head_mut().set_connection_type(ConnectionType::Close);
    }
    // Headers of inner middleware stay, those of CORS for example.
    for (name, value) in response.headers() {
        if !rendered.headers().contains_key(name) && name != header::CONTENT_TYPE {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    (rendered, Some(error.kind))
}
