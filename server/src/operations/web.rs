//! The files of `server/web` and the Swagger UI: what browsers get beside the contract's documents.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, HeaderValue},
    web::{Data, Path},
};
use api_types::problem::ProblemKind;
use bytes::Bytes;

use super::documents::{Page, REVALIDATED};
use crate::{
    config::Switch,
    http::{body::NoBody, route_policy::RoutePolicy},
    problem::{ApiError, api_errors},
};

/// The content security policy of the Swagger UI. The hash is that of the one inline style that it
/// sets at start; a browser test fails when a new version sets another.
const SWAGGER_UI_CSP: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The content security policy of the gateway's own pages.
const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of `server/web`: where it is served, its content type and its bytes.
type File = (&'static str, &'static str, &'static [u8]);

macro_rules! files {
    ($($path:literal $content_type:literal $file:literal;)+) => {
        [$(($path, $content_type, include_bytes!(concat!("../../web/", $file)).as_slice()),)+]
    };
}

const FILES: [File; 18] = files! {
    "" "text/html; charset=utf-8" "home.html";
    "connect-socket.js" "text/javascript; charset=utf-8" "connect-socket.js";
    "swagger-ui/" "text/html; charset=utf-8" "swagger-ui/index.html";
    "swagger-ui/index.html" "text/html; charset=utf-8" "swagger-ui/index.html";
    "swagger-ui/gateway.css" "text/css; charset=utf-8" "swagger-ui/gateway.css";
    "swagger-ui/gateway.js" "text/javascript; charset=utf-8" "swagger-ui/gateway.js";
    "swagger-ui/icon.svg" "image/svg+xml" "icon.svg";
    "swagger-ui/swagger-ui-bundle.js" "text/javascript; charset=utf-8" "swagger-ui/dist/swagger-ui-bundle.js";
    "swagger-ui/swagger-ui-standalone-preset.js" "text/javascript; charset=utf-8"
        "swagger-ui/dist/swagger-ui-standalone-preset.js";
    "swagger-ui/swagger-ui.css" "text/css; charset=utf-8" "swagger-ui/dist/swagger-ui.css";
    "try/" "text/html; charset=utf-8" "try/index.html";
    "try/code.js" "text/javascript; charset=utf-8" "try/code.js";
    "try/icon.svg" "image/svg+xml" "icon.svg";
    "try/operator.js" "text/javascript; charset=utf-8" "try/operator.js";
    "try/page.js" "text/javascript; charset=utf-8" "try/page.js";
    "try/prospect.js" "text/javascript; charset=utf-8" "try/prospect.js";
    "try/try.css" "text/css; charset=utf-8" "try/try.css";
    "try/try.js" "text/javascript; charset=utf-8" "try/try.js";
};

/// What browsers may get.
pub struct WebFiles {
    /// Whether the pages and the Swagger UI are served.
    web: Switch,
    /// The files that were requested so far, by their paths. There are about twenty.
    requested: Mutex<HashMap<String, Page>>,
}

impl WebFiles {
    /// The files, with the pages and the Swagger UI or without.
    #[must_use]
    pub fn new(web: Switch) -> Self {
        Self { web, requested: Mutex::default() }
    }

    /// The answer with a file of a page, which may load only what `policy` allows.
    fn page(
        &self,
        path: &str,
        policy: &'static str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, ApiError> {
        if self.web == Switch::Off {
            return Err(ProblemKind::NotFound.into());
        }
        let mut response = self.file(path)?.answer(request, REVALIDATED);
        let policy = HeaderValue::from_static(policy);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        Ok(response)
    }

    fn file(&self, path: &str) -> Result<Page, ApiError> {
        let mut pages = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = pages.get(path) {
            return Ok(page.clone());
        }
        let file = FILES.iter().find(|(name, ..)| *name == path);
        let (_, content_type, bytes) = file.ok_or(ProblemKind::NotFound)?;
        let page = Page::new(content_type, Bytes::from_static(bytes));
        pages.insert(path.to_owned(), page.clone());
        Ok(page)
    }
}

api_errors!(GetPageErrors: NotFound, OutOfDescriptors;);

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
            (String = "image/svg+xml")
        )),
        (status = 304, description = "The file still has the tag of `If-None-Match`."),
        GetPageErrors
    ),
    security(())
)]
#[get("/swagger-ui/{file:.*}", wrap = "RoutePolicy::new()")]
pub async fn get_swagger_ui(
    request: HttpRequest,
    file: Path<String>,
    files: Data<WebFiles>,
) -> Result<HttpResponse, ApiError> {
    files.page(&format!("swagger-ui/{file}"), SWAGGER_UI_CSP, &request)
}

api_errors!(GetClientErrors: BadRequest, RequestTimeout, BodyTooLarge, OutOfDescriptors;);

/// The client for browsers and Node
///
/// An ES module without dependencies that follows this contract on behalf of a prospect.
#[utoipa::path(
    operation_id = "getClient",
    tag = "contract",
    responses(
        (status = 200, description = "The module.", body = String, content_type = "text/javascript"),
        (status = 304, description = "The module still has the tag of `If-None-Match`."),
        GetClientErrors
    ),
    security(())
)]
#[get("/connect-socket.js", wrap = "RoutePolicy::new()")]
pub async fn get_client(
    _: NoBody,
    request: HttpRequest,
    files: Data<WebFiles>,
) -> Result<HttpResponse, ApiError> {
    Ok(files.file("connect-socket.js")?.answer(&request, REVALIDATED))
}

/// The home page
///
/// Leads to the try page, the Swagger UI, the documents and the client.
#[utoipa::path(
    operation_id = "getHome",
    tag = "contract",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 304, description = "The page still has the tag of `If-None-Match`."),
        GetPageErrors
    ),
    security(())
)]
#[get("/", wrap = "RoutePolicy::new()")]
pub async fn get_home(
    request: HttpRequest,
    files: Data<WebFiles>,
) -> Result<HttpResponse, ApiError> {
    files.page("", PAGE_CSP, &request)
}

/// The try page
///
/// A prospect and the operator on one page, to try the whole conversation out.
#[utoipa::path(
    operation_id = "getTryPage",
    tag = "contract",
    params(("file" = String, Path, description = "A file of the page.", example = "try.js")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/html"), (String = "text/css"), (String = "text/javascript"),
            (String = "image/svg+xml")
        )),
        (status = 304, description = "The file still has the tag of `If-None-Match`."),
        GetPageErrors
    ),
    security(())
)]
#[get("/try/{file:.*}", wrap = "RoutePolicy::new()")]
pub async fn get_try_page(
    request: HttpRequest,
    file: Path<String>,
    files: Data<WebFiles>,
) -> Result<HttpResponse, ApiError> {
    files.page(&format!("try/{file}"), PAGE_CSP, &request)
}
