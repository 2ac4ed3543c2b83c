//! How many connections the process can hold, and how many it does.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Descriptors that are kept for what is no connection: listeners, log, libraries, and answering
/// those who come when the limit is reached.
const RESERVE: usize = 128;

/// The process's descriptors.
#[derive(Debug)]
pub struct Descriptors {
    limit: usize,
    connections: AtomicUsize,
}

impl Descriptors {
    /// Reads the limit, after raising it as far as the process may.
    ///
    /// # Errors
    /// A sentence, when the limit leaves no room for connections.
    pub fn of_this_process() -> Result<Self, String> {
        let limit = rlimit::increase_nofile_limit(u64::MAX)
            .map_err(|error| format!("The limit of descriptors cannot be read: {error}."))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if limit <= 2 * RESERVE {
            return Err(format!(
                "The limit of {limit} descriptors leaves no room for connections: \
                 give the gateway more than {} (ulimit -n).",
                2 * RESERVE
            ));
        }
        Ok(Self {
            limit,
            connections: AtomicUsize::new(0),
        })
    }

    /// The process's limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many connections are held before newcomers are refused.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit - RESERVE
    }

    /// How many connections are held now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether newcomers are to be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.connections() > self.room()
    }

    /// Counts one connection for as long as the guard lives.
    #[must_use]
    pub fn connect(self: &Arc<Self>) -> Connection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connection(Arc::clone(self))
    }
}

/// One counted connection.
#[derive(Debug)]
pub struct Connection(Arc<Descriptors>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
