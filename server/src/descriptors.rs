//! The descriptors of the process: how many connections it can hold, and how many it does.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Descriptors reserved for everything that is no connection: listeners, log and libraries. Many
/// worker threads need more.
const OWN: usize = 64;

/// Descriptors of the process without its worker threads, and of each of them.
const PROCESS: usize = 32;
const WORKER: usize = 4;

/// Descriptors reserved for answering connections beyond the limit with 503, and probes.
const RECEPTION: usize = 64;

/// Why the process's descriptors do not suffice.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorsError {
    /// The operating system does not say.
    #[error(
        "The limit of descriptors cannot be read: {0}; set one with ulimit -n or LimitNOFILE=."
    )]
    Unreadable(io::Error),
    /// The limit is too low.
    #[error(
        "The limit of {limit} descriptors leaves no room for connections: give the gateway more than \
         {least} (ulimit -n, or LimitNOFILE= in a systemd unit)."
    )]
    TooFew {
        /// The limit.
        limit: usize,
        /// What does not suffice either.
        least: usize,
    },
}

/// The limit of the process's descriptors, and the connections that use them.
#[derive(Debug)]
pub struct Descriptors {
    limit: usize,
    /// Reserved for what is no connection.
    own: usize,
    connections: AtomicUsize,
    per_address: Mutex<HashMap<IpAddr, usize>>,
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
    /// Its address has as many as it may: it is closed at once.
    NotForAddress,
}

impl Descriptors {
    /// Raises the limit as far as the process may, and reads it. The process has so many `workers`.
    ///
    /// # Errors
    /// The limit cannot be read, or leaves no room for connections.
    pub fn of_this_process(workers: usize) -> Result<Self, DescriptorsError> {
        let limit =
            rlimit::increase_nofile_limit(u64::MAX).map_err(DescriptorsError::Unreadable)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let own = OWN.max(PROCESS + WORKER * workers);
        let least = 2 * (own + RECEPTION);
        if limit <= least {
            return Err(DescriptorsError::TooFew { limit, least });
        }
        Ok(Self::of(limit, own))
    }

    fn of(limit: usize, own: usize) -> Self {
        Self { limit, own, connections: AtomicUsize::new(0), per_address: Mutex::default() }
    }

    /// The process's limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many connections are served; further ones are refused.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit - self.own - RECEPTION
    }

    /// How many connections are accepted, including those that are refused.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.limit - self.own
    }

    /// How many connections are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts one connection until the returned value is dropped. With `limited`, an address and how
    /// many it may have, there is no room beyond that either.
    #[must_use]
    pub fn connect(self: &Arc<Self>, limited: Option<(IpAddr, usize)>) -> Arc<Connection> {
        let open = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let of_address = limited.map_or(0, |(address, _)| {
            let mut addresses = self.per_address();
            let open = addresses.entry(address).or_default();
            *open += 1;
            *open
        });
        let room = match open.saturating_sub(self.room()) {
            _ if limited.is_some_and(|(_, limit)| of_address > limit) => Room::NotForAddress,
            0 => Room::Yes,
            1..=RECEPTION => Room::Reception,
            _ => Room::No,
        };
        let address = limited.map(|(address, _)| address);
        Arc::new(Connection { room, address, descriptors: Arc::clone(self) })
    }

    fn per_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.per_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One counted connection.
#[derive(Debug)]
pub struct Connection {
    /// Whether there was room when it was accepted.
    pub room: Room,
    /// The address that it counts for.
    address: Option<IpAddr>,
    descriptors: Arc<Descriptors>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.descriptors.connections.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        let mut addresses = self.descriptors.per_address();
        if let Some(open) = addresses.get_mut(&address) {
            *open -= 1;
            if *open == 0 {
                addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_beyond_the_limit_are_answered_while_the_reserve_lasts() {
        let descriptors = Arc::new(Descriptors::of(300, OWN));
        let connections: Vec<_> = (0..300).map(|_| descriptors.connect(None)).collect();
        let count = |room| connections.iter().filter(|connection| connection.room == room).count();
        assert_eq!([count(Room::Yes), count(Room::Reception)], [172, 64]);
        drop(connections);
        assert_eq!(descriptors.connections(), 0);
    }

    #[test]
    fn an_address_beyond_its_limit_leaves_room_for_the_others() {
        let descriptors = Arc::new(Descriptors::of(300, OWN));
        let [one, other] = [1, 2].map(|last| Some((IpAddr::from([192, 0, 2, last]), 2)));
        let mut connections: Vec<_> =
            [one, one, one, other, None].map(|limited| descriptors.connect(limited)).into();
        let rooms: Vec<_> = connections.iter().map(|connection| connection.room).collect();
        assert_eq!(rooms, [Room::Yes, Room::Yes, Room::NotForAddress, Room::Yes, Room::Yes]);
        connections.truncate(1);
        assert_eq!(descriptors.connect(one).room, Room::Yes);
        drop(connections);
        assert!(descriptors.per_address().is_empty());
    }
}
