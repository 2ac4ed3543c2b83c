//! What every engine does: conformance tests that run on each of them.
//!
//! A test makes its engine, its clock and its sockets through [`harness::TestEngine`] and knows
//! nothing of what is behind the trait. [`harness::conformance`] declares one.

mod harness;

mod accepting;
mod acknowledging;
mod authorisations;
mod claims;
mod clock;
mod device_data;
mod erased_journal;
mod erasing;
mod events;
mod idempotency;
mod journal;
mod message_ttl;
mod outbox;
mod prospects;
mod races;
mod random;
mod records;
mod redeeming;
mod sending;
mod sockets;
mod stale;
mod stats;
mod tokens;
mod unconfirmed;
mod unswept;
