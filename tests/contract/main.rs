//! The contract: it agrees with the vendor's document, with the code and with the running gateway.

mod committed;
mod deprecation;
mod dialects;
mod document;
mod documented_operation;
mod examples;
mod limits;
mod routes;
mod rules;
mod scratch_build;
mod served;
