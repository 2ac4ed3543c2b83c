//! The requests that wait until a device acknowledges a message (`?wait=ack`).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

/// The requests that may wait, by device. A device without one takes no memory.
#[derive(Default)]
pub struct Acknowledgements {
    devices: Mutex<HashMap<Arc<str>, Subscribers>>,
    waiting: AtomicU64,
}

#[derive(Default)]
struct Subscribers {
    notify: Arc<Notify>,
    count: usize,
}

/// One request that may wait. Dropping it ends the subscription.
pub struct Subscription<'a> {
    acknowledgements: &'a Acknowledgements,
    device: Arc<str>,
    /// Notified whenever the device may have acknowledged something.
    pub notify: Arc<Notify>,
}

/// A request that waits now, until this is dropped.
pub struct Waiting<'a>(&'a AtomicU64);

impl Acknowledgements {
    /// How many requests wait now.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts one request that waits.
    #[must_use]
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Subscribers>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to the acknowledgements of `device`.
    #[must_use]
    pub fn subscribe(&self, device: &str) -> Subscription<'_> {
        let device: Arc<str> = device.into();
        let mut devices = self.lock();
        let subscribers = devices.entry(Arc::clone(&device)).or_default();
        subscribers.count += 1;
        let notify = Arc::clone(&subscribers.notify);
        drop(devices);
        Subscription { acknowledgements: self, device, notify }
    }

    /// Notifies the subscribers of `device`.
    pub fn notify(&self, device: &str) {
        if let Some(subscribers) = self.lock().get(device) {
            subscribers.notify.notify_waiters();
        }
    }

    /// Notifies the subscribers of every device.
    pub fn notify_all(&self) {
        for subscribers in self.lock().values() {
            subscribers.notify.notify_waiters();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        let mut devices = self.acknowledgements.lock();
        if let Some(subscribers) = devices.get_mut(&self.device) {
            subscribers.count -= 1;
            if subscribers.count == 0 {
                devices.remove(&self.device);
            }
        }
    }
}
