//! The contract: that it is the document's, that it is the code's, and that it is true.

mod committed;
mod document;
mod examples;
mod openapi_30;
mod property_tables;
mod routes;
mod rules;
mod served;
