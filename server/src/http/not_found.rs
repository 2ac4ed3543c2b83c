//! Requests that match no operation: an unknown path, a known path with another method, and the
//! paths that redirect to a page.

use actix_web::{
    HttpRequest, HttpResponse,
    dev::ResourceDef,
    http::{Method, header},
    web::Data,
};
use api_types::problem::ProblemKind;
use utoipa::openapi::{OpenApi, PathItem};

use crate::{config::Switch, problem::ApiError};

/// Paths that redirect, with their targets, where the gateway serves its pages.
const REDIRECTS: [(&str, &str); 2] = [("/try", "/try/"), ("/swagger-ui", "/swagger-ui/")];

/// The methods of each path of the contract, for `Allow`.
pub struct Paths {
    methods: Vec<(ResourceDef, String)>,
    redirects: &'static [(&'static str, &'static str)],
}

impl Paths {
    /// The paths of `contract`, and where it serves its pages, those that redirect.
    #[must_use]
    pub fn of(contract: &OpenApi, web: Switch) -> Self {
        let paths = contract.paths.paths.iter();
        // A file's name may contain slashes, which a path template of OpenAPI cannot express.
        let pattern = |path: &str| ResourceDef::new(path.replace("{file}", "{file:.*}"));
        Self {
            methods: paths.map(|(path, item)| (pattern(path), methods(item))).collect(),
            redirects: if web == Switch::On { &REDIRECTS } else { &[] },
        }
    }

    fn methods_of(&self, path: &str) -> Option<&str> {
        self.methods
            .iter()
            .find(|(pattern, _)| pattern.is_match(path))
            .map(|(_, methods)| methods.as_str())
    }
}

/// The methods of a path as `Allow` lists them. Where GET is answered, so is HEAD.
fn methods(item: &PathItem) -> String {
    let methods = [
        (item.get.is_some(), "GET, HEAD"),
        (item.post.is_some(), "POST"),
        (item.put.is_some(), "PUT"),
        (item.delete.is_some(), "DELETE"),
    ];
    let methods: Vec<_> =
        methods.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect();
    methods.join(", ")
}

/// The app's default service: a redirect, 405 with `Allow`, or 404.
///
/// # Errors
/// Always, unless the path redirects.
pub async fn not_found(request: HttpRequest, paths: Data<Paths>) -> Result<HttpResponse, ApiError> {
    let path = request.path();
    if let Some((_, target)) = paths.redirects.iter().find(|(from, _)| *from == path) {
        return match *request.method() {
            Method::GET => Ok(HttpResponse::PermanentRedirect()
                .insert_header((header::LOCATION, *target))
                .finish()),
            _ => Err(ApiError::method_not_allowed("GET, HEAD".to_owned())),
        };
    }
    match paths.methods_of(path) {
        Some(methods) => Err(ApiError::method_not_allowed(methods.to_owned())),
        None => Err(ProblemKind::NotFound.into()),
    }
}
