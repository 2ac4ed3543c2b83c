//! The OpenAPI 3.0 and 3.2 documents describe the same contract as the 3.1 document.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::served::Contract;

/// Words of 3.1 that 3.0 does not know, wherever a schema is.
const NEW_IN_31: [&str; 6] =
    ["const", "examples", "$defs", "prefixItems", "contentMediaType", "if"];

/// The rules of a property that mean the same in every dialect.
const RULES: [&str; 11] = [
    "$ref",
    "format",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "enum",
    "oneOf",
];

fn schemas(contract: &Contract) -> Vec<(&String, &Value)> {
    contract.0["components"]["schemas"].as_object().expect("schemas").iter().collect()
}

fn each_schema<'a>(schema: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(schema);
    let properties = schema["properties"].as_object().into_iter().flat_map(|all| all.values());
    let unions = schema["oneOf"].as_array().into_iter().flatten();
    for inner in
        properties.chain(unions).chain([&schema["items"]]).filter(|inner| inner.is_object())
    {
        each_schema(inner, visit);
    }
}

/// Asserts that a fact of each operation is the same in every document.
fn same_in_all(fact: impl Fn(&Value) -> Value) {
    let documents = Contract::all();
    let [default, older, newer] = documents.each_ref().map(|contract| {
        let operations = contract.operations().into_iter();
        operations
            .map(|(method, path, operation)| (format!("{method} {path}"), fact(operation)))
            .collect::<BTreeMap<_, _>>()
    });
    assert!(default.values().any(|fact| !fact.is_null()), "the fact is found somewhere");
    assert_eq!(default, older, "3.0");
    assert_eq!(default, newer, "3.2");
}

/// A schema in the words that every dialect has.
fn common(schema: &Value) -> Value {
    let (types, nullable) = Contract::types(schema);
    let mut found = json!({"types": types, "nullable": nullable});
    for rule in RULES.into_iter().filter(|rule| schema.get(rule).is_some()) {
        found[rule] = schema[rule].clone();
    }
    if schema["items"].is_object() {
        found["items"] = common(&schema["items"]);
    }
    found
}

#[test]
fn each_document_is_of_its_version() {
    let versions = Contract::all().map(|contract| contract.0["openapi"].clone());
    assert_eq!(versions, ["3.1.0", "3.0.3", "3.2.0"]);
}

#[test]
fn they_have_the_same_operations_with_the_same_texts() {
    for name in ["operationId", "summary", "description", "tags", "x-origin"] {
        same_in_all(|operation| operation[name].clone());
    }
}

#[test]
fn they_have_the_same_parameters() {
    same_in_all(|operation| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters
            .map(|parameter| {
                json!([
                    parameter["name"],
                    parameter["in"],
                    parameter["required"],
                    parameter["description"],
                    common(&parameter["schema"]),
                ])
            })
            .collect()
    });
}

#[test]
fn they_have_the_same_request_bodies() {
    same_in_all(|operation| operation["requestBody"].clone());
}

#[test]
fn they_have_the_same_responses_with_the_same_headers_and_media_types() {
    same_in_all(|operation| {
        let responses = operation["responses"].as_object().into_iter().flatten();
        responses
            .map(|(status, response)| {
                let media_types = response["content"].as_object().into_iter().flatten();
                let media_types: Vec<&String> = media_types.map(|(name, _)| name).collect();
                json!([status, response["description"], response["headers"], media_types])
            })
            .collect()
    });
}

/// But for the event stream, whose items only 3.2 can type.
#[test]
fn the_content_of_each_response_has_the_same_schema() {
    same_in_all(|operation| {
        let responses = operation["responses"].as_object().into_iter().flatten();
        responses
            .flat_map(|(status, response)| {
                let content = response["content"].as_object().into_iter().flatten();
                content.filter(|(media_type, _)| *media_type != "text/event-stream").map(
                    move |(media_type, content)| {
                        json!([status, media_type, common(&content["schema"])])
                    },
                )
            })
            .collect()
    });
}

#[test]
fn they_have_the_same_security() {
    same_in_all(|operation| operation["security"].clone());
    let [default, older, newer] =
        Contract::all().map(|contract| contract.0["components"]["securitySchemes"].clone());
    assert!(default.is_object());
    assert_eq!(default, older);
    assert_eq!(default, newer);
}

#[test]
fn they_have_the_same_schemas_with_the_same_properties() {
    let documents = Contract::all();
    let [default, older, newer] = documents.each_ref().map(|contract| {
        schemas(contract)
            .into_iter()
            .map(|(name, schema)| {
                let properties = schema["properties"].as_object().into_iter().flatten();
                let properties: BTreeMap<_, _> =
                    properties.map(|(name, property)| (name, common(property))).collect();
                let whole = json!([
                    common(schema),
                    schema["required"],
                    schema["additionalProperties"],
                    schema["discriminator"],
                    properties,
                ]);
                (name.clone(), whole)
            })
            .collect::<BTreeMap<_, _>>()
    });
    assert!(default.len() > 20);
    assert_eq!(default, older, "3.0");
    assert_eq!(default, newer, "3.2");
}

#[test]
fn the_30_document_uses_no_keyword_that_is_new_in_31() {
    let [_, older, _] = Contract::all();
    for (name, schema) in schemas(&older) {
        each_schema(schema, &mut |schema| {
            assert!(!schema["type"].is_array(), "{name}: {schema}");
            for word in NEW_IN_31 {
                assert!(schema.get(word).is_none(), "{name}: {schema}");
            }
            if schema.get("$ref").is_some() {
                assert_eq!(
                    schema.as_object().map(serde_json::Map::len),
                    Some(1),
                    "{name}: {schema}"
                );
            }
        });
    }
}

/// Everything that 3.2 says otherwise is the version and the event stream.
#[test]
fn the_32_document_differs_from_31_in_the_event_stream_alone() {
    let [mut expected, _, newer] = Contract::all();
    expected.0["openapi"] = json!("3.2.0");
    let stream = "/paths/~1operator~1events/get/responses/200/content/text~1event-stream";
    let content = expected.0.pointer_mut(stream).expect("the stream");
    assert_eq!(content["schema"], json!({"type": "string"}));
    *content = json!({"itemSchema": content["x-item-schema"], "example": content["example"]});
    assert_eq!(newer.0, expected.0);
}

#[test]
fn an_item_of_the_stream_is_a_server_sent_event_with_an_event_of_the_operator() {
    let [_, _, newer] = Contract::all();
    let stream = "/paths/~1operator~1events/get/responses/200/content/text~1event-stream";
    let item = &newer.0.pointer(stream).expect("the stream")["itemSchema"];
    assert_eq!(item["required"], json!(["event", "data"]));
    let data = &item["properties"]["data"];
    assert_eq!(data["contentMediaType"], "application/json");
    assert_eq!(data["contentSchema"]["$ref"], "#/components/schemas/OperatorEvent");
    assert_eq!(item["properties"]["id"]["maxLength"], 2048);
}
