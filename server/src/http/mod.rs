//! What every request goes through, whatever operation it is for.

pub mod admission;
pub mod body;
pub mod client_address;
pub mod cors;
pub mod credentials;
pub mod not_found;
pub mod query;
pub mod rate;
pub mod request_id;
pub mod request_scope;
