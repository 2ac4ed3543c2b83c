//! The committed documents of the contract: made and checked, and a change of them reviewed.
//!
//! What changed is found by oasdiff; how it weighs for this gateway's clients is said by
//! `levels.toml`, and what oasdiff does not look at by a few checks in `beside`.

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
pub mod report;
pub mod review;
pub mod version;
pub mod waivers;
