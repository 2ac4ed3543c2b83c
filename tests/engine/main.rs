//! What every engine does: conformance tests that run on each of them.
//!
//! A test makes its engine, its clock and its sockets through [`harness::TestEngine`] and knows
//! nothing of what is behind the trait. [`harness::conformance`] declares one.

mod harness;

mod authorisations;
mod claims;
mod conversation;
mod events;
mod idempotency;
mod journal;
mod prospects;
mod races;
mod random;
mod records;
mod redeeming;
mod sockets;
mod tokens;
