//! The sockets, event streams and waiting requests of this process, as the engine notifies them.
//!
//! It stands below both the gateway's state and the websockets: it knows connections and reasons,
//! and neither frames nor close codes.

pub mod acknowledgements;

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use engine::{ConnectionId, EndReason, EngineListener};
use tokio::sync::{Notify, futures::Notified};

use self::acknowledgements::Acknowledgements;
use crate::service_manager;

/// Passes the engine's notifications to the open sockets and to the requests of this process.
pub struct Registry {
    sockets: Mutex<Sockets>,
    /// Wakes the requests that wait for an acknowledgement.
    pub acknowledgements: Acknowledgements,
    /// Wakes the event streams, as they read each partition.
    events: Vec<Notify>,
    expired_messages: AtomicU64,
}

#[derive(Default)]
struct Sockets {
    controls: HashMap<ConnectionId, Arc<SocketControl>>,
    per_address: HashMap<IpAddr, u32>,
}

/// Why a socket must close, for a reason outside of its own conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseRequest {
    /// The engine ended it.
    Engine(EndReason),
    /// The gateway shuts down.
    Draining,
}

/// How the rest of the process reaches one socket.
#[derive(Default)]
pub struct SocketControl {
    close_request: OnceLock<CloseRequest>,
    close_requested: Notify,
    message_queued: Notify,
}

impl SocketControl {
    /// Requests that the socket closes. The first request counts.
    fn close(&self, request: CloseRequest) {
        let _ = self.close_request.set(request);
        self.close_requested.notify_one();
    }

    /// The first close request, if there was one.
    pub fn close_request(&self) -> Option<CloseRequest> {
        self.close_request.get().copied()
    }

    /// Waits for the first close request.
    pub async fn close_requested(&self) -> CloseRequest {
        loop {
            if let Some(request) = self.close_request() {
                return request;
            }
            self.close_requested.notified().await;
        }
    }

    /// Waits until there may be a new message in the outbox.
    pub async fn message_queued(&self) {
        self.message_queued.notified().await;
    }
}

/// One socket in the registry, from before its handshake is answered. Dropping it removes the
/// socket.
pub struct Registration {
    registry: Arc<Registry>,
    address: IpAddr,
    /// Names the connection.
    pub connection: ConnectionId,
    /// Receives the requests and notifications for the connection.
    pub control: Arc<SocketControl>,
}

impl Registry {
    /// The registry of a gateway whose engine has so many partitions.
    #[must_use]
    pub fn new(partitions: NonZeroUsize) -> Self {
        Self {
            sockets: Mutex::default(),
            acknowledgements: Acknowledgements::default(),
            events: (0..partitions.get()).map(|_| Notify::new()).collect(),
            expired_messages: AtomicU64::default(),
        }
    }

    /// Wakes an event stream when there may be new events of a partition, from now on.
    pub fn events_of(&self, partition: usize) -> Notified<'_> {
        self.events[partition].notified()
    }

    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers one more socket of `address`; `None` when that has `limit` sockets already. The
    /// engine can reach the connection from now on, so no notification is missed.
    pub fn register(self: &Arc<Self>, address: IpAddr, limit: u32) -> Option<Registration> {
        let mut sockets = self.lock();
        let open = sockets.per_address.entry(address).or_insert(0);
        if *open >= limit {
            return None;
        }
        *open += 1;
        let (connection, control) = (ConnectionId::new(), Arc::<SocketControl>::default());
        sockets.controls.insert(connection.clone(), Arc::clone(&control));
        Some(Registration { registry: Arc::clone(self), address, connection, control })
    }

    fn control(&self, connection: &ConnectionId) -> Option<Arc<SocketControl>> {
        self.lock().controls.get(connection).cloned()
    }

    /// How many messages have expired since the start.
    #[must_use]
    pub fn expired_messages(&self) -> u64 {
        self.expired_messages.load(Ordering::Relaxed)
    }

    /// Whether no socket is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().controls.is_empty()
    }

    /// Requests that up to `limit` sockets close, of those that have no close request yet.
    pub fn drain_some(&self, limit: usize) {
        let open: Vec<_> = {
            let sockets = self.lock();
            let open = |control: &&Arc<SocketControl>| control.close_request().is_none();
            sockets.controls.values().filter(open).take(limit).cloned().collect()
        };
        for control in &open {
            control.close(CloseRequest::Draining);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut sockets = self.registry.lock();
        sockets.controls.remove(&self.connection);
        if let Some(open) = sockets.per_address.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                sockets.per_address.remove(&self.address);
            }
        }
    }
}

impl EngineListener for Registry {
    fn end(&self, connection: &ConnectionId, reason: EndReason) {
        if let Some(control) = self.control(connection) {
            control.close(CloseRequest::Engine(reason));
        }
    }

    fn message_queued(&self, connection: &ConnectionId) {
        if let Some(control) = self.control(connection) {
            control.message_queued.notify_one();
        }
    }

    fn messages_settled(&self, device: &str) {
        self.acknowledgements.notify(device);
    }

    fn events_appended(&self, partition: usize) {
        self.events[partition].notify_waiters();
    }

    fn messages_expired(&self, count: u64) {
        self.expired_messages.fetch_add(count, Ordering::Relaxed);
    }

    fn recovery_progressed(&self, what: &str, done: u64, of: u64) {
        service_manager::starting(&format!("{what}: {done} of {of}"));
    }

    fn notifications_missed(&self, partition: usize) {
        self.acknowledgements.notify_all();
        self.events_appended(partition);
    }
}
