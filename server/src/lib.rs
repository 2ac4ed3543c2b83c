//! The Connect Socket gateway as a library: the binary, the program that writes the contract and the
//! tests use it. Modules depend on each other in one direction only:
//!
//! ```text
//! start -> server, shutdown -> routes -> operations, contract -> websocket -> http -> state -> engine
//! ```

mod address_rate;
pub mod check;
pub mod config;
mod connection;
pub mod contract;
pub mod descriptors;
mod expectations;
mod framing;
pub mod healthcheck;
mod http;
mod http_stream;
mod logging;
pub mod metrics;
pub mod operations;
mod origin;
pub mod problem;
pub mod registry;
mod request_id;
pub mod routes;
pub mod secret;
mod server;
mod service_manager;
mod shutdown;
mod spread;
pub mod start;
pub mod state;
mod turns;
pub mod websocket;
