//! The connections of this gateway that are the sockets of their devices, as far as it knows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::ConnectionId;

/// The devices by connection.
#[derive(Default)]
pub struct LocalSockets(Mutex<HashMap<ConnectionId, Arc<str>>>);

impl LocalSockets {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection that has become the device's socket.
    pub fn insert(&self, connection: ConnectionId, device: Arc<str>) {
        self.lock().insert(connection, device);
    }

    /// Removes a connection that is a socket no longer.
    pub fn remove(&self, connection: &ConnectionId) {
        self.lock().remove(connection);
    }

    /// Whether the connection is a socket.
    pub fn contains(&self, connection: &ConnectionId) -> bool {
        self.lock().contains_key(connection)
    }

    /// Every connection with its device.
    pub fn all(&self) -> Vec<(ConnectionId, Arc<str>)> {
        let sockets = self.lock();
        sockets
            .iter()
            .map(|(connection, device)| (connection.clone(), Arc::clone(device)))
            .collect()
    }
}
