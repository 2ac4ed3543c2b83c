//! The review of a contract change: the verdict on every single edit, and the report for the reviewer,
//! up to the comment on a pull request.

mod against;
mod comparer;
mod edits;
mod forge;
mod formats;
mod parts;
mod report;
mod scratch;
mod table;
mod verdicts;
mod versions;
mod waivers;
mod workflows;
