//! The contract in OpenAPI 3.2, which has a place for the items of a stream.
//!
//! Everything else is as in 3.1, which stays the default until generators read 3.2.

use serde_json::{Value, json};

use super::event_stream::EXTENSION;

/// The 3.2 form of a 3.1 `document`.
#[must_use]
pub fn up_converted(document: &Value) -> Value {
    let mut document = document.clone();
    document["openapi"] = json!("3.2.0");
    convert(&mut document);
    document
}

/// Moves the schema of an item from its extension to `itemSchema`, in each media type below a node. The
/// schema of the whole stream, a text, goes: in 3.2 it would be that of a list of items.
fn convert(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(convert),
        Value::Object(members) => {
            if let Some(item) = members.shift_remove(EXTENSION) {
                members.shift_remove("schema");
                members.insert("itemSchema".to_owned(), item);
            }
            members.values_mut().for_each(convert);
        }
        _ => {}
    }
}
