//! The HTTP side of the gateway: operations, problems, settings, documents, logs and connections.

mod bodies;
mod check;
mod connect_socket;
mod connections;
mod cross_origin;
mod descriptors;
mod docs;
mod health;
mod keep_alive;
mod logs;
mod metrics;
mod operator;
mod problems;
mod rates;
mod request_ids;
mod routing;
mod rush;
mod settings;
mod shutdown;
mod token;

/// A key for gateways that are not a trial.
const OPERATOR_KEY: &str = "one-operator-key-with-enough-characters";
