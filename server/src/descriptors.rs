//! How many connections the process can hold, and how many it does.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Descriptors that are kept for what is no connection: listeners, log and libraries.
const OWN: usize = 64;

/// Descriptors that are kept for telling newcomers that there is no room, and for probes.
const RECEPTION: usize = 64;

/// The process's descriptors.
#[derive(Debug)]
pub struct Descriptors {
    limit: usize,
    connections: AtomicUsize,
}

/// Whether there is room for a connection that has just come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Yes,
    /// Only to answer a probe, or to say that there is none.
    Reception,
    /// Not even that.
    No,
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
        let least = 2 * (OWN + RECEPTION);
        if limit <= least {
            return Err(format!(
                "The limit of {limit} descriptors leaves no room for connections: \
                 give the gateway more than {least} (ulimit -n)."
            ));
        }
        Ok(Self { limit, connections: AtomicUsize::new(0) })
    }

    /// The process's limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many connections are held before newcomers are refused.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit - OWN - RECEPTION
    }

    /// How many connections are accepted at the most, those among them that are refused.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.limit - OWN
    }

    /// How many connections are held now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts one connection for as long as it lives.
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
    /// Whether there was room when it came.
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
    fn newcomers_are_received_while_there_is_a_reception_and_then_not_at_all() {
        let descriptors = Arc::new(Descriptors { limit: 300, connections: AtomicUsize::new(0) });
        let connections: Vec<_> = (0..300).map(|_| descriptors.connect()).collect();
        let count = |room| connections.iter().filter(|connection| connection.room == room).count();
        assert_eq!([count(Room::Yes), count(Room::Reception)], [172, 64]);
        drop(connections);
        assert_eq!(descriptors.connections(), 0);
    }
}
