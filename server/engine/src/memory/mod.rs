//! The state machine of one gateway, in memory: each operation is one step on [`state::State`].
//!
//! A step knows no disk and no lock. It leaves its changes in a [`change_buffer::ChangeBuffer`] and
//! what the gateway must learn in [`notifications::Notifications`]; the caller takes both.

mod accepted_ids;
mod authorisations;
pub(crate) mod change;
mod change_buffer;
mod conversation;
mod deadlines;
mod dirty_map;
pub(crate) mod erasure;
pub(crate) mod events;
mod idempotency;
pub(crate) mod notifications;
mod outbox;
pub(crate) mod record;
pub(crate) mod segments;
pub(crate) mod state;
mod tokens;
