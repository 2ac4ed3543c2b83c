//! References between the parts of a document.

use serde_json::Value;

/// The name of the component that a node's `$ref` points to.
pub fn referenced(node: &Value) -> Option<&str> {
    node["$ref"].as_str()?.rsplit('/').next()
}
