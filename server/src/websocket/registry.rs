//! Who is here: every open socket of this process, by connection.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::sync::Notify;

use super::{close_code::CloseCode, waiters::Waiters};
use engine::{ConnectionId, EndReason, EngineListener};

/// The open sockets of this process.
#[derive(Default)]
pub struct Registry {
    inner: Mutex<Inner>,
    /// Who waits for a device to acknowledge.
    pub acknowledgements: Waiters,
    /// Wakes the event streams.
    pub events: Notify,
}

#[derive(Default)]
struct Inner {
    sockets: HashMap<ConnectionId, Arc<Signal>>,
    per_address: HashMap<IpAddr, u32>,
}

/// What a socket hears from the rest of the process.
#[derive(Default)]
pub struct Signal {
    /// The first code it is to close with; zero before that.
    code: AtomicU16,
    closing: Notify,
    queued: Notify,
}

impl Signal {
    /// Has the socket close. The first code stands.
    fn close(&self, code: CloseCode) {
        let _ = self.code.compare_exchange(0, code.number(), Ordering::AcqRel, Ordering::Acquire);
        self.closing.notify_one();
    }

    /// The code that the socket is to close with, if it is to.
    pub fn code(&self) -> Option<CloseCode> {
        CloseCode::signalled(self.code.load(Ordering::Acquire))
    }

    /// Waits until the socket is to close.
    pub async fn closing(&self) -> CloseCode {
        loop {
            if let Some(code) = self.code() {
                return code;
            }
            self.closing.notified().await;
        }
    }

    /// Waits until there may be something new in the outbox.
    pub async fn queued(&self) {
        self.queued.notified().await;
    }
}

impl CloseCode {
    /// The codes that reach a socket from outside of it.
    fn signalled(number: u16) -> Option<Self> {
        [Self::Superseded, Self::Revoked, Self::TokenEnded, Self::Draining, Self::EngineAway]
            .into_iter()
            .find(|code| code.number() == number)
    }
}

/// A place for one socket: held from before the handshake until the socket is gone.
pub struct Seat {
    registry: Arc<Registry>,
    address: IpAddr,
    /// Names the connection.
    pub connection: ConnectionId,
    /// What the connection hears.
    pub signal: Arc<Signal>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat for one more socket of `address`, unless it holds `at_most` already. The
    /// connection can be signalled from now on, so no ending is missed.
    pub fn take_seat(self: &Arc<Self>, address: IpAddr, at_most: u32) -> Option<Seat> {
        let mut inner = self.lock();
        let held = inner.per_address.entry(address).or_insert(0);
        if *held >= at_most {
            return None;
        }
        *held += 1;
        let (connection, signal) = (ConnectionId::new(), Arc::new(Signal::default()));
        inner.sockets.insert(connection.clone(), Arc::clone(&signal));
        Some(Seat { registry: Arc::clone(self), address, connection, signal })
    }

    fn signal(&self, connection: &ConnectionId) -> Option<Arc<Signal>> {
        self.lock().sockets.get(connection).cloned()
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().sockets.is_empty()
    }

    /// Has up to `at_most` sockets close; says how many were there.
    pub fn close_some(&self, code: CloseCode, at_most: usize) -> usize {
        let signals: Vec<_> = {
            let inner = self.lock();
            let open = |signal: &&Arc<Signal>| signal.code.load(Ordering::Acquire) == 0;
            inner.sockets.values().filter(open).take(at_most).cloned().collect()
        };
        for signal in &signals {
            signal.close(code);
        }
        signals.len()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        inner.sockets.remove(&self.connection);
        if let Some(held) = inner.per_address.get_mut(&self.address) {
            *held -= 1;
            if *held == 0 {
                inner.per_address.remove(&self.address);
            }
        }
    }
}

impl EngineListener for Registry {
    fn end(&self, connection: &ConnectionId, ending: EndReason) {
        if let Some(signal) = self.signal(connection) {
            signal.close(ending.into());
        }
    }

    fn message_queued(&self, connection: &ConnectionId) {
        if let Some(signal) = self.signal(connection) {
            signal.queued.notify_one();
        }
    }

    fn messages_acknowledged(&self, device: &str) {
        self.acknowledgements.wake(device);
    }

    fn events_appended(&self) {
        self.events.notify_waiters();
    }

    fn notifications_missed(&self) {
        self.acknowledgements.wake_all();
        self.events.notify_waiters();
    }
}
