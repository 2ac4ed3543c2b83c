//! The descriptors of the process: how many connections it can hold, and how many it does.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Descriptors reserved for everything that is no connection: listeners, log and libraries.
const OWN: usize = 64;

/// Descriptors reserved for answering connections beyond the limit with 503, and probes.
const RECEPTION: usize = 64;

/// The gateway needs more descriptors than this.
const MIN_LIMIT: usize = 2 * (OWN + RECEPTION);

/// Why the process's descriptors do not suffice.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorsError {
    /// The operating system does not say.
    #[error("The limit of descriptors cannot be read: {0}.")]
    Unreadable(io::Error),
    /// The limit is this low.
    #[error(
        "The limit of {0} descriptors leaves no room for connections: give the gateway more than \
         {MIN_LIMIT} (ulimit -n)."
    )]
    TooFew(usize),
}

/// The limit of the process's descriptors, and the connections that use them.
#[derive(Debug)]
pub struct Descriptors {
    limit: usize,
    connections: AtomicUsize,
}

/// Whether there is room for a connection that was just accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is served.
    Yes,
    /// It is beyond the limit: probes are answered, everything else is refused.
    Reception,
    /// The reserve is used up too: it is closed at once.
    No,
}

impl Descriptors {
    /// Raises the limit as far as the process may, and reads it.
    ///
    /// # Errors
    /// The limit cannot be read, or leaves no room for connections.
    pub fn of_this_process() -> Result<Self, DescriptorsError> {
        let limit =
            rlimit::increase_nofile_limit(u64::MAX).map_err(DescriptorsError::Unreadable)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if limit <= MIN_LIMIT {
            return Err(DescriptorsError::TooFew(limit));
        }
        Ok(Self { limit, connections: AtomicUsize::new(0) })
    }

    /// The process's limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many connections are served; further ones are refused.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit - OWN - RECEPTION
    }

    /// How many connections are accepted, including those that are refused.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.limit - OWN
    }

    /// How many connections are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts one connection until the returned value is dropped.
    #[must_use]
    pub fn connect(self: &Arc<Self>) -> Arc<Connection> {
        let held = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let room = match held.saturating_sub(self.room()) {
            0 => Room::Yes,
            1..=RECEPTION => Room::Reception,
            _ => Room::No,
        };
        Arc::new(Connection { room, descriptors: Arc::clone(self) })
    }
}

/// One counted connection.
#[derive(Debug)]
pub struct Connection {
    /// Whether there was room when it was accepted.
    pub room: Room,
    descriptors: Arc<Descriptors>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.descriptors.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_beyond_the_limit_are_answered_while_the_reserve_lasts() {
        let descriptors = Arc::new(Descriptors { limit: 300, connections: AtomicUsize::new(0) });
        let connections: Vec<_> = (0..300).map(|_| descriptors.connect()).collect();
        let count = |room| connections.iter().filter(|connection| connection.room == room).count();
        assert_eq!([count(Room::Yes), count(Room::Reception)], [172, 64]);
        drop(connections);
        assert_eq!(descriptors.connections(), 0);
    }
}
