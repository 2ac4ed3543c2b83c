//! What every request passes, whatever operation it is for. From outside in: [`request_scope`] (id,
//! log line, metrics, headers, [`deprecation`], rendering of refusals), [`cors`], then the [`route_policy`] of the
//! route that matched, then the handler with its extractors: [`credentials`], [`body`], [`query`],
//! [`device_path`] and [`idempotency_key`].

pub mod admission;
pub mod body;
pub mod client_address;
pub mod cors;
pub mod credentials;
pub mod deprecation;
pub mod device_path;
pub mod idempotency_key;
pub mod not_found;
pub mod query;
pub mod request_scope;
pub mod route_policy;
