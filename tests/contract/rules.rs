//! The schema's rules are the validation's: tried one below, at and one above each limit, on a
//! running gateway.

use std::{fs, path::Path};

use api_types::problem::FieldError;
use regex::Regex;
use serde_json::{Map, Value, json};
use tests::{Answer, DEVICE, Gateway, half_ref};

use crate::served::Contract;

/// An operation with a JSON body, and a body that it accepts.
struct Operation {
    method: &'static str,
    path: &'static str,
    accepted: Value,
}

fn operations() -> [Operation; 3] {
    [
        Operation {
            method: "PUT",
            path: "/token",
            accepted: json!({"channel": "test", "deviceTag": DEVICE}),
        },
        Operation {
            method: "POST",
            path: "/prospect/connectsocket",
            accepted: json!({"halfRef": half_ref(), "deviceTag": DEVICE}),
        },
        Operation {
            method: "POST",
            path: "/operator/prospects/{deviceTag}/messages",
            accepted: json!({"data": "Hello"}),
        },
    ]
}

/// Each property of each body with the schema that is served for it.
fn each_property(mut with: impl FnMut(&Operation, &str, &Value)) {
    let contract = Contract::default();
    let operations = operations();
    let bodies =
        contract.operations().iter().filter(|(_, _, it)| it["requestBody"].is_object()).count();
    assert_eq!(bodies, operations.len(), "an operation with a body is missing here");
    for operation in &operations {
        let served = contract.operation(operation.method, operation.path);
        let schema = contract.request_schema(served);
        for (name, property) in schema["properties"].as_object().expect("properties") {
            with(operation, name, contract.resolved(property));
        }
    }
}

struct Trial {
    gateway: Gateway,
    token: String,
}

impl Trial {
    fn start() -> Self {
        let gateway = Gateway::builder()
            .flag("--authorisations-per-second", "1000")
            .flag("--open-authorisations", "1000000")
            .start();
        let token = gateway.token(DEVICE);
        Self { gateway, token }
    }

    fn send(&self, operation: &Operation, name: &str, value: Value) -> Answer {
        let mut body = operation.accepted.clone();
        body[name] = value;
        self.send_body(operation, &body)
    }

    fn send_body(&self, operation: &Operation, body: &Value) -> Answer {
        let key = format!("Bearer {}", self.gateway.operator_key);
        self.gateway
            .call(operation.method, &operation.path.replace("{deviceTag}", DEVICE))
            .header("token", &self.token)
            .header("authorization", &key)
            .json(body)
            .send()
    }

    /// Whether the gateway finds nothing wrong with the value of this field. That the token is for
    /// another device is another matter.
    fn accepts(&self, operation: &Operation, name: &str, value: Value) -> bool {
        let answer = self.send(operation, name, value);
        match answer.status {
            200 | 202 | 403 => true,
            422 => {
                let pointer = format!("/{name} ");
                assert!(
                    answer.field_errors().iter().all(|error| error.starts_with(&pointer)),
                    "{}",
                    answer.text()
                );
                false
            }
            _ => panic!("{}", answer.text()),
        }
    }
}

/// A value of this length, of the kind that the property takes.
fn of_length(property: &Value, length: u64) -> Value {
    if property["type"] == "object" {
        let members: Map<String, Value> =
            (0..length).map(|n| (format!("m{n}"), json!(n))).collect();
        return members.into();
    }
    "a".repeat(usize::try_from(length).expect("a length")).into()
}

#[test]
fn a_minimum_length_is_enforced_at_its_boundary() {
    let (trial, mut tried) = (Trial::start(), 0);
    each_property(|operation, name, property| {
        let Some(limit) = property["minLength"].as_u64() else {
            return;
        };
        assert!(!trial.accepts(operation, name, of_length(property, limit - 1)), "{name} n-1");
        assert!(trial.accepts(operation, name, of_length(property, limit)), "{name} n");
        assert!(trial.accepts(operation, name, of_length(property, limit + 1)), "{name} n+1");
        tried += 1;
    });
    assert_eq!(tried, 3);
}

#[test]
fn a_maximum_length_is_enforced_at_its_boundary() {
    let (trial, mut tried) = (Trial::start(), 0);
    each_property(|operation, name, property| {
        let limit = property["maxLength"].as_u64().or(property["maxProperties"].as_u64());
        let Some(limit) = limit else {
            // A number has its own limits, and any JSON is limited in bytes, not by the schema.
            let otherwise = property["enum"].is_array()
                || property["maximum"].is_number()
                || property.get("type").is_none();
            assert!(otherwise, "{name} has no upper limit");
            return;
        };
        assert!(trial.accepts(operation, name, of_length(property, limit - 1)), "{name} n-1");
        assert!(trial.accepts(operation, name, of_length(property, limit)), "{name} n");
        assert!(!trial.accepts(operation, name, of_length(property, limit + 1)), "{name} n+1");
        tried += 1;
    });
    assert_eq!(tried, 5);
}

#[test]
fn a_numeric_range_is_enforced_at_its_boundaries() {
    let (trial, mut tried) = (Trial::start(), 0);
    each_property(|operation, name, property| {
        let (Some(least), Some(most)) =
            (property["minimum"].as_u64(), property["maximum"].as_u64())
        else {
            return;
        };
        for (number, allowed) in [
            (least - 1, false),
            (least, true),
            (least + 1, true),
            (most - 1, true),
            (most, true),
            (most + 1, false),
        ] {
            assert_eq!(trial.accepts(operation, name, number.into()), allowed, "{name} {number}");
        }
        tried += 1;
    });
    assert_eq!(tried, 1);
}

#[test]
fn a_length_is_counted_in_characters_and_not_in_bytes() {
    let trial = Trial::start();
    let [_, connect, _] = operations();
    assert!(trial.accepts(&connect, "linkinjected", "é".repeat(2048).into()));
    assert!(!trial.accepts(&connect, "linkinjected", "é".repeat(2049).into()));
}

#[test]
fn a_pattern_allows_the_characters_that_the_schema_says_and_no_others() {
    let (trial, mut tried) = (Trial::start(), 0);
    each_property(|operation, name, property| {
        let Some(pattern) = property["pattern"].as_str() else {
            return;
        };
        let pattern = Regex::new(pattern).expect("a pattern");
        let padding = "a".repeat(32);
        for character in (0..=127u8).map(char::from).chain(['é', '\u{2028}', '😀']) {
            for text in [format!("{padding}{character}"), format!("{character}{padding}")] {
                let allowed = pattern.is_match(&text);
                assert_eq!(
                    trial.accepts(operation, name, text.clone().into()),
                    allowed,
                    "{name} {text:?}"
                );
            }
        }
        tried += 1;
    });
    assert_eq!(tried, 3);
}

#[test]
fn a_device_tag_is_not_a_dot_segment() {
    let trial = Trial::start();
    for operation in &operations()[..2] {
        for (tag, allowed) in
            [(".", false), ("..", false), ("...", true), (".a", true), ("a.", true), ("..a", true)]
        {
            assert_eq!(trial.accepts(operation, "deviceTag", tag.into()), allowed, "{tag}");
        }
    }
}

#[test]
fn only_listed_enum_values_are_accepted() {
    let (trial, mut tried) = (Trial::start(), 0);
    each_property(|operation, name, property| {
        let Some(names) = property["enum"].as_array() else {
            return;
        };
        for (n, listed) in names.iter().enumerate() {
            let mut body = operation.accepted.clone();
            body[name] = listed.clone();
            body["deviceTag"] = format!("device-{n}").into();
            let answer = trial.gateway.call(operation.method, operation.path).json(&body).send();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        assert!(!trial.accepts(operation, name, "another".into()));
        tried += 1;
    });
    assert_eq!(tried, 1);
}

#[test]
fn null_is_accepted_where_the_schema_says_so_and_nowhere_else() {
    let trial = Trial::start();
    let contract = Contract::default();
    for operation in &operations() {
        let schema = contract.request_schema(contract.operation(operation.method, operation.path));
        for (name, property) in schema["properties"].as_object().expect("properties") {
            let property = contract.resolved(property);
            let nullable = Contract::types(property).1 || property.get("type").is_none();
            assert_eq!(trial.accepts(operation, name, Value::Null), nullable, "{name}");
        }
    }
}

#[test]
fn a_body_size_limit_is_enforced_at_its_boundary() {
    let trial = Trial::start();
    let body = operations()[0].accepted.to_string();
    let sent = |length: usize| {
        let padded = format!("{body}{}", " ".repeat(length - body.len()));
        trial.gateway.call("PUT", "/token").json_text(padded).send().status
    };
    assert_eq!([sent(16 * 1024 - 1), sent(16 * 1024), sent(16 * 1024 + 1)], [200, 200, 413]);
}

#[test]
fn the_path_takes_the_device_tags_that_a_body_takes() {
    let gateway = Gateway::trial();
    let issued = |tag: &str| {
        let key = format!("Bearer {}", gateway.operator_key);
        let path = format!("/operator/prospects/{tag}/token");
        gateway.call("POST", &path).header("authorization", &key).send().status
    };
    assert_eq!([issued(&"a".repeat(128)), issued(&"a".repeat(129))], [200, 404]);
    assert_eq!([issued("a%20b"), issued("a%40b"), issued("...")], [404, 200, 200]);
}

#[test]
fn a_property_may_be_left_out_where_the_schema_says_so_and_nowhere_else() {
    let trial = Trial::start();
    let contract = Contract::default();
    for operation in &operations() {
        let schema = contract.request_schema(contract.operation(operation.method, operation.path));
        assert_eq!(schema["additionalProperties"], false);
        let required: Vec<_> = schema["required"].as_array().expect("required").iter().collect();
        for name in schema["properties"].as_object().expect("properties").keys() {
            let mut body = operation.accepted.clone();
            body.as_object_mut().expect("an object").remove(name);
            let answer = trial.send_body(operation, &body);
            let is_required = required.iter().any(|required| *required == name);
            assert_eq!(answer.status == 422, is_required, "{name}: {}", answer.text());
        }
    }
}

/// A limit that only the validation has would show in no test above. A rule gives it to the schema too.
#[test]
fn what_is_validated_is_a_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api-types/src");
    for file in fs::read_dir(folder).expect("the sources of api-types") {
        let source = fs::read_to_string(file.expect("a file").path()).expect("a source");
        for line in source.lines().filter(|line| line.trim().starts_with("#[validate(")) {
            assert!(["custom(", "schema("].iter().any(|rule| line.contains(rule)), "{line}");
        }
    }
}

#[test]
fn a_list_in_an_answer_is_bounded_as_its_schema_says() {
    let contract = Contract::default();
    let most = |schema: &str, list: &str| {
        &contract.0["components"]["schemas"][schema]["properties"][list]["maxItems"]
    };
    let parameters = contract.operation("GET", "/operator/prospects")["parameters"].as_array();
    let limit = parameters.expect("parameters").iter().find(|it| it["name"] == "limit");
    assert_eq!(*most("ProspectList", "items"), limit.expect("a limit")["schema"]["maximum"]);
    assert_eq!(*most("Problem", "errors"), FieldError::MAX_LISTED);
}

#[test]
fn what_an_event_passes_on_has_the_limits_that_it_was_sent_with() {
    let contract = Contract::default();
    let limits = |schema: &str, property: &str| {
        let found = &contract.0["components"]["schemas"][schema]["properties"][property];
        ["maxLength", "pattern"].map(|limit| found[limit].clone())
    };
    assert_eq!(limits("MessageEvent", "id"), limits("ProspectMessageFrame", "id"));
    let sent = limits("ConnectSocketRequest", "linkinjected");
    assert!(sent[0].is_u64());
    assert_eq!(limits("ConnectedEvent", "linkinjected"), sent);
}
