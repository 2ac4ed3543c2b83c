//! Routes and operations are the same list.

use std::collections::BTreeSet;

use actix_web::{
    introspection::{IntrospectionNode, IntrospectionTree},
    test::{TestRequest, call_service, init_service},
    web::Data,
};
use server::{config::Config, descriptors::Descriptors, routes, state::Gateway};

use crate::served::Contract;

/// A gateway that listens to nothing.
pub fn gateway() -> Data<Gateway> {
    let (_, config) = Config::try_parse_from(["connect-socket"]).expect("the defaults");
    let keys = config.operator_keys().expect("a trial");
    let descriptors = Descriptors::of_this_process(1).expect("descriptors");
    let local = "127.0.0.1:0".parse().expect("an address");
    Data::new(Gateway::new(config, &keys, descriptors, local).expect("a gateway"))
}

/// Every route that actix has, as `METHOD path` with the patterns of path parameters left out.
#[actix_web::main]
async fn routes() -> BTreeSet<String> {
    let service =
        init_service(routes::app(routes::Shared::new(gateway(), &routes::contract()))).await;
    let response = call_service(&service, TestRequest::get().uri("/livez").to_request()).await;
    let tree = response.request().app_data::<Data<IntrospectionTree>>().expect("actix's own list");
    let mut routes = BTreeSet::new();
    collect(&tree.root, &mut routes);
    routes
}

fn collect(node: &IntrospectionNode, routes: &mut BTreeSet<String>) {
    let path = node.full_path.replace(":.*}", "}");
    if node.methods.is_empty() && node.children.is_empty() {
        routes.insert(format!("ANY {path}"));
    }
    routes.extend(node.methods.iter().map(|method| format!("{method} {path}")));
    for child in &node.children {
        collect(child, routes);
    }
}

#[test]
fn every_route_is_an_operation_and_every_operation_a_route() {
    let contract = Contract::default();
    let operations: BTreeSet<String> =
        contract.operations().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(routes(), operations);
}

#[test]
fn every_operation_has_its_own_id_a_tag_that_is_described_and_its_security() {
    let contract = Contract::default();
    let described: Vec<_> =
        contract.0["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in contract.operations() {
        let id = operation["operationId"].as_str().expect("an id");
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert!(described.contains(&&operation["tags"][0]), "{method} {path}");
        assert!(operation["security"].is_array(), "{method} {path}");
    }
}
