//! The contract as pages: the documents and the Swagger UI.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, EntityTag, Header, HeaderValue, IfNoneMatch},
    web::{Data, Path},
};
use api_types::problem::ProblemKind;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use utoipa_swagger_ui::{Config, Url};

use crate::{
    contract::{Document, Documents},
    http::{body::NoBody, route_policy::RoutePolicy},
    problem::{ApiError, api_errors},
};

/// The content security policy of the Swagger UI. The hash is that of the one inline style that it
/// sets at start; a browser test fails when a new version sets another.
const SWAGGER_UI_CSP: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The pages, rendered once.
pub struct Pages {
    openapi: Page,
    openapi_30: Page,
    asyncapi: Page,
    swagger_ui: Arc<Config<'static>>,
    /// The files of the Swagger UI that were requested so far; there are about ten.
    files: Mutex<HashMap<String, Page>>,
}

impl Pages {
    /// The pages of a contract.
    #[must_use]
    pub fn of(documents: Documents) -> Self {
        Self {
            openapi: Page::new("application/json", documents.openapi.into()),
            openapi_30: Page::new("application/json", documents.openapi_30.into()),
            asyncapi: Page::new("application/json", documents.asyncapi.into()),
            swagger_ui: Arc::new(swagger_ui()),
            files: Mutex::default(),
        }
    }

    fn file(&self, name: &str) -> Result<Page, ApiError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = files.get(name) {
            return Ok(page.clone());
        }
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&self.swagger_ui))
            .map_err(|_| ProblemKind::Internal)?
            .ok_or(ProblemKind::NotFound)?;
        let page = Page::new(&file.content_type, Bytes::copy_from_slice(&file.bytes));
        files.insert(name.to_owned(), page.clone());
        Ok(page)
    }
}

fn swagger_ui() -> Config<'static> {
    let documents = [
        Url::with_primary("OpenAPI 3.1", "/openapi.json", true),
        Url::new("OpenAPI 3.0", "/openapi-3.0.json"),
    ];
    Config::new(documents)
        .try_it_out_enabled(true)
        .request_snippets_enabled(true)
        .display_request_duration(true)
        .deep_linking(true)
        .persist_authorization(true)
        .display_operation_id(true)
        .default_models_expand_depth(0)
        .validator_url("none")
}

/// Bytes and their entity tag. The next version of the gateway serves other bytes under the same
/// name, so clients revalidate every time and the bytes are sent only where they changed.
#[derive(Clone)]
struct Page {
    content_type: String,
    bytes: Bytes,
    tag: EntityTag,
}

impl Page {
    fn new(content_type: &str, bytes: Bytes) -> Self {
        let digest = Sha256::digest(&bytes);
        let tag = EntityTag::new_strong(BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]));
        Self { content_type: content_type.to_owned(), bytes, tag }
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&self.tag)),
            Err(_) => false,
        };
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header(header::ETag(self.tag.clone()));
        response.insert_header((header::CACHE_CONTROL, "no-cache"));
        if known {
            return response.finish();
        }
        response.content_type(self.content_type.as_str()).body(self.bytes.clone())
    }
}

api_errors!(GetDocumentErrors: BadRequest, RequestTimeout, BodyTooLarge, OutOfDescriptors;);

/// The contract in OpenAPI 3.1
///
/// Generated from the code of the gateway that serves it.
#[utoipa::path(
    operation_id = "getOpenApi",
    tag = "contract",
    responses(
        (status = 200, description = "The document.", body = inline(Document), content_type = "application/json"),
        (status = 304, description = "The document still has the tag of `If-None-Match`."),
        GetDocumentErrors
    ),
    security(())
)]
#[get("/openapi.json", wrap = "RoutePolicy::new()")]
pub async fn get_openapi(_: NoBody, request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    pages.openapi.answer(&request)
}

/// The contract in OpenAPI 3.0
///
/// The same contract, for programs that cannot read 3.1.
#[utoipa::path(
    operation_id = "getOpenApi30",
    tag = "contract",
    responses(
        (status = 200, description = "The document.", body = inline(Document), content_type = "application/json"),
        (status = 304, description = "The document still has the tag of `If-None-Match`."),
        GetDocumentErrors
    ),
    security(())
)]
#[get("/openapi-3.0.json", wrap = "RoutePolicy::new()")]
pub async fn get_openapi_30(_: NoBody, request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    pages.openapi_30.answer(&request)
}

/// The socket in AsyncAPI 3.0
///
/// The frames on an open socket, in both directions, and the close codes.
#[utoipa::path(
    operation_id = "getAsyncApi",
    tag = "contract",
    responses(
        (
            status = 200,
            description = "The document.",
            body = inline(Document),
            content_type = "application/json"
        ),
        (status = 304, description = "The document still has the tag of `If-None-Match`."),
        GetDocumentErrors
    ),
    security(())
)]
#[get("/asyncapi.json", wrap = "RoutePolicy::new()")]
pub async fn get_asyncapi(_: NoBody, request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    pages.asyncapi.answer(&request)
}

api_errors!(GetSwaggerUiErrors: NotFound, OutOfDescriptors;);

/// The Swagger UI
///
/// This contract, to read and to try out in a browser. It loads nothing from other hosts.
#[utoipa::path(
    operation_id = "getSwaggerUi",
    tag = "contract",
    params(("file" = String, Path, description = "A file of the Swagger UI.", example = "index.html")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/html"), (String = "text/css"), (String = "text/javascript"),
            (String = "image/png"), (String = "application/json")
        )),
        (status = 304, description = "The file still has the tag of `If-None-Match`."),
        GetSwaggerUiErrors
    ),
    security(())
)]
#[get("/swagger-ui/{file:.*}", wrap = "RoutePolicy::new()")]
pub async fn get_swagger_ui(
    request: HttpRequest,
    file: Path<String>,
    pages: Data<Pages>,
) -> Result<HttpResponse, ApiError> {
    let mut response = pages.file(&file)?.answer(&request);
    let policy = HeaderValue::from_static(SWAGGER_UI_CSP);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}
