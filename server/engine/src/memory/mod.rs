//! The state machine of one gateway: every operation is one step on [`state::State`], in memory.
//!
//! It knows no disk and no lock: what a step changed is in its [`ChangeBuffer`], and what the gateway
//! must learn of it in its [`notifications::Notifications`].

mod authorisations;
mod change;
mod change_buffer;
mod conversation;
pub(crate) mod dirty_map;
pub(crate) mod events;
pub(crate) mod notifications;
pub(crate) mod outbox;
pub(crate) mod state;
mod tokens;

pub(crate) use self::{
    change::{Change, RecordImage, image},
    change_buffer::ChangeBuffer,
};
