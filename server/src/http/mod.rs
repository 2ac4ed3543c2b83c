//! What every request goes through, whatever it is for.

pub mod address;
pub mod body;
pub mod credentials;
pub mod cross_origin;
pub mod fallback;
pub mod full;
pub mod query;
pub mod rate;
pub mod request_id;
pub mod scope;
