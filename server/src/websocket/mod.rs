//! The open websockets: how one is opened, held and closed.
//!
//! A socket is taken out of actix as soon as its handshake is answered, because actix would hold its
//! HTTP state for as long as the connection lives (see `upgrade`).

pub mod close_code;
pub mod codec;
pub mod handshake;
mod rate;
pub mod registry;
mod session;
mod stream;
pub mod upgrade;
pub mod waiters;
