//! Parts of a contract, and many parts as one document. A comparison takes as long as its document, so an
//! edit is compared within the smallest part that shows it, and hundreds of parts in one run.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The part of the contract that shows an edit.
#[derive(Clone, Debug)]
pub enum Part {
    /// One operation with the named response, or else with its successful ones.
    Operation { path: String, method: String, status: Option<String> },
    /// A component, with one operation that sends it and one that returns it.
    Component { kind: &'static str, name: String },
    /// The whole contract, for edits outside the operations.
    Whole,
}

impl Part {
    /// The part of a document.
    pub fn of(&self, document: &Value) -> Value {
        let mut paths = Map::new();
        match self {
            // The operations are not edited, so one of them is enough.
            Self::Whole => {
                let mut document = document.clone();
                if let Some((path, item)) =
                    document["paths"].as_object().and_then(|paths| paths.iter().next())
                {
                    document["paths"] = json!({path: item});
                }
                return document;
            }
            Self::Operation { path, method, status } => {
                let operation = &document["paths"][path][method];
                let operation = with_responses(operation, |found, _| match status {
                    Some(status) => found == status,
                    None => found < "300",
                });
                paths.insert(path.clone(), json!({method: operation}));
            }
            Self::Component { kind, name } => {
                let reaches = |node: &Value| {
                    reached(document, node).contains(&((*kind).to_owned(), name.clone()))
                };
                let (mut sent, mut returned) = (false, false);
                for (path, method, operation) in operations(document) {
                    let mut request = operation.clone();
                    request.as_object_mut().expect("an operation").remove("responses");
                    let in_request = !sent
                        && reaches(&request)
                        // Optional credentials are not part of the request.
                        && !(*kind == "securitySchemes"
                            && request["security"].as_array().is_some_and(|all| all.contains(&json!({}))));
                    let mut first = None;
                    let operation = with_responses(operation, |status, response| {
                        first.is_none() && reaches(response) && {
                            first = Some(status.to_owned());
                            true
                        }
                    });
                    let in_response = !returned && first.is_some();
                    if !in_request && !in_response {
                        continue;
                    }
                    sent |= in_request;
                    returned |= first.is_some();
                    paths.entry(path.to_owned()).or_insert_with(|| json!({}))[method] = operation;
                }
            }
        }
        let mut used = reached(document, &Value::Object(paths.clone()));
        if let Self::Component { kind, name } = self {
            used.insert(((*kind).to_owned(), name.clone()));
            used.extend(reached(document, &document["components"][*kind][name]));
        }
        let mut components = json!({});
        for (kind, name) in used {
            components[&kind][&name] = document["components"][&kind][&name].clone();
        }
        json!({
            "openapi": document["openapi"],
            "info": {"title": "A part", "version": "0.0.0"},
            "paths": paths,
            "components": components,
        })
    }
}

/// An operation with the responses to keep.
fn with_responses(operation: &Value, mut keep: impl FnMut(&str, &Value) -> bool) -> Value {
    let mut operation = operation.clone();
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.retain(|status, response| keep(status, response));
    }
    operation
}

/// Every operation of a document, with its path and method.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods");
        methods.iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Every component that a node uses, by its kind and name. The items of the event stream do not count,
/// because events are compared in a document of their own.
pub fn reached(document: &Value, node: &Value) -> BTreeSet<(String, String)> {
    let (mut found, mut open) = (BTreeSet::new(), vec![node]);
    while let Some(node) = open.pop() {
        let mut named = Vec::new();
        match node {
            Value::Array(items) => open.extend(items),
            Value::Object(members) => {
                named.extend(node["$ref"].as_str().and_then(component));
                let mapped = node["mapping"].as_object().into_iter().flatten();
                named.extend(mapped.filter_map(|(_, name)| component(name.as_str()?)));
                let schemes = node["security"].as_array().into_iter().flatten();
                named.extend(
                    schemes
                        .filter_map(Value::as_object)
                        .flat_map(|scheme| scheme.keys())
                        .map(|name| ("securitySchemes".to_owned(), name.clone())),
                );
                let compared = members.iter().filter(|(name, _)| *name != "x-item-schema");
                open.extend(compared.map(|(_, member)| member));
            }
            _ => {}
        }
        for (kind, name) in named {
            if found.insert((kind.clone(), name.clone())) {
                open.push(&document["components"][kind][name]);
            }
        }
    }
    found
}

fn component(reference: &str) -> Option<(String, String)> {
    let (kind, name) = reference.strip_prefix("#/components/")?.split_once('/')?;
    Some((kind.to_owned(), name.to_owned()))
}

/// Two documents reduced to the paths that differ, and to the components that these use.
pub fn reduce(base: &Value, revision: &Value) -> (Value, Value) {
    let components = |document: &Value| -> BTreeSet<(String, String)> {
        let kinds = document["components"].as_object().into_iter().flatten();
        kinds
            .flat_map(|(kind, named)| {
                let names = named.as_object().into_iter().flatten();
                names.map(|(name, _)| (kind.clone(), name.clone()))
            })
            .collect()
    };
    let all: BTreeSet<_> = components(base).union(&components(revision)).cloned().collect();
    let component = |document: &Value, (kind, name): &(String, String)| {
        document["components"].get(kind).and_then(|named| named.get(name)).cloned()
    };
    let changed: BTreeSet<_> = all
        .into_iter()
        .filter(|named| component(base, named) != component(revision, named))
        .collect();
    let paths = |document: &Value, other: &Value| -> Value {
        let paths = document["paths"].as_object().expect("paths").iter();
        paths
            .filter(|(path, item)| {
                other["paths"].get(*path) != Some(*item)
                    || reached(document, item).intersection(&changed).next().is_some()
            })
            .map(|(path, item)| (path.clone(), item.clone()))
            .collect::<Map<_, _>>()
            .into()
    };
    let sides = [(base, paths(base, revision)), (revision, paths(revision, base))];
    // A component that only one side uses stays in both, or it would look added or removed.
    let mut used = changed.clone();
    for (document, paths) in &sides {
        used.extend(reached(document, paths));
        for named in &changed {
            used.extend(
                component(document, named).iter().flat_map(|found| reached(document, found)),
            );
        }
    }
    let [base, revision] = sides.map(|(document, paths)| {
        let mut components = json!({});
        for named in &used {
            if let Some(found) = component(document, named) {
                components[&named.0][&named.1] = found;
            }
        }
        json!({"paths": paths, "components": components})
    });
    (base, revision)
}

/// Many documents as one, each with paths and component names of its own.
pub fn compose<'a>(parts: impl Iterator<Item = &'a Value>) -> Value {
    let (mut paths, mut components) = (Map::new(), json!({}));
    for (number, part) in parts.enumerate() {
        let mut part = part.clone();
        rename(&mut part, number);
        for (path, item) in part["paths"].as_object_mut().expect("paths") {
            paths.insert(format!("/{}{path}", mark(number)), item.take());
        }
        for (kind, named) in part["components"].as_object_mut().into_iter().flatten() {
            for (name, component) in named.as_object_mut().expect("components") {
                components[kind][format!("{}.{name}", mark(number))] = component.take();
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Many parts", "version": "0.0.0"},
        "paths": paths,
        "components": components,
    })
}

/// The index of the composed document that a path or a sentence belongs to.
pub fn number_of(path: Option<&str>, text: &str) -> usize {
    let marked = path.unwrap_or(text);
    let (_, rest) = marked.split_once("part").unwrap_or_else(|| panic!("no mark in: {marked}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number in: {marked}"))
}

fn mark(number: usize) -> String {
    format!("part{number}")
}

/// Gives references, operations and credentials the names that they have in the composed document.
fn rename(node: &mut Value, number: usize) {
    let moved = |reference: &str| {
        let (kind, name) = component(reference)?;
        Some(json!(format!("#/components/{kind}/{}.{name}", mark(number))))
    };
    match node {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, number)),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), &mut *member) {
                    ("$ref", Value::String(reference)) => {
                        *member = moved(reference).expect("a reference to a component");
                    }
                    ("mapping", Value::Object(mapping)) => {
                        for reference in mapping.values_mut() {
                            if let Some(moved) = reference.as_str().and_then(moved) {
                                *reference = moved;
                            }
                        }
                    }
                    ("security", Value::Array(alternatives)) => {
                        for alternative in alternatives {
                            let Some(schemes) = alternative.as_object_mut() else { continue };
                            *schemes = std::mem::take(schemes)
                                .into_iter()
                                .map(|(name, scopes)| (format!("{}.{name}", mark(number)), scopes))
                                .collect();
                        }
                    }
                    ("operationId", Value::String(id)) => *id = format!("{}.{id}", mark(number)),
                    _ => rename(member, number),
                }
            }
        }
        _ => {}
    }
}
