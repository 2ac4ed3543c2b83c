//! The contract as a gateway serves it.

use serde_json::Value;
use tests::Gateway;

/// The paths that the OpenAPI documents are served at: 3.1, 3.0 and 3.2.
pub const PATHS: [&str; 3] = ["/openapi.json", "/openapi-3.0.json", "/openapi-3.2.json"];

/// One document, with references to look up.
pub struct Contract(pub Value);

impl Contract {
    /// The OpenAPI documents of a fresh gateway: 3.1, 3.0 and 3.2.
    pub fn all() -> [Self; 3] {
        let gateway = Gateway::trial();
        PATHS.map(|path| Self(gateway.get(path).ok()))
    }

    /// The document in OpenAPI 3.1, the default.
    pub fn default() -> Self {
        let [default, ..] = Self::all();
        default
    }

    pub fn operation(&self, method: &str, path: &str) -> &Value {
        &self.0["paths"][path][method.to_lowercase()]
    }

    /// Every operation, with its method and path.
    pub fn operations(&self) -> Vec<(String, String, &Value)> {
        let paths = self.0["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let item = item.as_object().expect("a path item");
            item.iter()
                .map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        });
        operations.collect()
    }

    /// What a reference stands for, or the value itself.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => {
                self.0.pointer(reference.trim_start_matches('#')).expect("no dangling reference")
            }
            None => value,
        }
    }

    /// The schema of an operation's JSON body.
    pub fn request_schema(&self, operation: &Value) -> &Value {
        // A reference into the document lives as long as the document.
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        match schema["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).expect("a schema"),
            None => &Value::Null,
        }
    }

    /// The types that a property takes and whether `null` is one: written differently in 3.0 and 3.1.
    pub fn types(schema: &Value) -> (Vec<String>, bool) {
        let types: Vec<String> = match &schema["type"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(several) => {
                several.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        let nullable = types.iter().any(|kind| kind == "null") || schema["nullable"] == true;
        (types.into_iter().filter(|kind| kind != "null").collect(), nullable)
    }
}
