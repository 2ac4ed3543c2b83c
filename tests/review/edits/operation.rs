//! The edits of one operation.

use serde_json::{Value, json};

use super::{
    editor::{Edit, Editor, Place, entries, escaped, items, rename},
    schema,
};
use crate::parts::Part;

/// Adds the edits of an operation with its parameters, body, credentials and responses.
pub fn of_operation(edits: &mut Vec<Edit>, path: &str, method: &str, operation: &Value) {
    let part = |status: Option<&String>| Part::Operation {
        path: path.to_owned(),
        method: method.to_owned(),
        status: status.cloned(),
    };
    let item = format!("/paths/{}", escaped(path));
    let at = format!("{item}/{method}");
    let mut editor =
        Editor { edits, part: part(None), places: vec![Place::Contract], textual: false };

    let name = method.to_owned();
    editor.edit(("operation removed", "operation added"), "/paths", move |paths| {
        for item in paths.as_object_mut().expect("paths").values_mut() {
            item.as_object_mut().expect("methods").shift_remove(&name);
        }
    });
    let kinds = ("deprecated operation removed", "deprecated operation added");
    editor.repeat_deprecated(kinds, &at);
    let name = method.to_owned();
    editor.symmetric_edit("method changed", &item, move |item| rename(item, &name, "patch"));
    editor.set("operationId renamed", &at, "operationId", json!("renamed"));
    editor.toggle(
        ("operationId removed", "operationId added"),
        (&at, operation),
        "operationId",
        Value::Null,
    );
    editor.set("tag replaced", &at, "tags", json!(["platform2"]));
    editor.edit(("tag added", "tag removed"), &format!("{at}/tags"), |tags| {
        tags.as_array_mut().expect("tags").push(json!("another"));
    });
    editor.toggle(
        ("deprecation removed", "deprecated"),
        (&at, operation),
        "deprecated",
        json!(true),
    );
    editor.reword(&at, operation);
    editor.set("extension changed", &at, "x-origin", json!("another"));
    of_security(&mut editor, &at, operation);

    for (index, parameter) in items(&operation["parameters"]).enumerate() {
        editor.places = vec![Place::Parameter];
        of_parameter(&mut editor, (&at, index), parameter);
    }
    editor.places = vec![Place::Parameter];
    for (required, kinds) in [
        (false, ("optional parameter added", "optional parameter removed")),
        (true, ("required parameter added", "required parameter removed")),
    ] {
        for place in ["query", "header", "cookie"] {
            editor.edit(kinds, &at, move |operation| {
                let parameter = json!({
                    "name": "added", "in": place, "required": required, "schema": {"type": "string"},
                });
                let parameters = operation
                    .as_object_mut()
                    .expect("an operation")
                    .entry("parameters")
                    .or_insert_with(|| json!([]));
                parameters.as_array_mut().expect("parameters").push(parameter);
            });
        }
    }

    editor.places = vec![Place::RequestBody];
    let body = &operation["requestBody"];
    if body.is_object() {
        let at_body = format!("{at}/requestBody");
        let kinds = if body["required"] == true {
            ("required body removed", "required body added")
        } else {
            ("optional body removed", "optional body added")
        };
        editor.toggle(kinds, (&at, operation), "requestBody", Value::Null);
        if body["required"] == true {
            editor.edit(("body made optional", "body made required"), &at_body, |body| {
                body["required"] = json!(false);
            });
        }
        editor.reword(&at_body, body);
        of_content(&mut editor, &at_body, body);
    } else {
        let content = json!({"application/json": {"schema": {"type": "object"}}});
        for (required, kinds) in [
            (true, ("required body added", "required body removed")),
            (false, ("optional body added", "optional body removed")),
        ] {
            let body = json!({"required": required, "content": content});
            editor.toggle((kinds.1, kinds.0), (&at, operation), "requestBody", body);
        }
    }

    for (status, response) in entries(&operation["responses"]) {
        editor.part = part(Some(status));
        of_response(&mut editor, &at, status, response);
    }
}

fn of_security(editor: &mut Editor, at: &str, operation: &Value) {
    let security = format!("{at}/security");
    let alternatives: Vec<&Value> = items(&operation["security"]).collect();
    let anonymous = json!({});
    if alternatives.contains(&&anonymous) {
        editor.edit(("anonymous access removed", "anonymous access added"), at, |operation| {
            operation["security"] = json!([{"operatorKey": []}]);
        });
        let named = alternatives.iter().position(|alternative| **alternative != anonymous);
        if let Some(index) = named {
            editor.edit(
                ("optional credentials removed", "optional credentials added"),
                &security,
                move |security| drop(security.as_array_mut().expect("a list").remove(index)),
            );
        }
        return;
    }
    editor.edit(("anonymous access added", "anonymous access removed"), &security, |security| {
        security.as_array_mut().expect("a list").push(json!({}));
    });
    editor.symmetric_edit("credentials replaced", at, |operation| {
        operation["security"] = json!([{"another": []}]);
    });
    editor.edit(
        ("alternative credentials added", "alternative credentials removed"),
        &security,
        |security| {
            security.as_array_mut().expect("a list").push(json!({"another": []}));
        },
    );
    editor.edit(
        ("additional credentials required", "additional credentials no longer required"),
        &security,
        |security| {
            security[0]["another"] = json!([]);
        },
    );
    editor.edit(("scope required", "scope no longer required"), &security, |security| {
        let schemes = security[0].as_object_mut().expect("schemes");
        schemes.values_mut().for_each(|scopes| *scopes = json!(["scope"]));
    });
}

fn of_parameter(editor: &mut Editor, (at, index): (&str, usize), parameter: &Value) {
    let list = format!("{at}/parameters");
    let at = format!("{list}/{index}");
    let required = parameter["required"] == true;
    let place = parameter["in"].as_str().expect("a place").to_owned();
    if place != "path" {
        let kinds = if required {
            ("required parameter removed", "required parameter added")
        } else {
            ("optional parameter removed", "optional parameter added")
        };
        editor.edit(kinds, &list, move |list| {
            list.as_array_mut().expect("a list").remove(index);
        });
        let kinds = if required {
            ("deprecated required parameter removed", "deprecated required parameter added")
        } else {
            ("deprecated optional parameter removed", "deprecated optional parameter added")
        };
        editor.repeat_deprecated(kinds, &at);
        let kind =
            if required { "required parameter renamed" } else { "optional parameter renamed" };
        editor.set(kind, &at, "name", json!("renamed"));
        let kind = if required { "required parameter moved" } else { "optional parameter moved" };
        editor.set(kind, &at, "in", json!(if place == "query" { "header" } else { "query" }));
        let kinds = ("parameter made optional", "parameter made required");
        if required {
            editor.edit(kinds, &at, |parameter| parameter["required"] = json!(false));
        } else {
            editor.edit((kinds.1, kinds.0), &at, |parameter| parameter["required"] = json!(true));
        }
    }
    let style = if place == "query" { "pipeDelimited" } else { "label" };
    if place != "header" {
        editor.toggle(("style removed", "style set"), (&at, parameter), "style", json!(style));
    }
    editor.toggle(
        ("explode removed", "explode set"),
        (&at, parameter),
        "explode",
        json!(place != "query"),
    );
    editor.toggle(
        ("deprecation removed", "deprecated"),
        (&at, parameter),
        "deprecated",
        json!(true),
    );
    editor.reword(&at, parameter);
    editor.examples(&at, parameter);
    let schema = format!("{at}/schema");
    schema::text_edits(editor, &schema, &parameter["schema"]);
    if !required {
        schema::of_default(editor, &schema, &parameter["schema"]);
    }
}

fn of_response(editor: &mut Editor, at: &str, status: &str, response: &Value) {
    let responses = format!("{at}/responses");
    let at = format!("{responses}/{status}");
    editor.places = vec![Place::ResponseBody];
    let success = status.starts_with('2');
    let kinds = if success {
        ("success response removed", "success response added")
    } else {
        ("other response removed", "other response added")
    };
    let name = status.to_owned();
    editor.edit(kinds, &responses, move |responses| {
        responses.as_object_mut().expect("responses").shift_remove(&name);
    });
    let kind = if success { "success status renamed" } else { "other status renamed" };
    let (old, new) = (status.to_owned(), if success { "203" } else { "418" });
    editor.symmetric_edit(kind, &responses, move |responses| rename(responses, &old, new));
    editor.reword(&at, response);
    of_content(editor, &at, response);

    editor.places = vec![Place::ResponseHeader];
    for (name, header) in entries(&response["headers"]) {
        let headers = format!("{at}/headers");
        let old = name.clone();
        editor.edit(("header removed", "header added"), &headers, move |headers| {
            headers.as_object_mut().expect("headers").shift_remove(&old);
        });
        let old = name.clone();
        editor.symmetric_edit("header renamed", &headers, move |headers| {
            rename(headers, &old, "renamed");
        });
        if header.get("$ref").is_none() {
            of_header(editor, &format!("{headers}/{name}"), header);
        }
    }
}

/// Adds the edits of a response header.
pub fn of_header(editor: &mut Editor, at: &str, header: &Value) {
    editor.toggle(
        ("header made optional", "header made required"),
        (at, header),
        "required",
        json!(true),
    );
    editor.toggle(("deprecation removed", "deprecated"), (at, header), "deprecated", json!(true));
    editor.reword(at, header);
    editor.examples(at, header);
    schema::text_edits(editor, &format!("{at}/schema"), &header["schema"]);
}

fn of_content(editor: &mut Editor, at: &str, holder: &Value) {
    let content = format!("{at}/content");
    for (name, media_type) in entries(&holder["content"]) {
        let old = name.clone();
        editor.edit(("media type removed", "media type added"), &content, move |content| {
            content.as_object_mut().expect("media types").shift_remove(&old);
        });
        let old = name.clone();
        editor.symmetric_edit("media type renamed", &content, move |content| {
            rename(content, &old, "application/renamed");
        });
        let at = format!("{content}/{}", escaped(name));
        editor.examples(&at, media_type);
        if media_type.get("schema").is_some() {
            editor.toggle(
                ("schema removed", "schema added"),
                (&at, media_type),
                "schema",
                Value::Null,
            );
            editor.textual = !name.ends_with("json");
            schema::edits(editor, &format!("{at}/schema"), &media_type["schema"]);
            editor.textual = false;
        }
        if media_type.get("x-item-schema").is_some() {
            let places = std::mem::replace(&mut editor.places, vec![Place::Unused]);
            editor.set("item schema changed", &at, "x-item-schema", json!({}));
            editor.places = places;
        }
    }
}
