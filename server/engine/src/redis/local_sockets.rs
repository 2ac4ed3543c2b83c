//! The connections that this gateway holds as the sockets of their devices, as far as it knows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::ConnectionId;

/// The devices of the held connections.
#[derive(Default)]
pub struct LocalSockets(Mutex<HashMap<ConnectionId, Arc<str>>>);

impl LocalSockets {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is the device's socket.
    pub fn insert(&self, connection: ConnectionId, device: Arc<str>) {
        self.lock().insert(connection, device);
    }

    /// The connection is no socket any more. Says whether it was one.
    pub fn remove(&self, connection: &ConnectionId) -> bool {
        self.lock().remove(connection).is_some()
    }

    /// Whether the connection is held.
    pub fn contains(&self, connection: &ConnectionId) -> bool {
        self.lock().contains_key(connection)
    }

    /// Every connection with its device.
    pub fn all(&self) -> Vec<(ConnectionId, Arc<str>)> {
        let held = self.lock();
        held.iter().map(|(connection, device)| (connection.clone(), Arc::clone(device))).collect()
    }
}
