//! Every fact of the document, held against every OpenAPI document as it is served: one test a fact.

use std::fs;

use serde::Deserialize;
use serde_json::Value;
use tests::gateway::root;

use crate::served::Contract;

#[derive(Deserialize)]
struct Document {
    title: String,
    method: String,
    path: String,
    description: String,
    request_example: String,
    properties: Vec<Property>,
    response: Response,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    description: String,
    required: bool,
    schema: Schema,
}

#[derive(Deserialize)]
struct Schema {
    r#type: String,
    #[serde(default)]
    nullable: bool,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    body: String,
    request_headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    header: String,
    value: String,
}

/// Holds a fact against the operation in each contract.
fn hold(fact: impl Fn(&Document, &Contract, &Value)) {
    let text = fs::read_to_string(root().join("openapi/document.toml")).expect("the transcription");
    let document: Document = toml::from_str(&text).expect("its form");
    for contract in Contract::all() {
        let operation = contract.operation(&document.method, &document.path);
        assert!(operation.is_object(), "{} {}", document.method, document.path);
        fact(&document, &contract, operation);
    }
}

/// Holds a fact of each property against its schema.
fn hold_properties(fact: impl Fn(&Property, &Value, &Value)) {
    hold(|document, contract, operation| {
        let schema = contract.request_schema(operation);
        for property in &document.properties {
            fact(property, &schema["properties"][&property.name], schema);
        }
    });
}

#[test]
fn the_endpoint_has_its_method_and_path_and_no_other_method() {
    hold(|document, contract, _| {
        let methods = contract.0["paths"][&document.path].as_object().expect("a path");
        assert_eq!(methods.keys().collect::<Vec<_>>(), [&document.method.to_lowercase()]);
    });
}

#[test]
fn the_endpoint_has_its_title() {
    hold(|document, _, operation| assert_eq!(operation["summary"], *document.title));
}

#[test]
fn the_description_begins_with_the_documents() {
    hold(|document, _, operation| {
        let description = operation["description"].as_str().expect("a description");
        assert_eq!(description.split("\n\n").next(), Some(&*document.description));
    });
}

#[test]
fn the_properties_are_the_documents() {
    hold(|document, contract, operation| {
        let schema = contract.request_schema(operation);
        let served: Vec<_> = schema["properties"].as_object().expect("properties").keys().collect();
        let stated: Vec<_> = document.properties.iter().map(|property| &property.name).collect();
        assert_eq!(served, stated);
    });
}

#[test]
fn each_property_has_its_description() {
    hold_properties(|property, served, _| assert_eq!(served["description"], *property.description));
}

#[test]
fn each_property_is_required_or_not() {
    hold_properties(|property, _, schema| {
        let required = schema["required"].as_array().expect("required");
        assert_eq!(
            required.contains(&property.name.clone().into()),
            property.required,
            "{}",
            property.name
        );
    });
}

#[test]
fn each_property_has_its_type() {
    hold_properties(|property, served, _| {
        let (types, _) = Contract::types(served);
        assert_eq!(types.join(" "), property.schema.r#type, "{}", property.name);
    });
}

#[test]
fn each_property_is_nullable_or_not() {
    hold_properties(|property, served, _| {
        assert_eq!(Contract::types(served).1, property.schema.nullable, "{}", property.name);
    });
}

#[test]
fn the_request_has_its_example() {
    hold(|document, contract, operation| {
        let stated: Value = serde_json::from_str(&document.request_example).expect("JSON");
        assert_eq!(contract.request_schema(operation)["example"], stated);
    });
}

#[test]
fn the_request_has_its_content_type_and_no_other() {
    hold(|document, _, operation| {
        let stated =
            document.response.request_headers.iter().find(|header| header.header == "Content-Type");
        let content = operation["requestBody"]["content"].as_object().expect("content");
        assert_eq!(content.keys().collect::<Vec<_>>(), [&stated.expect("a content type").value]);
    });
}

#[test]
fn the_request_body_is_required() {
    hold(|_, _, operation| assert_eq!(operation["requestBody"]["required"], true));
}

#[test]
fn the_token_header_is_the_only_credential() {
    hold(|document, contract, operation| {
        let stated =
            document.response.request_headers.iter().find(|header| header.header == "token");
        let stated = stated.expect("a token");
        let needs = operation["security"].as_array().expect("security");
        assert_eq!(needs.len(), 1, "one way in");
        let schemes = needs[0].as_object().expect("a requirement");
        assert_eq!(schemes.len(), 1, "one scheme");
        let scheme = schemes.keys().next().expect("a scheme");
        let scheme = &contract.0["components"]["securitySchemes"][scheme];
        assert_eq!(scheme["type"], "apiKey");
        assert_eq!(scheme["in"], "header");
        assert_eq!(scheme["name"], *stated.header);
        assert_eq!(scheme["description"], *stated.value);
    });
}

#[test]
fn the_response_has_no_token_header() {
    hold(|document, _, operation| {
        let headers = &operation["responses"][document.response.status.to_string()]["headers"];
        assert_eq!(headers["token"], Value::Null);
    });
}

#[test]
fn success_has_its_status_and_no_other() {
    hold(|document, _, operation| {
        let responses = operation["responses"].as_object().expect("responses");
        let success: Vec<_> = responses.keys().filter(|status| status.starts_with('2')).collect();
        assert_eq!(success, [&document.response.status.to_string()]);
    });
}

#[test]
fn success_has_its_example() {
    hold(|document, contract, operation| {
        let response = &operation["responses"][document.response.status.to_string()];
        let schema = contract.resolved(&response["content"]["application/json"]["schema"]);
        let stated: Value = serde_json::from_str(&document.response.body).expect("JSON");
        assert_eq!(schema["example"], stated);
        let properties: Vec<_> =
            schema["properties"].as_object().expect("properties").keys().collect();
        let stated: Vec<_> = stated.as_object().expect("an object").keys().collect();
        assert_eq!(properties, stated);
    });
}

#[test]
fn only_the_documents_endpoint_is_marked_as_such() {
    hold(|document, contract, _| {
        for (_, path, operation) in contract.operations() {
            let origin = if path == document.path { "document" } else { "gateway" };
            assert_eq!(operation["x-origin"], origin, "{path}");
        }
    });
}
