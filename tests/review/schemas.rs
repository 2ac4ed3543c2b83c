//! Every single edit of a schema, and of all the schemas within it.

use serde_json::{Value, json};

use crate::edits::{Editor, Place, entries, escaped, rename};

/// The bounds of a schema: the keyword, the type that has it, whether more of it allows more, and
/// a value where there is none.
const BOUNDS: [(&str, &str, bool, u64); 8] = [
    ("maxLength", "string", true, 100),
    ("minLength", "string", false, 3),
    ("maximum", "integer", true, 100),
    ("minimum", "integer", false, 3),
    ("maxItems", "array", true, 100),
    ("minItems", "array", false, 3),
    ("maxProperties", "object", true, 100),
    ("minProperties", "object", false, 3),
];

/// Gathers the edits of the schema at a pointer.
pub fn edits(editor: &mut Editor, at: &str, schema: &Value) {
    editor.reword(at, schema);
    editor.examples(at, schema);
    let sibling = schema.get("$ref").is_some();
    if sibling {
        // What it refers to is edited where it is; beside it, it can be led elsewhere.
        editor.edit_both_ways("retyped", at, |schema| *schema = json!({"type": "boolean"}));
        return;
    }
    editor.toggle(("title dropped", "title added"), (at, schema), "title", json!("A title"));
    of_type(editor, at, schema);
    of_bounds(editor, at, schema);
    of_enum(editor, at, schema);
    // A parameter's counts where it is optional: see there.
    if editor.places != [Place::Parameter] {
        of_default(editor, at, schema);
    }
    of_members(editor, at, schema);
    of_union(editor, at, schema);
    if schema["items"].is_object() {
        edits(editor, &format!("{at}/items"), &schema["items"]);
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn of_type(editor: &mut Editor, at: &str, schema: &Value) {
    let types = types(schema);
    let Some(name) = types.iter().copied().find(|name| *name != "null") else {
        return;
    };
    let name = name.to_owned();
    let other = if name == "boolean" { "string" } else { "boolean" };
    // What is written as text can be read as text, whatever it was.
    let text = editor.textual && name == "string";
    let kinds =
        if text { ("retyped from text", "retyped to text") } else { ("retyped", "retyped") };
    let nullable = types.contains(&"null");
    editor.edit(kinds, at, move |schema| {
        schema["type"] = if nullable { json!([other, "null"]) } else { json!(other) };
    });
    let kinds = ("made nullable", "made not nullable");
    if nullable {
        editor.edit((kinds.1, kinds.0), at, move |schema| schema["type"] = json!(name));
    } else {
        editor.edit(kinds, at, move |schema| schema["type"] = json!([name, "null"]));
    }
    let kinds = if text {
        ("text's type dropped", "text's type set")
    } else {
        ("type dropped", "type set")
    };
    editor.toggle(kinds, (at, schema), "type", Value::Null);
    if matches!(types[..], ["string" | "integer"]) {
        if schema["format"].is_string() {
            let other = if types[0] == "string" { "date" } else { "int16" };
            editor.set("format changed", at, "format", json!(other));
        }
        let format = if types[0] == "string" { "date" } else { "int32" };
        editor.toggle(("format dropped", "format set"), (at, schema), "format", json!(format));
    }
}

fn of_bounds(editor: &mut Editor, at: &str, schema: &Value) {
    let types = types(schema);
    for (name, kind, upper, value) in BOUNDS {
        if !types.contains(&kind) {
            continue;
        }
        let bound = schema[name].as_u64();
        editor.toggle(("bound dropped", "bound set"), (at, schema), name, json!(value));
        let Some(bound) = bound else { continue };
        let kinds = if upper { ("loosened", "tightened") } else { ("tightened", "loosened") };
        editor.edit(kinds, at, move |schema| schema[name] = json!(bound + 1));
        if bound > 1 {
            editor.edit((kinds.1, kinds.0), at, move |schema| schema[name] = json!(bound - 1));
        }
    }
    if types.contains(&"string") {
        if schema.get("pattern").is_some() {
            editor.set("pattern changed", at, "pattern", json!("^other$"));
        }
        editor.toggle(("pattern dropped", "pattern set"), (at, schema), "pattern", json!("^a$"));
    }
    if types.contains(&"array") {
        editor.toggle(
            ("unique items ended", "unique items asked for"),
            (at, schema),
            "uniqueItems",
            json!(true),
        );
    }
}

fn of_enum(editor: &mut Editor, at: &str, schema: &Value) {
    if !types(schema).contains(&"string") {
        return;
    }
    editor.toggle(("enum dropped", "enum set"), (at, schema), "enum", json!(["one"]));
    let values = schema["enum"].as_array().map_or(0, Vec::len);
    let list = format!("{at}/enum");
    for index in 0..values {
        let value = format!("{list}/{index}");
        editor.edit_both_ways("enum value renamed", &value, |value| *value = json!("renamed"));
        // Without the last, nothing could be said.
        if values > 1 {
            editor.edit(("enum value dropped", "enum value added"), &list, move |values| {
                values.as_array_mut().expect("values").remove(index);
            });
        }
    }
    if values > 0 {
        editor.edit(("enum value added", "enum value dropped"), &list, |values| {
            values.as_array_mut().expect("values").push(json!("added"));
        });
    }
}

/// What is meant where nothing is said.
pub fn of_default(editor: &mut Editor, at: &str, schema: &Value) {
    let value = match types(schema)[..] {
        ["string"] => json!("default"),
        ["integer"] => json!(7),
        _ => return,
    };
    if schema.get("default").is_some() {
        editor.set("default changed", at, "default", value.clone());
    }
    editor.toggle(("default dropped", "default set"), (at, schema), "default", value);
}

fn of_members(editor: &mut Editor, at: &str, schema: &Value) {
    if types(schema) != ["object"] {
        return;
    }
    match &schema["additionalProperties"] {
        Value::Bool(false) => {
            editor.edit(("object opened", "object closed"), at, |schema| {
                schema.as_object_mut().expect("a schema").shift_remove("additionalProperties");
            });
        }
        Value::Object(_) => {
            let at = format!("{at}/additionalProperties");
            edits(editor, &at, &schema["additionalProperties"]);
        }
        _ => {
            editor.edit(("object closed", "object opened"), at, |schema| {
                schema["additionalProperties"] = json!(false);
            });
            let kinds = ("other members given a type", "other members given any type");
            editor.edit(kinds, at, |schema| {
                schema["additionalProperties"] = json!({"type": "string"});
            });
        }
    }
    for (required, kinds) in [
        (false, ("optional property added", "optional property dropped")),
        (true, ("required property added", "required property dropped")),
    ] {
        editor.edit(kinds, at, move |schema| {
            schema["properties"]["added"] = json!({"type": "string"});
            if required {
                require(schema, "added");
            }
        });
    }
    for (name, property) in entries(&schema["properties"]) {
        of_property(editor, at, schema, (name, property));
        edits(editor, &format!("{at}/properties/{}", escaped(name)), property);
    }
}

fn of_property(editor: &mut Editor, at: &str, schema: &Value, (name, property): (&str, &Value)) {
    let required = schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
    let kinds = if required {
        ("required property dropped", "required property added")
    } else {
        ("optional property dropped", "optional property added")
    };
    let old = name.to_owned();
    editor.edit(kinds, at, move |schema| {
        schema["properties"].as_object_mut().expect("properties").shift_remove(&old);
        if required {
            excuse(schema, &old);
        }
    });
    let kinds = if required {
        ("deprecated required property dropped", "deprecated required property added")
    } else {
        ("deprecated optional property dropped", "deprecated optional property added")
    };
    // Beside a reference it would be the shared schema that is deprecated.
    if property.get("$ref").is_none() {
        editor.once_deprecated(kinds, &format!("{at}/properties/{}", escaped(name)));
    }
    let kind = if required { "required property renamed" } else { "optional property renamed" };
    let old = name.to_owned();
    editor.edit_both_ways(kind, at, move |schema| {
        rename(&mut schema["properties"], &old, "renamed");
        if required {
            excuse(schema, &old);
            require(schema, "renamed");
        }
    });
    let kinds = ("property made optional", "property made required");
    let old = name.to_owned();
    if required {
        editor.edit(kinds, at, move |schema| excuse(schema, &old));
    } else {
        editor.edit((kinds.1, kinds.0), at, move |schema| require(schema, &old));
    }
    let at = format!("{at}/properties/{}", escaped(name));
    editor.toggle(
        ("deprecation dropped", "deprecated"),
        (&at, property),
        "deprecated",
        json!(true),
    );
}

fn of_union(editor: &mut Editor, at: &str, schema: &Value) {
    let list = format!("{at}/oneOf");
    for index in 0..schema["oneOf"].as_array().map_or(0, Vec::len) {
        editor.edit(("union's member dropped", "union's member added"), &list, move |members| {
            members.as_array_mut().expect("members").remove(index);
        });
    }
    if schema["discriminator"].is_object() {
        editor.toggle(
            ("discriminator dropped", "discriminator set"),
            (at, schema),
            "discriminator",
            Value::Null,
        );
        let at = format!("{at}/discriminator");
        editor.set("discriminator renamed", &at, "propertyName", json!("renamed"));
        let names: Vec<String> =
            entries(&schema["discriminator"]["mapping"]).map(|(name, _)| name.clone()).collect();
        for name in names {
            editor.edit_both_ways(
                "discriminator's value renamed",
                &format!("{at}/mapping"),
                move |mapping| {
                    rename(mapping, &name, "renamed");
                },
            );
        }
    }
}

fn require(schema: &mut Value, name: &str) {
    if !schema["required"].is_array() {
        schema["required"] = json!([]);
    }
    schema["required"].as_array_mut().expect("names").push(json!(name));
}

fn excuse(schema: &mut Value, name: &str) {
    let names = schema["required"].as_array_mut().expect("names");
    names.retain(|required| required != name);
}
