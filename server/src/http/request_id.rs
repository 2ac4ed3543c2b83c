//! The names of requests: in each answer and in each line of the log.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{HttpMessage, HttpRequest};

/// The header that names a request in its answer.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// Names requests: unlike in one process and, most likely, between processes.
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids of a new process.
    #[must_use]
    pub fn new() -> Self {
        let process = getrandom::u64().expect("the operating system has random numbers");
        Self { process: process >> 16, next: AtomicU64::new(1) }
    }

    /// The next name.
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

/// The name of one request.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// The name of `request`.
    pub fn of(request: &HttpRequest) -> String {
        request.extensions().get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}
