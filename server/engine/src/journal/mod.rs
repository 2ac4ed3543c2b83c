//! The journal: makes the state of [`crate::memory`] outlive its process.
//!
//! The changes of one step are an *entry*. A thread commits entries in their order, as many at a
//! time as have arrived (a *batch*, in one transaction), and only then delivers their notifications
//! and lets their operations answer. So no one ever sees what a crash could undo. After a failed
//! commit every waiting operation fails, the state is read again from the journal, and operations
//! fail until the journal accepts entries again.

mod committer;
mod compaction;
mod error;
mod folder;
mod inspection;
mod progress;
mod queue;
mod recovery;
mod run;
mod settling;
mod shrinking;
mod store;

pub use self::{
    committer::Journal,
    compaction::Journaled,
    error::JournalError,
    inspection::{JournalInspection, inspect},
    queue::{COMMIT_DEADLINE, Committed},
    recovery::open,
    run::Durability,
};
