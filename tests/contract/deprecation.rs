//! Deprecation from the declaration to the response and the documents: the gateway with a deprecated
//! operation and a deprecated field. `scratch_build.rs` does the same from the sources on.

use std::fs;

use actix_web::{
    HttpResponse, get,
    http::header::HeaderMap,
    post,
    test::{TestRequest, call_service, init_service},
    web::Json,
};
use api_types::problem::ProblemKind;
use serde::Serialize;
use serde_json::Value;
use server::{
    contract::{documents, problem_type},
    routes,
};
use tests::gateway::root;
use utoipa::{ToSchema, openapi::OpenApi};

use crate::routes::gateway;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Card {
    name: String,
    /// Deprecated: read `name`.
    old_name: String,
}

/// A card
#[utoipa::path(
    operation_id = "getCard",
    tag = "operator",
    params(("id" = String, Path, description = "Its id.", example = "1")),
    responses((status = 200, description = "The card.", body = Card)),
    security(()),
    extensions(("x-deprecated-since" = json!("2026-12-01")), ("x-sunset" = json!("2027-06-30")))
)]
#[get("/cards/{id}")]
async fn get_card() -> Json<Card> {
    Json(Card { name: "A".to_owned(), old_name: "A".to_owned() })
}

/// Change a card
#[utoipa::path(
    operation_id = "changeCard",
    tag = "operator",
    params(("id" = String, Path, description = "Its id.", example = "1")),
    responses((status = 204, description = "Changed.")),
    security(())
)]
#[post("/cards/{id}")]
async fn change_card() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// The contract with the two operations, whatever is deprecated in it.
fn contract() -> OpenApi {
    routes::contract_of(routes::operations().service(get_card).service(change_card))
}

/// The documents of a contract.
fn document(contract: &OpenApi, name: &str) -> Value {
    let (_, text) = documents(contract).into_iter().find(|(found, _)| *found == name).expect("it");
    serde_json::from_str(&text).expect("JSON")
}

#[actix_web::main]
async fn headers_of(request: TestRequest) -> (u16, HeaderMap) {
    let shared = routes::Shared::new(gateway(), &contract());
    let operations = routes::operations().service(get_card).service(change_card);
    let service = init_service(routes::app_of(operations, shared)).await;
    let response = call_service(&service, request.to_request()).await;
    (response.status().as_u16(), response.headers().clone())
}

fn headers(request: TestRequest) -> [Option<String>; 3] {
    let (_, headers) = headers_of(request);
    ["deprecation", "sunset", "link"]
        .map(|name| headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned()))
}

#[test]
fn each_response_of_a_deprecated_operation_says_so() {
    let announced = [
        // date --date 2026-12-01T00:00:00Z +%s
        "@1796083200",
        "Wed, 30 Jun 2027 00:00:00 GMT",
        "</swagger-ui/#/operator/getCard>; rel=\"deprecation\"; type=\"text/html\"",
    ]
    .map(|value| Some(value.to_owned()));
    let request = || TestRequest::get().uri("/cards/7");
    assert_eq!(headers_of(request().insert_header(("host", "a"))).0, 200);
    assert_eq!(headers(request().insert_header(("host", "a"))), announced);
    // Refused, because it has no host.
    assert_eq!(headers_of(request()).0, 400);
    assert_eq!(headers(request()), announced);
    let head = TestRequest::default().method(actix_web::http::Method::HEAD).uri("/cards/7");
    assert_eq!(headers(head), announced);
}

#[test]
fn no_other_response_says_so() {
    for (method, path, status) in [
        ("POST", "/cards/7", 204),
        ("PUT", "/cards/7", 405),
        ("GET", "/cards/7/more", 404),
        ("GET", "/livez", 200),
    ] {
        let request = || {
            let method = method.parse().expect("a method");
            TestRequest::default().method(method).uri(path).insert_header(("host", "a"))
        };
        assert_eq!(headers_of(request()).0, status, "{method} {path}");
        assert_eq!(headers(request()), [None, None, None], "{method} {path}");
    }
}

#[test]
fn the_documents_mark_what_is_deprecated() {
    for name in ["openapi.json", "openapi-3.0.json"] {
        let document = document(&contract(), name);
        let operation = &document["paths"]["/cards/{id}"]["get"];
        assert_eq!(operation["deprecated"], true, "{name}");
        let days = "Deprecated since 2026-12-01. It may be removed from 2027-06-30 on.";
        assert_eq!(operation["description"], days, "{name}");
        assert_eq!(operation["x-deprecated-since"], "2026-12-01", "{name}");
        assert_eq!(operation["x-sunset"], "2027-06-30", "{name}");
        for header in ["Deprecation", "Sunset", "Link"] {
            let reference = format!("#/components/headers/{header}");
            let shown = &operation["responses"]["200"]["headers"][header.to_lowercase()]["$ref"];
            assert_eq!(*shown, reference, "{name}");
            assert!(document["components"]["headers"][header].is_object(), "{name}: {header}");
        }
        assert_eq!(document["paths"]["/cards/{id}"]["post"]["deprecated"], Value::Null, "{name}");
        let properties = &document["components"]["schemas"]["Card"]["properties"];
        assert_eq!(properties["oldName"]["deprecated"], true, "{name}");
        assert_eq!(properties["oldName"]["description"], "Deprecated: read `name`.", "{name}");
        assert_eq!(properties["name"]["deprecated"], Value::Null, "{name}");
    }
    let document = document(&routes::contract(), "openapi.json");
    assert_eq!(document["components"]["headers"]["Sunset"], Value::Null);
}

#[test]
fn a_deprecated_problem_type_says_what_comes_instead() {
    let live = problem_type(ProblemKind::OutboxFull, None);
    let deprecated = problem_type(ProblemKind::OutboxFull, Some("Expect `not-now`."));
    assert_eq!(live["deprecated"], Value::Null);
    assert_eq!(deprecated["deprecated"], true);
    assert_eq!(deprecated["description"], "Expect `not-now`.");
    assert_eq!(deprecated["type"], live["type"]);
}

/// A property that follows a rule has the rule's description, and none of its own.
#[test]
fn no_deprecation_is_lost_behind_a_rule() {
    for file in fs::read_dir(root().join("api-types/src")).expect("the sources of api-types") {
        let source = fs::read_to_string(file.expect("a file").path()).expect("a source");
        let mut field = String::new();
        for line in source.lines().map(str::trim) {
            if line.starts_with("///") || line.starts_with("#[") {
                field += line;
                continue;
            }
            let is_lost = field.contains("schema_with") && field.contains("Deprecated: ");
            assert!(!is_lost, "deprecate the rule instead: {line}");
            field.clear();
        }
    }
}
