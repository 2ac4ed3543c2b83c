//! Every single edit of the contract's documents: what a pull request can change, one thing at a time.

mod asyncapi;
mod editor;
mod openapi;
mod operation;
mod schema;

pub use asyncapi::of_asyncapi;
pub use editor::{Edit, Place};
pub use openapi::of_openapi;
