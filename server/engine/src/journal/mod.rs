//! The journal: what makes the embedded engine outlive its process.
//!
//! Each step's changes are one entry. A thread of its own commits the entries in their order, as
//! many at a time as have come meanwhile (group commit); only then the step is answered, and those
//! who hold the sockets hear of it. So nobody is ever shown what a crash could take back. When a
//! commit fails, the steps that waited are refused, the state goes back to what the journal has,
//! and the engine is away until the journal takes entries again.

mod committer;
mod compaction;
mod recovery;
mod store;

pub use self::{
    committer::{COMMIT_DEADLINE, Committed, Journal},
    compaction::Compaction,
    store::{Durability, Store},
};
