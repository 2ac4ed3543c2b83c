//! The contract in the hands of programs that are not ours: the document's own snippets, linters,
//! a fuzzer and a browser. `tests/run` installs what they need.

mod lint;
mod schemathesis;
mod snippets;
mod swagger_ui;
