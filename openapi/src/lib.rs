//! The committed documents of the contract: generates and checks them, and reviews their changes.
//!
//! oasdiff finds what changed. `levels.toml` says how much that matters to the clients of this
//! gateway, [`extra_rules`] compares what oasdiff ignores, and `waivers.toml` excuses breaking
//! changes that are intended.

pub mod cargo;
pub mod contract;
pub mod diff;
pub mod documents;
pub mod error;
pub mod extra_rules;
pub mod finding;
pub mod frames;
pub mod git;
pub mod levels;
pub mod oasdiff;
pub mod pages;
pub mod pointer;
pub mod properties;
pub mod report;
pub mod review;
pub mod source;
pub mod update;
pub mod version;
pub mod waivers;
