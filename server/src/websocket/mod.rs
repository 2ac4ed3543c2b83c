//! The websockets: how one is opened, served and closed.
//!
//! A socket leaves actix as soon as its handshake is answered, because actix keeps its HTTP state
//! for as long as it has the connection (see [`upgrade`]).

pub mod close_code;
pub mod codec;
pub mod handshake;
mod in_flight;
mod rate;
mod session;
mod stream;
pub mod upgrade;
mod utf8;
