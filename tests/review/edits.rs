//! Every single edit of a contract: of each operation, parameter, header, response, media type,
//! security scheme and of what belongs to none of them. Those of schemas are in `schemas`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    schemas,
    slices::{Part, operations, reached},
};

/// Where an edit is met; it decides whom it can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Parameter,
    RequestBody,
    ResponseBody,
    ResponseHeader,
    /// In what is of both directions or of none.
    Contract,
    /// In a component that no operation uses: the frames, which have a document of their own.
    Unused,
}

/// One edit. Made backwards, from what it makes to what was, it is another edit: `back`.
pub struct Edit {
    pub kind: &'static str,
    pub back: &'static str,
    pub places: Vec<Place>,
    /// A JSON pointer, for whoever reads a failure.
    pub at: String,
    pub part: Part,
    /// What was done before the edit, where it is an edit of that.
    pub given: Option<Change>,
    pub apply: Change,
}

/// A change of a document.
pub type Change = Box<dyn Fn(&mut Value) + Send + Sync>;

/// Gathers edits of one part of a document.
pub struct Editor<'a> {
    pub edits: &'a mut Vec<Edit>,
    pub part: Part,
    pub places: Vec<Place>,
    /// Whether all that travels here is text, whatever type it is said to have.
    pub textual: bool,
}

impl Editor<'_> {
    /// An edit of the node at a pointer.
    pub fn edit(
        &mut self,
        (kind, back): (&'static str, &'static str),
        at: &str,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) {
        let pointer = at.to_owned();
        self.edits.push(Edit {
            kind,
            back,
            places: self.places.clone(),
            at: at.to_owned(),
            part: self.part.clone(),
            given: None,
            apply: Box::new(move |document| {
                let node = document.pointer_mut(&pointer);
                change(node.unwrap_or_else(|| panic!("nothing at {pointer}")));
            }),
        });
    }

    /// The last edit once more, of what was deprecated before.
    pub fn once_deprecated(&mut self, kinds: (&'static str, &'static str), at: &str) {
        let last = self.edits.pop().expect("an edit");
        let pointer = at.to_owned();
        let apply: Arc<dyn Fn(&mut Value) + Send + Sync> = last.apply.into();
        let again = Arc::clone(&apply);
        self.edits.push(Edit { apply: Box::new(move |document| apply(document)), ..last });
        self.edits.push(Edit {
            kind: kinds.0,
            back: kinds.1,
            places: self.places.clone(),
            at: at.to_owned(),
            part: self.part.clone(),
            given: Some(Box::new(move |document| {
                document.pointer_mut(&pointer).expect("a node")["deprecated"] = json!(true);
            })),
            apply: Box::new(move |document| again(document)),
        });
    }

    /// An edit that is its own way back.
    pub fn edit_both_ways(
        &mut self,
        kind: &'static str,
        at: &str,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) {
        self.edit((kind, kind), at, change);
    }

    /// Gives a member of an object another value.
    pub fn set(&mut self, kind: &'static str, at: &str, name: &'static str, value: Value) {
        self.edit_both_ways(kind, at, move |node| node[name] = value.clone());
    }

    /// Takes a member that is there, or gives one that is not.
    pub fn toggle(
        &mut self,
        (dropped, set): (&'static str, &'static str),
        (at, node): (&str, &Value),
        name: &'static str,
        value: Value,
    ) {
        if node.get(name).is_some() {
            self.edit((dropped, set), at, move |node| {
                node.as_object_mut().expect("an object").shift_remove(name);
            });
        } else {
            self.edit((set, dropped), at, move |node| node[name] = value.clone());
        }
    }

    /// Rewords what is there for people.
    pub fn reword(&mut self, at: &str, node: &Value) {
        for name in ["description", "summary"] {
            if node[name].is_string() {
                self.set("text reworded", at, name, json!("Other words."));
            }
        }
    }

    /// Drops and changes examples.
    pub fn examples(&mut self, at: &str, node: &Value) {
        for name in ["example", "examples"] {
            if node.get(name).is_some() {
                self.toggle(("example dropped", "example added"), (at, node), name, json!(0));
            }
        }
    }

    fn schema(&mut self, at: &str, node: &Value) {
        schemas::edits(self, at, node);
    }

    fn text(&mut self, at: &str, node: &Value) {
        self.textual = true;
        schemas::edits(self, at, node);
        self.textual = false;
    }
}

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
        editor.edit(("path dropped", "path added"), "/paths", move |paths| {
            paths.as_object_mut().expect("paths").shift_remove(&old);
        });
        // A path whose operations are not all deprecated is dropped as any other.
        if entries(item).count() == 1 {
            let kinds = ("deprecated path dropped", "deprecated path added");
            editor.once_deprecated(kinds, &format!("/paths/{}/{method}", escaped(path)));
        }
        let (old, new) = (path.clone(), format!("{path}/renamed"));
        editor.edit_both_ways("path renamed", "/paths", move |paths| rename(paths, &old, &new));
    }
    for kind in ["schemas", "headers", "securitySchemes"] {
        for (name, component) in entries(&document["components"][kind]) {
            of_component(&mut edits, document, (kind, name), component);
        }
    }
    of_whole(&mut edits, document);
    edits
}

fn of_operation(edits: &mut Vec<Edit>, path: &str, method: &str, operation: &Value) {
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
    editor.edit(("operation dropped", "operation added"), "/paths", move |paths| {
        for item in paths.as_object_mut().expect("paths").values_mut() {
            item.as_object_mut().expect("methods").shift_remove(&name);
        }
    });
    let kinds = ("deprecated operation dropped", "deprecated operation added");
    editor.once_deprecated(kinds, &at);
    let name = method.to_owned();
    editor.edit_both_ways("method changed", &item, move |item| rename(item, &name, "patch"));
    editor.set("operationId renamed", &at, "operationId", json!("renamed"));
    editor.toggle(
        ("operationId dropped", "operationId added"),
        (&at, operation),
        "operationId",
        Value::Null,
    );
    editor.set("tag replaced", &at, "tags", json!(["platform2"]));
    editor.edit(("tag added", "tag dropped"), &format!("{at}/tags"), |tags| {
        tags.as_array_mut().expect("tags").push(json!("another"));
    });
    editor.toggle(
        ("deprecation dropped", "deprecated"),
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
        (false, ("optional parameter added", "optional parameter dropped")),
        (true, ("required parameter added", "required parameter dropped")),
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
            ("required body dropped", "required body added")
        } else {
            ("optional body dropped", "optional body added")
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
            (true, ("required body added", "required body dropped")),
            (false, ("optional body added", "optional body dropped")),
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
        editor.edit(("anonymous access ended", "anonymous access given"), at, |operation| {
            operation["security"] = json!([{"operatorKey": []}]);
        });
        let named = alternatives.iter().position(|alternative| **alternative != anonymous);
        if let Some(index) = named {
            editor.edit(
                (
                    "credentials dropped beside anonymous access",
                    "credentials added beside anonymous access",
                ),
                &security,
                move |security| drop(security.as_array_mut().expect("a list").remove(index)),
            );
        }
        return;
    }
    editor.edit(("anonymous access given", "anonymous access ended"), &security, |security| {
        security.as_array_mut().expect("a list").push(json!({}));
    });
    editor.edit_both_ways("credentials replaced", at, |operation| {
        operation["security"] = json!([{"another": []}]);
    });
    editor.edit(
        ("alternative credentials added", "alternative credentials dropped"),
        &security,
        |security| {
            security.as_array_mut().expect("a list").push(json!({"another": []}));
        },
    );
    editor.edit(
        ("further credentials required", "further credentials no longer required"),
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
            ("required parameter dropped", "required parameter added")
        } else {
            ("optional parameter dropped", "optional parameter added")
        };
        editor.edit(kinds, &list, move |list| {
            list.as_array_mut().expect("a list").remove(index);
        });
        let kinds = if required {
            ("deprecated required parameter dropped", "deprecated required parameter added")
        } else {
            ("deprecated optional parameter dropped", "deprecated optional parameter added")
        };
        editor.once_deprecated(kinds, &at);
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
        editor.toggle(("style dropped", "style set"), (&at, parameter), "style", json!(style));
    }
    editor.toggle(
        ("explode dropped", "explode set"),
        (&at, parameter),
        "explode",
        json!(place != "query"),
    );
    editor.toggle(
        ("deprecation dropped", "deprecated"),
        (&at, parameter),
        "deprecated",
        json!(true),
    );
    editor.reword(&at, parameter);
    editor.examples(&at, parameter);
    let schema = format!("{at}/schema");
    editor.text(&schema, &parameter["schema"]);
    if !required {
        schemas::of_default(editor, &schema, &parameter["schema"]);
    }
}

fn of_response(editor: &mut Editor, at: &str, status: &str, response: &Value) {
    let responses = format!("{at}/responses");
    let at = format!("{responses}/{status}");
    editor.places = vec![Place::ResponseBody];
    let success = status.starts_with('2');
    let kinds = if success {
        ("success response dropped", "success response added")
    } else {
        ("other response dropped", "other response added")
    };
    let name = status.to_owned();
    editor.edit(kinds, &responses, move |responses| {
        responses.as_object_mut().expect("responses").shift_remove(&name);
    });
    let kind = if success { "success status renamed" } else { "other status renamed" };
    let (old, new) = (status.to_owned(), if success { "203" } else { "418" });
    editor.edit_both_ways(kind, &responses, move |responses| rename(responses, &old, new));
    editor.reword(&at, response);
    of_content(editor, &at, response);

    editor.places = vec![Place::ResponseHeader];
    for (name, header) in entries(&response["headers"]) {
        let headers = format!("{at}/headers");
        let old = name.clone();
        editor.edit(("header dropped", "header added"), &headers, move |headers| {
            headers.as_object_mut().expect("headers").shift_remove(&old);
        });
        let old = name.clone();
        editor.edit_both_ways("header renamed", &headers, move |headers| {
            rename(headers, &old, "renamed");
        });
        if header.get("$ref").is_none() {
            of_header(editor, &format!("{headers}/{name}"), header);
        }
    }
}

fn of_header(editor: &mut Editor, at: &str, header: &Value) {
    editor.toggle(
        ("header made optional", "header made required"),
        (at, header),
        "required",
        json!(true),
    );
    editor.toggle(("deprecation dropped", "deprecated"), (at, header), "deprecated", json!(true));
    editor.reword(at, header);
    editor.examples(at, header);
    editor.text(&format!("{at}/schema"), &header["schema"]);
}

fn of_content(editor: &mut Editor, at: &str, holder: &Value) {
    let content = format!("{at}/content");
    for (name, media_type) in entries(&holder["content"]) {
        let old = name.clone();
        editor.edit(("media type dropped", "media type added"), &content, move |content| {
            content.as_object_mut().expect("media types").shift_remove(&old);
        });
        let old = name.clone();
        editor.edit_both_ways("media type renamed", &content, move |content| {
            rename(content, &old, "application/renamed");
        });
        let at = format!("{content}/{}", escaped(name));
        editor.examples(&at, media_type);
        if media_type.get("schema").is_some() {
            editor.toggle(
                ("schema dropped", "schema added"),
                (&at, media_type),
                "schema",
                Value::Null,
            );
            editor.textual = !name.ends_with("json");
            editor.schema(&format!("{at}/schema"), &media_type["schema"]);
            editor.textual = false;
        }
    }
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
    editor.edit_both_ways(renamed_kind, "", move |document| {
        rename(&mut document["components"][kind], &old, "Renamed");
        refer(document, kind, &old, "Renamed");
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
            editor.schema(&at, component);
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
        editor.edit_both_ways("security scheme retyped", at, |scheme| {
            *scheme = json!({"type": "http", "scheme": "bearer"});
        });
    } else {
        editor.set("http scheme changed", at, "scheme", json!("basic"));
        editor.toggle(
            ("bearer format dropped", "bearer format set"),
            (at, scheme),
            "bearerFormat",
            json!("JWT"),
        );
        editor.edit_both_ways("security scheme retyped", at, |scheme| {
            *scheme = json!({"type": "apiKey", "in": "header", "name": "key"});
        });
    }
}

fn of_whole(edits: &mut Vec<Edit>, document: &Value) {
    let mut editor =
        Editor { edits, part: Part::Whole, places: vec![Place::Contract], textual: false };
    editor.set("text reworded", "/info", "description", json!("Other words."));
    editor.set("title reworded", "/info", "title", json!("Another"));
    editor.set("version moved", "/info", "version", json!("99.0.0"));
    editor.set("contact changed", "/info", "contact", json!({"name": "Another"}));
    editor.set("licence changed", "/info", "license", json!({"name": "Another"}));
    editor.edit(("server added", "server dropped"), "/servers", |servers| {
        servers.as_array_mut().expect("servers").push(json!({"url": "https://added.example"}));
    });
    for (index, server) in items(&document["servers"]).enumerate() {
        editor.edit(("server dropped", "server added"), "/servers", move |servers| {
            servers.as_array_mut().expect("servers").remove(index);
        });
        let at = format!("/servers/{index}");
        editor.set("server moved", &at, "url", json!("https://moved.example"));
        editor.reword(&at, server);
    }
    for (index, tag) in items(&document["tags"]).enumerate() {
        editor.edit(
            ("tag's description dropped", "tag's description added"),
            "/tags",
            move |tags| {
                tags.as_array_mut().expect("tags").remove(index);
            },
        );
        editor.reword(&format!("/tags/{index}"), tag);
    }
    editor.set("specification's version moved", "", "openapi", json!("3.1.1"));
    editor.edit(
        ("credentials for all required", "credentials for all no longer required"),
        "",
        |document| {
            document["security"] = json!([{"operatorKey": []}]);
        },
    );
    let problems = "/x-problem-types";
    for (index, _) in items(&document["x-problem-types"]).enumerate() {
        editor.edit(("problem type dropped", "problem type added"), problems, move |problems| {
            problems.as_array_mut().expect("problem types").remove(index);
        });
        let at = format!("{problems}/{index}");
        editor.set("problem type renamed", &at, "type", json!("urn:renamed"));
        editor.set("problem type's status changed", &at, "status", json!(418));
        editor.set("text reworded", &at, "title", json!("Other words"));
        editor.set("example changed", &at, "example", json!({}));
    }
}

/// Every single edit of an AsyncAPI document.
pub fn of_asyncapi(document: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut editor = Editor {
        edits: &mut edits,
        part: Part::Whole,
        places: vec![Place::Contract],
        textual: false,
    };
    editor.set("text reworded", "/info", "description", json!("Other words."));
    editor.set("title reworded", "/info", "title", json!("Another"));
    for (name, server) in entries(&document["servers"]) {
        let at = format!("/servers/{name}");
        editor.set("server moved", &at, "host", json!("moved.example"));
        editor.set("server moved", &at, "protocol", json!("wss"));
        editor.reword(&at, server);
    }
    for (name, channel) in entries(&document["channels"]) {
        let at = format!("/channels/{name}");
        editor.set("path renamed", &at, "address", json!("/renamed"));
        editor.reword(&at, channel);
        editor.set("title reworded", &at, "title", json!("Another"));
        of_handshake(&mut editor, &format!("{at}/bindings/ws/headers"));
        of_close_codes(&mut editor, &format!("{at}/x-close-codes"), &channel["x-close-codes"]);
        editor.places = vec![Place::Contract];
    }
    let mut directions = Vec::new();
    for (name, operation) in entries(&document["operations"]) {
        let at = format!("/operations/{name}");
        let sent = operation["action"] == "send";
        editor.places = vec![Place::Contract];
        editor.set(
            "frames turned round",
            &at,
            "action",
            json!(if sent { "receive" } else { "send" }),
        );
        editor.reword(&at, operation);
        let dropped = name.clone();
        editor.edit(("operation dropped", "operation added"), "/operations", move |operations| {
            operations.as_object_mut().expect("operations").shift_remove(&dropped);
        });
        editor.places = vec![if sent { Place::ResponseBody } else { Place::RequestBody }];
        let messages = format!("{at}/messages");
        for (index, message) in items(&operation["messages"]).enumerate() {
            editor.edit(("frame dropped", "frame added"), &messages, move |messages| {
                messages.as_array_mut().expect("messages").remove(index);
            });
            let frame = message["$ref"].as_str().and_then(|name| name.rsplit('/').next());
            let frame = frame.expect("a reference").to_owned();
            let at = format!("/components/messages/{frame}");
            editor.set("frame renamed", &at, "name", json!("renamed"));
            editor.set("media type renamed", &at, "contentType", json!("application/renamed"));
            editor.reword(&at, &document["components"]["messages"][&frame]);
            editor.examples(&at, &document["components"]["messages"][&frame]);
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
        editor.schema(&format!("/components/schemas/{name}"), schema);
    }
    edits
}

fn of_handshake(editor: &mut Editor, at: &str) {
    editor.places = vec![Place::Parameter];
    editor.edit(("required parameter dropped", "required parameter added"), at, |headers| {
        *headers = json!({"type": "object"});
    });
    editor.edit(("parameter made optional", "parameter made required"), at, |headers| {
        headers["required"] = json!([]);
    });
    editor.edit(("optional parameter added", "optional parameter dropped"), at, |headers| {
        headers["properties"]["added"] = json!({"type": "string"});
    });
}

fn of_close_codes(editor: &mut Editor, at: &str, codes: &Value) {
    editor.places = vec![Place::ResponseBody];
    for (index, code) in items(codes).enumerate() {
        editor.edit(("close code dropped", "close code added"), at, move |codes| {
            codes.as_array_mut().expect("codes").remove(index);
        });
        let at = format!("{at}/{index}");
        editor.set("close code renumbered", &at, "code", json!(4999));
        editor.set("text reworded", &at, "reason", json!("other words"));
        editor.reword(&at, code);
        for name in ["bye", "comeBack"] {
            let turned = json!(code[name] != true);
            editor.edit_both_ways("close code's consequence changed", &at, move |code| {
                code[name] = turned.clone();
            });
        }
    }
}

/// The members of an object; of anything else, none.
pub fn entries(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flatten()
}

fn items(node: &Value) -> impl Iterator<Item = &Value> {
    node.as_array().into_iter().flatten()
}

/// A member's name as a JSON pointer has it.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Renames a member where it stands.
pub fn rename(object: &mut Value, old: &str, new: &str) {
    let members = object.as_object_mut().expect("an object");
    let renamed: Map<String, Value> = std::mem::take(members)
        .into_iter()
        .map(|(name, member)| (if name == old { new.to_owned() } else { name }, member))
        .collect();
    *members = renamed;
}

/// Lets everything that used a component use it under its new name.
fn refer(node: &mut Value, kind: &str, old: &str, new: &str) {
    let reference = |name: &str| format!("#/components/{kind}/{name}");
    match node {
        Value::String(text) if *text == reference(old) => *text = reference(new),
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, kind, old, new)),
        Value::Object(members) => {
            if kind == "securitySchemes"
                && let Some(Value::Array(alternatives)) = members.get_mut("security")
            {
                for alternative in alternatives {
                    rename(alternative, old, new);
                }
            }
            members.values_mut().for_each(|member| refer(member, kind, old, new));
        }
        _ => {}
    }
}
