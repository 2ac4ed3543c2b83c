//! The examples in the contract are what the gateway answers.

use std::collections::BTreeSet;

use api_types::problem::ProblemKind;
use serde_json::Value;
use server::{operations, problem::openapi::BadBody};
use tests::{DEVICE, Gateway};

use crate::served::Contract;

/// Every example of a problem in the contract, with the operation's id and its name.
fn problems(contract: &Contract) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (_, _, operation) in contract.operations() {
        let id = operation["operationId"].as_str().expect("an id");
        for response in operation["responses"].as_object().expect("responses").values() {
            let examples = &response["content"]["application/problem+json"]["examples"];
            for (name, example) in examples.as_object().into_iter().flatten() {
                found.push((id.to_owned(), name.clone(), example["value"].clone()));
            }
        }
    }
    found
}

fn assert_bodies(id: &str, method: &str, path: &str, bodies: &[BadBody]) {
    let gateway = Gateway::trial();
    let token = gateway.token(DEVICE);
    let key = format!("Bearer {}", gateway.operator_key);
    let examples = problems(&Contract(gateway.get("/openapi.json").ok()));
    for bad in bodies {
        let answer = gateway
            .call(method, path)
            .header("token", &token)
            .header("authorization", &key)
            .json_text(bad.body)
            .send();
        let mut said = answer.problem();
        let example = examples.iter().find(|(of, name, _)| of == id && name == bad.name);
        let (_, _, example) = example.unwrap_or_else(|| panic!("{} is in the contract", bad.name));
        said["requestId"] = example["requestId"].clone();
        assert_eq!(said, *example, "{}", bad.name);
    }
}

#[test]
fn connect_socket_refuses_each_bad_body_as_its_example_says() {
    let bodies = operations::connect_socket::BAD_BODIES;
    assert_bodies("connectSocket", "POST", "/prospect/connectsocket", bodies);
}

#[test]
fn request_token_refuses_each_bad_body_as_its_example_says() {
    assert_bodies("requestToken", "PUT", "/token", operations::token::BAD_BODIES);
}

#[test]
fn send_message_refuses_each_bad_body_as_its_example_says() {
    assert_bodies(
        "sendMessage",
        "POST",
        "/operator/prospects/my_deviceTag/messages",
        operations::messages::BAD_BODIES,
    );
}

#[test]
fn every_error_response_has_an_example_of_its_status() {
    let contract = Contract::default();
    for (method, path, operation) in contract.operations() {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let examples = response["content"]["application/problem+json"]["examples"].as_object();
            let examples = examples.unwrap_or_else(|| panic!("{method} {path} {status}"));
            for example in examples.values() {
                assert_eq!(example["value"]["status"].to_string(), *status, "{method} {path}");
            }
        }
    }
}

/// The three exceptions belong to no operation over HTTP.
#[test]
fn every_problem_type_is_in_the_registry_and_all_but_three_in_an_operation() {
    let contract = Contract::default();
    let registry = contract.0["x-problem-types"].as_array().expect("a registry");
    let listed: Vec<_> = registry.iter().map(|problem| problem["type"].clone()).collect();
    let known: Vec<_> = ProblemKind::ALL.iter().map(|kind| Value::from(kind.uri())).collect();
    assert_eq!(listed, known);

    let shown: BTreeSet<_> = problems(&contract)
        .into_iter()
        .map(|(_, _, problem)| problem["type"].as_str().map(str::to_owned))
        .collect();
    let nowhere: Vec<_> = ProblemKind::ALL
        .iter()
        .filter(|kind| !shown.contains(&Some(kind.uri())))
        .map(|kind| kind.name())
        .collect();
    assert_eq!(nowhere, ["method-not-allowed", "ack-not-sent", "internal"]);
}

#[test]
fn the_documents_example_is_accepted_unchanged() {
    let gateway = Gateway::trial();
    let contract = Contract(gateway.get("/openapi.json").ok());
    let operation = contract.operation("POST", "/prospect/connectsocket");
    let example = contract.request_schema(operation)["example"].clone();
    let token = gateway.token(example["deviceTag"].as_str().expect("a tag"));
    let call = gateway.call("POST", "/prospect/connectsocket").header("token", &token);
    assert_eq!(call.json(&example).send().ok(), serde_json::json!({"success": true}));
}
