//! The operations over HTTP, as their users call them.

mod connect_socket;
mod cross_origin;
mod descriptors;
mod docs;
mod health;
mod keep_alive;
mod logs;
mod operator;
mod problems;
mod rates;
mod settings;
mod token;

/// A key for gateways that are no trial.
const OPERATOR_KEY: &str = "one-operator-key-with-enough-characters";
