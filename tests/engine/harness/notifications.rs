//! A listener that records what the engine notifies it of.

use std::{
    mem,
    sync::{Mutex, MutexGuard, RwLock, RwLockWriteGuard},
};

use engine::{ConnectionId, EndReason, EngineListener};

/// Records notifications in order, until they are taken.
#[derive(Default)]
pub struct Notifications {
    recorded: Mutex<Recorded>,
    /// Is held to keep the engine from delivering.
    delivery: RwLock<()>,
}

#[derive(Default)]
struct Recorded {
    ended: Vec<(ConnectionId, EndReason)>,
    queued: Vec<ConnectionId>,
    settled: Vec<String>,
    events_appended: bool,
    expired: u64,
}

impl Notifications {
    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().expect("no test panics while it holds this")
    }

    /// Holds up the delivery of events, and with it the thread that delivers them, until this is
    /// dropped.
    pub fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.delivery.write().expect("no test panics while it holds this")
    }

    /// Takes the connections that had to end, with the reasons.
    pub fn take_ended(&self) -> Vec<(String, EndReason)> {
        let ended = mem::take(&mut self.recorded().ended);
        ended.into_iter().map(|(connection, reason)| (connection.0.to_string(), reason)).collect()
    }

    /// Takes the connections whose outbox got a message.
    pub fn take_queued(&self) -> Vec<String> {
        let queued = mem::take(&mut self.recorded().queued);
        queued.into_iter().map(|connection| connection.0.to_string()).collect()
    }

    /// Takes the devices whose messages were acknowledged or expired.
    pub fn take_settled(&self) -> Vec<String> {
        mem::take(&mut self.recorded().settled)
    }

    /// Takes how many messages expired.
    pub fn take_expired(&self) -> u64 {
        mem::take(&mut self.recorded().expired)
    }

    /// Takes whether events were appended.
    pub fn take_events_appended(&self) -> bool {
        mem::take(&mut self.recorded().events_appended)
    }
}

impl EngineListener for Notifications {
    fn end(&self, connection: &ConnectionId, reason: EndReason) {
        self.recorded().ended.push((connection.clone(), reason));
    }

    fn message_queued(&self, connection: &ConnectionId) {
        self.recorded().queued.push(connection.clone());
    }

    fn messages_settled(&self, device: &str) {
        self.recorded().settled.push(device.to_owned());
    }

    fn events_appended(&self, _partition: usize) {
        drop(self.delivery.read());
        self.recorded().events_appended = true;
    }

    fn messages_expired(&self, count: u64) {
        self.recorded().expired += count;
    }
}
