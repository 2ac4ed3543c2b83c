//! The harness of the suites: a real gateway to test, and clients that read like sentences.

pub mod client;
pub mod connection;
pub mod gateway;
pub mod socket;
pub mod tools;

pub use client::{Answer, Call};
pub use connection::Connection;
pub use gateway::{Gateway, GatewayBuilder};
pub use socket::Socket;

/// A `halfRef` that is good and unlike every other.
#[must_use]
pub fn half_ref() -> String {
    format!("half-ref-{}", server::secret::new_token())
}

/// The `deviceTag` of the document's example.
pub const DEVICE: &str = "my_deviceTag";
