//! Many gateways on one Redis: what they do together, and what becomes of it when one of them, the
//! network or Redis fails.

mod faults;
mod gateways;
mod keys;
mod members;
mod presence;
mod rolling;
mod together;
