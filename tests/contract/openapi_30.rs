//! The OpenAPI 3.0 document describes the same contract as the 3.1 document.

use serde_json::Value;

use crate::served::Contract;

/// Words of 3.1 that 3.0 does not know, wherever a schema is.
const NEW_IN_31: [&str; 6] =
    ["const", "examples", "$defs", "prefixItems", "contentMediaType", "if"];

fn schemas(contract: &Contract) -> Vec<(&String, &Value)> {
    contract.0["components"]["schemas"].as_object().expect("schemas").iter().collect()
}

fn each_schema<'a>(schema: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(schema);
    let properties = schema["properties"].as_object().into_iter().flat_map(|all| all.values());
    let unions = schema["oneOf"].as_array().into_iter().flatten();
    for inner in
        properties.chain(unions).chain([&schema["items"]]).filter(|inner| inner.is_object())
    {
        each_schema(inner, visit);
    }
}

#[test]
fn it_has_the_same_operations_and_schemas() {
    let [newest, older] = Contract::both();
    assert!(older.is_30());
    let operations = |contract: &Contract| {
        contract
            .operations()
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .collect::<Vec<_>>()
    };
    assert_eq!(operations(&newest), operations(&older));
    let components = |contract: &Contract| {
        schemas(contract).into_iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(components(&newest), components(&older));
}

#[test]
fn its_schemas_use_no_keyword_that_is_new_in_31() {
    let [_, older] = Contract::both();
    for (name, schema) in schemas(&older) {
        each_schema(schema, &mut |schema| {
            assert!(!schema["type"].is_array(), "{name}: {schema}");
            for word in NEW_IN_31 {
                assert!(schema.get(word).is_none(), "{name}: {schema}");
            }
            if schema.get("$ref").is_some() {
                assert_eq!(
                    schema.as_object().map(serde_json::Map::len),
                    Some(1),
                    "{name}: {schema}"
                );
            }
        });
    }
}

#[test]
fn each_property_takes_the_same_types_in_both() {
    let [newest, older] = Contract::both();
    for ((name, new), (_, old)) in schemas(&newest).into_iter().zip(schemas(&older)) {
        for (property, schema) in new["properties"].as_object().into_iter().flatten() {
            let old = &old["properties"][property];
            assert_eq!(Contract::types(schema), Contract::types(old), "{name} {property}");
            for rule in ["minLength", "maxLength", "pattern", "minimum", "maximum", "enum"] {
                assert_eq!(schema[rule], old[rule], "{name} {property} {rule}");
            }
        }
    }
}
