//! The contract in other hands: clients that generators make of the committed documents, compiled
//! and driven against the real gateway. `tests/run` installs what they need.

mod book;
mod compiled;
mod drive;
mod go;
mod java;
mod python;
mod recorder;
mod rust;
mod table;
mod trouble;
mod typescript;
mod workshop;
