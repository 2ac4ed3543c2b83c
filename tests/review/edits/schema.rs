//! The edits of a schema and of all the schemas within it.

use serde_json::{Value, json};

use super::editor::{Editor, Place, entries, escaped, rename};

/// The bounds of a schema: the keyword, the type that it applies to, whether a higher value allows
/// more, and the value to set where there is none.
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

/// Adds the edits of the schema at a pointer.
pub fn edits(editor: &mut Editor, at: &str, schema: &Value) {
    editor.reword(at, schema);
    editor.examples(at, schema);
    if schema.get("$ref").is_some() {
        // The shared schema is edited as a component. Here only the reference can change.
        editor.symmetric_edit("retyped", at, |schema| *schema = json!({"type": "boolean"}));
        return;
    }
    editor.toggle(("title removed", "title added"), (at, schema), "title", json!("A title"));
    of_type(editor, at, schema);
    of_bounds(editor, at, schema);
    of_enum(editor, at, schema);
    // Only an optional parameter has a default, so `operation` adds those edits.
    if editor.places != [Place::Parameter] {
        of_default(editor, at, schema);
    }
    of_members(editor, at, schema);
    of_union(editor, at, schema);
    if schema["items"].is_object() {
        edits(editor, &format!("{at}/items"), &schema["items"]);
    }
}

/// Adds the edits of the schema of a value that travels as text: a parameter or a header.
pub fn text_edits(editor: &mut Editor, at: &str, schema: &Value) {
    editor.textual = true;
    edits(editor, at, schema);
    editor.textual = false;
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
    // A value that travels as text can be read as text, whatever its type was.
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
        ("type of a text removed", "type of a text set")
    } else {
        ("type removed", "type set")
    };
    editor.toggle(kinds, (at, schema), "type", Value::Null);
    if matches!(types[..], ["string" | "integer"]) {
        if schema["format"].is_string() {
            let other = if types[0] == "string" { "date" } else { "int16" };
            editor.set("format changed", at, "format", json!(other));
        }
        let format = if types[0] == "string" { "date" } else { "int32" };
        editor.toggle(("format removed", "format set"), (at, schema), "format", json!(format));
    }
}

fn of_bounds(editor: &mut Editor, at: &str, schema: &Value) {
    let types = types(schema);
    for (name, kind, upper, value) in BOUNDS {
        if !types.contains(&kind) {
            continue;
        }
        let bound = schema[name].as_u64();
        editor.toggle(("bound removed", "bound set"), (at, schema), name, json!(value));
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
        editor.toggle(("pattern removed", "pattern set"), (at, schema), "pattern", json!("^a$"));
    }
    if types.contains(&"array") {
        editor.toggle(
            ("unique items no longer required", "unique items required"),
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
    editor.toggle(("enum removed", "enum set"), (at, schema), "enum", json!(["one"]));
    let values = schema["enum"].as_array().map_or(0, Vec::len);
    let list = format!("{at}/enum");
    for index in 0..values {
        let value = format!("{list}/{index}");
        editor.symmetric_edit("enum value renamed", &value, |value| *value = json!("renamed"));
        // An empty enum allows nothing.
        if values > 1 {
            editor.edit(("enum value removed", "enum value added"), &list, move |values| {
                values.as_array_mut().expect("values").remove(index);
            });
        }
    }
    if values > 0 {
        editor.edit(("enum value added", "enum value removed"), &list, |values| {
            values.as_array_mut().expect("values").push(json!("added"));
        });
    }
}

/// Adds the edits of the default.
pub fn of_default(editor: &mut Editor, at: &str, schema: &Value) {
    let value = match types(schema)[..] {
        ["string"] => json!("default"),
        ["integer"] => json!(7),
        _ => return,
    };
    if schema.get("default").is_some() {
        editor.set("default changed", at, "default", value.clone());
    }
    editor.toggle(("default removed", "default set"), (at, schema), "default", value);
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
            let kinds = ("additional properties typed", "additional properties untyped");
            editor.edit(kinds, at, |schema| {
                schema["additionalProperties"] = json!({"type": "string"});
            });
        }
    }
    for (required, kinds) in [
        (false, ("optional property added", "optional property removed")),
        (true, ("required property added", "required property removed")),
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
        ("required property removed", "required property added")
    } else {
        ("optional property removed", "optional property added")
    };
    let old = name.to_owned();
    editor.edit(kinds, at, move |schema| {
        schema["properties"].as_object_mut().expect("properties").shift_remove(&old);
        if required {
            excuse(schema, &old);
        }
    });
    let kinds = if required {
        ("deprecated required property removed", "deprecated required property added")
    } else {
        ("deprecated optional property removed", "deprecated optional property added")
    };
    // Next to a reference, `deprecated` would apply to the shared schema.
    if property.get("$ref").is_none() {
        editor.repeat_deprecated(kinds, &format!("{at}/properties/{}", escaped(name)));
    }
    let kind = if required { "required property renamed" } else { "optional property renamed" };
    let old = name.to_owned();
    editor.symmetric_edit(kind, at, move |schema| {
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
        ("deprecation removed", "deprecated"),
        (&at, property),
        "deprecated",
        json!(true),
    );
}

fn of_union(editor: &mut Editor, at: &str, schema: &Value) {
    let list = format!("{at}/oneOf");
    for index in 0..schema["oneOf"].as_array().map_or(0, Vec::len) {
        editor.edit(("union member removed", "union member added"), &list, move |members| {
            members.as_array_mut().expect("members").remove(index);
        });
    }
    if schema["discriminator"].is_object() {
        editor.toggle(
            ("discriminator removed", "discriminator set"),
            (at, schema),
            "discriminator",
            Value::Null,
        );
        let at = format!("{at}/discriminator");
        editor.set("discriminator renamed", &at, "propertyName", json!("renamed"));
        let names: Vec<String> =
            entries(&schema["discriminator"]["mapping"]).map(|(name, _)| name.clone()).collect();
        for name in names {
            editor.symmetric_edit(
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
