//! The documents of the contract as pages.

use std::{collections::HashMap, future::ready};

use actix_web::{
    HttpRequest, HttpResponse, Resource,
    dev::{AppService, HttpServiceFactory},
    get, guard,
    http::header::{self, EntityTag, Header, IfNoneMatch},
    web::{Data, Path},
};
use api_types::problem::ProblemKind;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, OpenApi, PathItem, Paths, PathsBuilder, RefOr, ResponseBuilder,
    ResponsesBuilder, Schema, path::OperationBuilder, security::SecurityRequirement,
};
use utoipa_actix_web::OpenApiFactory;

use crate::{
    contract::{self, AnyDocument, Document, DocumentName, VERSION},
    http::{body::NoBody, route_policy::RoutePolicy},
    problem::{ApiError, api_errors},
};

/// The pages, rendered once.
pub struct Pages {
    /// The documents of the contract, by name.
    documents: HashMap<&'static str, Page>,
}

impl Pages {
    /// The pages of a contract.
    #[must_use]
    pub fn of(contract: &OpenApi) -> Self {
        let page = |text: String| Page::new("application/json", text.into());
        let documents = contract::documents(contract).map(|(name, text)| (name, page(text)));
        Self { documents: documents.into() }
    }

    fn document(&self, name: &str) -> Result<&Page, ApiError> {
        self.documents.get(name).ok_or_else(|| ProblemKind::NotFound.into())
    }
}

/// The next version of the gateway serves other bytes under the same name, so clients revalidate
/// every time and the bytes are sent only where they changed.
pub(super) const REVALIDATED: &str = "no-cache";

/// Clients keep what is under the name of its version for a day. Not forever: better descriptions and
/// examples do not raise the version.
const KEPT: &str = "public, max-age=86400";

/// Bytes and their entity tag.
#[derive(Clone)]
pub(super) struct Page {
    content_type: String,
    bytes: Bytes,
    tag: EntityTag,
}

impl Page {
    pub(super) fn new(content_type: &str, bytes: Bytes) -> Self {
        let digest = Sha256::digest(&bytes);
        let tag = EntityTag::new_strong(BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]));
        Self { content_type: content_type.to_owned(), bytes, tag }
    }

    pub(super) fn answer(
        &self,
        request: &HttpRequest,
        cache_control: &'static str,
    ) -> HttpResponse {
        let known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&self.tag)),
            Err(_) => false,
        };
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header(header::ETag(self.tag.clone()));
        response.insert_header((header::CACHE_CONTROL, cache_control));
        if known {
            return response.finish();
        }
        response.content_type(self.content_type.as_str()).body(self.bytes.clone())
    }
}

api_errors!(GetDocumentErrors: BadRequest, RequestTimeout, BodyTooLarge, OutOfDescriptors;);

/// A document at the top of the gateway, `/openapi.json` for example: its route and its part of the
/// contract.
pub struct CurrentDocument(pub &'static Document);

impl HttpServiceFactory for CurrentDocument {
    fn register(self, service: &mut AppService) {
        let Document { name, operation_id, .. } = *self.0;
        let answer = move |_: NoBody, request: HttpRequest, pages: Data<Pages>| {
            let answer = pages.document(name).map(|page| page.answer(&request, REVALIDATED));
            ready(answer)
        };
        Resource::new(format!("/{name}"))
            .name(operation_id)
            .guard(guard::Get())
            .to(answer)
            .wrap(RoutePolicy::new())
            .register(service);
    }
}

impl OpenApiFactory for CurrentDocument {
    fn paths(&self) -> Paths {
        let not_modified = "The document still has the tag of `If-None-Match`.";
        let content = ContentBuilder::new()
            .schema(Some(<AnyDocument as utoipa::PartialSchema>::schema()))
            .build();
        let document = ResponseBuilder::new()
            .description("The document.")
            .content("application/json", content);
        let responses = ResponsesBuilder::new()
            .response("200", document)
            .response("304", ResponseBuilder::new().description(not_modified))
            .responses_from_into_responses::<GetDocumentErrors>();
        let operation = OperationBuilder::new()
            .tag("contract")
            .summary(Some(self.0.summary))
            .description(Some(self.0.description))
            .operation_id(Some(self.0.operation_id))
            .responses(responses.build())
            .security(SecurityRequirement::default());
        let item = PathItem::new(HttpMethod::Get, operation);
        PathsBuilder::new().path(format!("/{}", self.0.name), item).build()
    }

    fn schemas(&self, _: &mut Vec<(String, RefOr<Schema>)>) {}
}

api_errors!(
    GetContractErrors: NotFound, BadRequest, RequestTimeout, BodyTooLarge, OutOfDescriptors;
);

/// A version of the contract
///
/// The documents under a URL that names their version, to keep or to compare with. A gateway has those of
/// its own version.
#[utoipa::path(
    operation_id = "getContract",
    tag = "contract",
    params(
        ("version" = String, Path, description = "The contract's version."),
        (
            "document" = inline(DocumentName),
            Path,
            description = "The document's name.",
            example = "openapi.json"
        )
    ),
    responses(
        (status = 200, description = "The document.", body = inline(AnyDocument), content_type = "application/json"),
        (status = 304, description = "The document still has the tag of `If-None-Match`."),
        GetContractErrors
    ),
    security(())
)]
#[get("/contract/{version}/{document}", wrap = "RoutePolicy::new()")]
pub async fn get_contract(
    _: NoBody,
    request: HttpRequest,
    path: Path<(String, String)>,
    pages: Data<Pages>,
) -> Result<HttpResponse, ApiError> {
    let (version, document) = &*path;
    if version != VERSION {
        return Err(ProblemKind::NotFound.into());
    }
    Ok(pages.document(document)?.answer(&request, KEPT))
}
