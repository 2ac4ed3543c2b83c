//! The contract as Rust types: every request, response, frame, event, close code and problem of the gateway.
//!
//! Each type defines three things: its JSON (serde), the rules of its fields (validator) and its
//! schema in the contract (utoipa). The crate depends on no web framework and no engine.

#![warn(missing_docs)]

pub mod body;
pub mod client_rules;
pub mod close_code;
pub mod connect_socket;
pub mod device_data;
pub mod device_tag;
pub mod event;
pub mod frame;
pub mod health;
mod kind;
mod number;
pub mod operator;
pub mod parameter;
pub mod payload;
pub mod problem;
mod rule;
pub mod token;
