//! The operations, one file per resource. Each handler is its own part of the contract.

pub mod connect_socket;
pub mod docs;
pub mod events;
pub mod health;
pub mod operator;
pub mod socket;
pub mod token;
