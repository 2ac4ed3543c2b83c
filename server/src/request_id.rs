//! Request ids: in each answer and in each line of the log.
//!
//! Written by hand: a middleware from a library would take the id from the client or draw 128
//! random bits for each request. A counter behind a random prefix is unique and costs an addition.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{HttpMessage, HttpRequest};

/// The response header that carries the id.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// Makes request ids, unique in this process and, with 48 random bits for each process, between
/// processes.
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids of a new process.
    ///
    /// # Panics
    /// When the operating system has no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let process = getrandom::u64().expect("the operating system has random numbers");
        Self { process: process >> 16, next: AtomicU64::new(1) }
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:012x}-{count:08x}", self.process))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

/// The id of one request, such as `5f0c3a9be2d1-0000002a`.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id that [`request_scope`](crate::http::request_scope) gave to `request`.
    pub fn of(request: &HttpRequest) -> String {
        request.extensions().get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}
