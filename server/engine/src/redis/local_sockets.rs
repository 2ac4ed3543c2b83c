//! The connections of this gateway that are the sockets of their devices, as far as it knows, and
//! whether there may be messages for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::ConnectionId;

/// The sockets by connection.
#[derive(Default)]
pub struct LocalSockets(Mutex<HashMap<ConnectionId, LocalSocket>>);

struct LocalSocket {
    device: Arc<str>,
    /// The outbox had no message above this number when it was read last, and none was queued since.
    empty_after: Option<u64>,
}

impl LocalSockets {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, LocalSocket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection that has become the device's socket.
    pub fn insert(&self, connection: ConnectionId, device: Arc<str>) {
        self.lock().insert(connection, LocalSocket { device, empty_after: None });
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
            .map(|(connection, socket)| (connection.clone(), Arc::clone(&socket.device)))
            .collect()
    }

    /// Whether the outbox of the connection is known to have no message above `after`.
    pub fn is_empty_after(&self, connection: &ConnectionId, after: u64) -> bool {
        let empty_after = self.lock().get(connection).and_then(|socket| socket.empty_after);
        empty_after.is_some_and(|number| number <= after)
    }

    /// The outbox is about to be read from `after` on. What is queued from now on may be missed.
    pub fn begin_reading(&self, connection: &ConnectionId, after: u64) {
        if let Some(socket) = self.lock().get_mut(connection) {
            socket.empty_after = Some(after);
        }
    }

    /// The outbox was read from `after` on, and has no message above `last`, unless one was queued
    /// meanwhile.
    pub fn end_reading(&self, connection: &ConnectionId, after: u64, last: u64) {
        if let Some(socket) = self.lock().get_mut(connection)
            && socket.empty_after == Some(after)
        {
            socket.empty_after = Some(last);
        }
    }

    /// There may be messages in the outbox.
    pub fn may_have_messages(&self, connection: &ConnectionId) {
        if let Some(socket) = self.lock().get_mut(connection) {
            socket.empty_after = None;
        }
    }
}
