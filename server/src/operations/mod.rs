//! The operations, one file per resource. Each handler carries its route, the route's policy and its
//! part of the contract in its attributes; `routes.rs` registers it.

pub mod connect_socket;
pub mod documents;
pub mod events;
pub mod health;
pub mod messages;
pub mod prospects;
pub mod socket;
pub mod token;
pub mod web;
