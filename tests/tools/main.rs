//! The contract in third-party tools: the document's snippets, linters, a fuzzer and a browser.
//! `tests/run` installs what they need.

mod connect_socket_js;
mod lint;
mod schemathesis;
mod snippets;
mod swagger_ui;
mod try_page;
