//! The edits of an OpenAPI document: its paths, components and lists.

use serde_json::{Value, json};

use super::{
    editor::{Edit, Editor, Place, entries, escaped, items, rename},
    operation::{of_header, of_operation},
    schema,
};
use crate::parts::{Part, operations, reached};

/// Every single edit of an OpenAPI document.
pub fn of_openapi(document: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (path, method, operation) in operations(document) {
        of_operation(&mut edits, path, method, operation);
    }
    for (path, item) in entries(&document["paths"]) {
        let method = entries(item).next().expect("a method").0.clone();
        let mut editor = Editor {
            edits: &mut edits,
            part: Part::Operation { path: path.clone(), method: method.clone(), status: None },
            places: vec![Place::Contract],
            textual: false,
        };
        let old = path.clone();
        editor.edit(("path removed", "path added"), "/paths", move |paths| {
            paths.as_object_mut().expect("paths").shift_remove(&old);
        });
        // A path whose operations are not all deprecated is removed as any other.
        if entries(item).count() == 1 {
            let kinds = ("deprecated path removed", "deprecated path added");
            editor.repeat_deprecated(kinds, &format!("/paths/{}/{method}", escaped(path)));
        }
        let (old, new) = (path.clone(), format!("{path}/renamed"));
        editor.symmetric_edit("path renamed", "/paths", move |paths| rename(paths, &old, &new));
    }
    for kind in ["schemas", "headers", "securitySchemes"] {
        for (name, component) in entries(&document["components"][kind]) {
            of_component(&mut edits, document, (kind, name), component);
        }
    }
    of_whole(&mut edits, document);
    edits
}

fn of_component(
    edits: &mut Vec<Edit>,
    document: &Value,
    (kind, name): (&'static str, &str),
    component: &Value,
) {
    let part = Part::Component { kind, name: name.to_owned() };
    let at = format!("/components/{kind}/{name}");
    let mut editor = Editor { edits, part, places: vec![Place::Contract], textual: false };
    let used = (kind.to_owned(), name.to_owned());
    let (mut in_request, mut in_response) = (false, false);
    for (_, _, operation) in operations(document) {
        let asks = json!([operation["parameters"], operation["requestBody"]]);
        in_request |= reached(document, &asks).contains(&used);
        in_response |= reached(document, &operation["responses"]).contains(&used);
    }
    let unused = kind == "schemas" && !in_request && !in_response;
    if unused {
        editor.places = vec![Place::Unused];
    }
    let renamed_kind = match kind {
        "schemas" => "schema renamed",
        "headers" => "shared header renamed",
        _ => "security scheme renamed",
    };
    let old = name.to_owned();
    editor.symmetric_edit(renamed_kind, "", move |document| {
        rename(&mut document["components"][kind], &old, "Renamed");
        replace_references(document, kind, &old, "Renamed");
    });
    match kind {
        "schemas" => {
            if !unused {
                editor.places =
                    [(in_request, Place::RequestBody), (in_response, Place::ResponseBody)]
                        .into_iter()
                        .filter_map(|(used, place)| used.then_some(place))
                        .collect();
            }
            schema::edits(&mut editor, &at, component);
        }
        "headers" => {
            editor.places = vec![Place::ResponseHeader];
            of_header(&mut editor, &at, component);
        }
        _ => of_security_scheme(&mut editor, &at, component),
    }
}

fn of_security_scheme(editor: &mut Editor, at: &str, scheme: &Value) {
    editor.reword(at, scheme);
    if scheme["type"] == "apiKey" {
        editor.set("apiKey renamed", at, "name", json!("renamed"));
        editor.set("apiKey moved", at, "in", json!("query"));
        editor.symmetric_edit("security scheme retyped", at, |scheme| {
            *scheme = json!({"type": "http", "scheme": "bearer"});
        });
    } else {
        editor.set("http scheme changed", at, "scheme", json!("basic"));
        editor.toggle(
            ("bearer format removed", "bearer format set"),
            (at, scheme),
            "bearerFormat",
            json!("JWT"),
        );
        editor.symmetric_edit("security scheme retyped", at, |scheme| {
            *scheme = json!({"type": "apiKey", "in": "header", "name": "key"});
        });
    }
}

fn of_whole(edits: &mut Vec<Edit>, document: &Value) {
    let mut editor =
        Editor { edits, part: Part::Whole, places: vec![Place::Contract], textual: false };
    editor.set("prose reworded", "/info", "description", json!("Other words."));
    editor.set("title reworded", "/info", "title", json!("Another"));
    editor.set("version changed", "/info", "version", json!("99.0.0"));
    editor.set("contact changed", "/info", "contact", json!({"name": "Another"}));
    editor.set("licence changed", "/info", "license", json!({"name": "Another"}));
    editor.edit(("server added", "server removed"), "/servers", |servers| {
        servers.as_array_mut().expect("servers").push(json!({"url": "https://added.example"}));
    });
    for (index, server) in items(&document["servers"]).enumerate() {
        editor.edit(("server removed", "server added"), "/servers", move |servers| {
            servers.as_array_mut().expect("servers").remove(index);
        });
        let at = format!("/servers/{index}");
        editor.set("server address changed", &at, "url", json!("https://moved.example"));
        editor.reword(&at, server);
    }
    for (index, tag) in items(&document["tags"]).enumerate() {
        editor.edit(
            ("tag's description removed", "tag's description added"),
            "/tags",
            move |tags| {
                tags.as_array_mut().expect("tags").remove(index);
            },
        );
        editor.reword(&format!("/tags/{index}"), tag);
    }
    editor.set("specification version changed", "", "openapi", json!("3.1.1"));
    editor.edit(
        ("credentials for all required", "credentials for all no longer required"),
        "",
        |document| {
            document["security"] = json!([{"operatorKey": []}]);
        },
    );
    let problems = "/x-problem-types";
    for (index, _) in items(&document["x-problem-types"]).enumerate() {
        editor.edit(("problem type removed", "problem type added"), problems, move |problems| {
            problems.as_array_mut().expect("problem types").remove(index);
        });
        let at = format!("{problems}/{index}");
        editor.set("problem type renamed", &at, "type", json!("urn:renamed"));
        editor.set("problem type's status changed", &at, "status", json!(418));
        editor.set("prose reworded", &at, "title", json!("Other words"));
        editor.set("example changed", &at, "example", json!({}));
    }
}

/// Replaces the references to a component that was renamed.
fn replace_references(node: &mut Value, kind: &str, old: &str, new: &str) {
    let reference = |name: &str| format!("#/components/{kind}/{name}");
    match node {
        Value::String(text) if *text == reference(old) => *text = reference(new),
        Value::Array(items) => {
            for item in items {
                replace_references(item, kind, old, new);
            }
        }
        Value::Object(members) => {
            if kind == "securitySchemes"
                && let Some(Value::Array(alternatives)) = members.get_mut("security")
            {
                for alternative in alternatives {
                    rename(alternative, old, new);
                }
            }
            members.values_mut().for_each(|member| replace_references(member, kind, old, new));
        }
        _ => {}
    }
}
