//! The open sockets: how one is opened, held and closed.
//!
//! A socket is taken out of actix as soon as its handshake is answered, because actix would hold
//! its HTTP state for as long as the connection lives (see `upgrade`).

pub mod close;
pub mod decoder;
pub mod handshake;
pub mod registry;
mod session;
mod throttle;
pub mod upgrade;
pub mod waiters;
mod wire;
