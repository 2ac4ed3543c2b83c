//! The edits of an AsyncAPI document: its handshake, requests, frames, events and close codes.

use serde_json::{Value, json};

use super::{
    editor::{Edit, Editor, Place, entries, items},
    schema,
};
use crate::parts::{Part, reached};

/// Every single edit of an AsyncAPI document.
pub fn of_asyncapi(document: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut editor = Editor {
        edits: &mut edits,
        part: Part::Whole,
        places: vec![Place::Contract],
        textual: false,
    };
    editor.set("prose reworded", "/info", "description", json!("Other words."));
    editor.set("title reworded", "/info", "title", json!("Another"));
    for (name, server) in entries(&document["servers"]) {
        let at = format!("/servers/{name}");
        editor.set("server address changed", &at, "host", json!("moved.example"));
        editor.set("server address changed", &at, "protocol", json!("wss"));
        editor.reword(&at, server);
    }
    for (name, channel) in entries(&document["channels"]) {
        let at = format!("/channels/{name}");
        editor.set("path renamed", &at, "address", json!("/renamed"));
        editor.reword(&at, channel);
        editor.set("title reworded", &at, "title", json!("Another"));
        if channel["bindings"]["ws"].is_object() {
            let at = format!("{at}/bindings/ws/headers");
            of_parameters(&mut editor, &at, &channel["bindings"]["ws"]["headers"]);
        }
        of_close_codes(&mut editor, &format!("{at}/x-close-codes"), &channel["x-close-codes"]);
        of_client_rules(&mut editor, &format!("{at}/x-client-rules"), &channel["x-client-rules"]);
        editor.places = vec![Place::Contract];
    }
    let mut directions = Vec::new();
    for (name, operation) in entries(&document["operations"]) {
        let at = format!("/operations/{name}");
        let sent = operation["action"] == "send";
        editor.places = vec![Place::Contract];
        editor.set(
            "frame direction swapped",
            &at,
            "action",
            json!(if sent { "receive" } else { "send" }),
        );
        editor.reword(&at, operation);
        let removed = name.clone();
        editor.edit(("operation removed", "operation added"), "/operations", move |operations| {
            operations.as_object_mut().expect("operations").shift_remove(&removed);
        });
        let request = &operation["bindings"]["http"];
        if request.is_object() {
            editor.set("method changed", &format!("{at}/bindings/http"), "method", json!("PATCH"));
            let another = json!([{"$ref": "#/components/securitySchemes/another"}]);
            editor.set("credentials replaced", &at, "security", another);
            let at = format!("{at}/bindings/http/query");
            of_parameters(&mut editor, &at, &request["query"]);
        }
        editor.places = vec![if sent { Place::ResponseBody } else { Place::RequestBody }];
        let messages = format!("{at}/messages");
        for (index, message) in items(&operation["messages"]).enumerate() {
            editor.edit(("frame removed", "frame added"), &messages, move |messages| {
                messages.as_array_mut().expect("messages").remove(index);
            });
            let frame = message["$ref"].as_str().and_then(|name| name.rsplit('/').next());
            let frame = frame.expect("a reference").to_owned();
            let at = format!("/components/messages/{frame}");
            editor.set("frame renamed", &at, "name", json!("renamed"));
            editor.set("media type renamed", &at, "contentType", json!("application/renamed"));
            editor.reword(&at, &document["components"]["messages"][&frame]);
            let message = &document["components"]["messages"][&frame];
            editor.examples(&at, message);
            if message["headers"].is_object() {
                schema::edits(&mut editor, &format!("{at}/headers"), &message["headers"]);
            }
            directions.push((frame, editor.places[0]));
        }
    }
    // A schema that travels both ways has both directions.
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let used = ("schemas".to_owned(), name.clone());
        editor.places = directions
            .iter()
            .filter(|(frame, _)| {
                frame == name || {
                    reached(document, &document["components"]["schemas"][frame]).contains(&used)
                }
            })
            .map(|(_, place)| *place)
            .collect();
        editor.places.sort_unstable();
        editor.places.dedup();
        schema::edits(&mut editor, &format!("/components/schemas/{name}"), schema);
    }
    edits
}

/// Adds the edits of headers or of a query, as a binding has them.
fn of_parameters(editor: &mut Editor, at: &str, parameters: &Value) {
    editor.places = vec![Place::Parameter];
    for (name, schema) in entries(&parameters["properties"]) {
        let required = items(&parameters["required"]).any(|required| required == name);
        let kinds = if required {
            ("required parameter removed", "required parameter added")
        } else {
            ("optional parameter removed", "optional parameter added")
        };
        let removed = name.clone();
        editor.edit(kinds, at, move |parameters| {
            parameters["properties"].as_object_mut().expect("properties").shift_remove(&removed);
        });
        if required {
            editor.edit(("parameter made optional", "parameter made required"), at, |parameters| {
                parameters["required"] = json!([]);
            });
        } else {
            let name = name.clone();
            editor.edit(
                ("parameter made required", "parameter made optional"),
                at,
                move |parameters| parameters["required"] = json!([name]),
            );
        }
        schema::text_edits(editor, &format!("{at}/properties/{name}"), schema);
    }
    editor.edit(("optional parameter added", "optional parameter removed"), at, |parameters| {
        parameters["properties"]["added"] = json!({"type": "string"});
    });
}

fn of_close_codes(editor: &mut Editor, at: &str, codes: &Value) {
    editor.places = vec![Place::ResponseBody];
    for (index, code) in items(codes).enumerate() {
        editor.edit(("close code removed", "close code added"), at, move |codes| {
            codes.as_array_mut().expect("codes").remove(index);
        });
        let at = format!("{at}/{index}");
        editor.set("close code renumbered", &at, "code", json!(4999));
        editor.set("prose reworded", &at, "reason", json!("other words"));
        editor.reword(&at, code);
        for name in ["bye", "comeBack"] {
            let turned = json!(code[name] != true);
            editor.symmetric_edit("close code's consequence changed", &at, move |code| {
                code[name] = turned.clone();
            });
        }
        editor.set("close code's consequence changed", &at, "policy", json!("another"));
        editor.set("close code's delay changed", &at, "retryAfterMs", json!({"minimum": 7}));
    }
}

/// Adds the edits of the rules for clients: every number, and every item of a list.
fn of_client_rules(editor: &mut Editor, at: &str, rules: &Value) {
    editor.places = vec![Place::Contract];
    editor.reword(at, rules);
    for (name, rule) in entries(rules) {
        let path = format!("{at}/{name}");
        match rule {
            Value::Object(_) => of_client_rules(editor, &path, rule),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    editor.edit(
                        ("client rule removed", "client rule added"),
                        &path,
                        move |rules| {
                            rules.as_array_mut().expect("rules").remove(index);
                        },
                    );
                    let path = format!("{path}/{index}");
                    let what = item["what"].clone();
                    editor.symmetric_edit("client rule renamed", &path, move |item| {
                        item["what"] = json!(format!("not {what}"));
                    });
                    editor.symmetric_edit("prose reworded", &path, |item| {
                        item["why"] = json!("Other words.");
                    });
                }
            }
            Value::Number(_) => {
                editor.symmetric_edit("client rule changed", &path, |rule| *rule = json!(77));
            }
            _ if name == "description" => {}
            _ => editor.symmetric_edit("client rule changed", &path, |rule| *rule = json!("never")),
        }
    }
}
