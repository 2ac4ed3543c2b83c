//! The review of a change: the verdict on every single edit of the contract, and what a reviewer
//! gets to read.

mod edits;
mod proof;
mod report;
mod schemas;
mod scratch;
mod slices;
mod verdicts;
mod versions;
mod waivers;
