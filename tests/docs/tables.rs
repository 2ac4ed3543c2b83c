//! The generated tables.

use openapi::{documents, pages};
use tests::gateway::root;

#[test]
fn the_tables_are_those_of_the_contract_and_the_settings() {
    let contract = documents::contract(None).expect("a contract");
    let stale = pages::stale(&root(), &pages::tables(&contract)).expect("the pages");
    assert!(stale.is_empty(), "{stale:?}: cargo contract update");
}
