//! The contract in third-party tools: the document's snippets, linters, a fuzzer, a browser and
//! proxies; and the benchmark. `tests/run` installs what they need.

mod bench;
mod connect_socket_js;
mod deployment;
mod lint;
mod pages;
mod proxies;
mod schemathesis;
mod snippets;
