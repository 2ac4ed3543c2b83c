//! The contract as Rust types: every request, response, frame and problem of the gateway.
//!
//! Each type says three things at once: how it travels (serde), which rules its fields keep
//! (validator) and how the contract shows it (utoipa). Nothing here knows a web framework.

#![warn(missing_docs)]

pub mod body;
pub mod connect_socket;
pub mod device_data;
pub mod device_tag;
pub mod frame;
pub mod health;
pub mod operator;
mod pattern;
pub mod problem;
pub mod token;
