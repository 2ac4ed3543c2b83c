//! The Connect Socket gateway as a library: the binary, the program that writes the contract and the
//! tests all use it.

pub mod app;
pub mod config;
pub mod contract;
pub mod descriptors;
mod http;
pub mod metrics;
pub mod operations;
pub mod problem;
pub mod registry;
pub mod secret;
pub mod state;
pub mod websocket;
