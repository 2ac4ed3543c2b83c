//! Requests that wait for something to happen to a device.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Who waits for which device. As many as there are requests that wait.
#[derive(Default)]
pub struct Waiters(Mutex<HashMap<Arc<str>, Waited>>);

#[derive(Default)]
struct Waited {
    notify: Arc<Notify>,
    waiters: usize,
}

/// A place among those who wait for one device.
pub struct Waiter<'a> {
    waiters: &'a Waiters,
    device: Arc<str>,
    /// Is notified when it may have happened.
    pub notify: Arc<Notify>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Waited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins those who wait for `device`.
    #[must_use]
    pub fn join(&self, device: &str) -> Waiter<'_> {
        let device: Arc<str> = device.into();
        let mut waiters = self.lock();
        let waited = waiters.entry(Arc::clone(&device)).or_default();
        waited.waiters += 1;
        let notify = Arc::clone(&waited.notify);
        drop(waiters);
        Waiter { waiters: self, device, notify }
    }

    /// Wakes those who wait for `device`.
    pub fn wake(&self, device: &str) {
        if let Some(waited) = self.lock().get(device) {
            waited.notify.notify_waiters();
        }
    }

    /// Wakes everyone.
    pub fn wake_all(&self) {
        for waited in self.lock().values() {
            waited.notify.notify_waiters();
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiters = self.waiters.lock();
        if let Some(waited) = waiters.get_mut(&self.device) {
            waited.waiters -= 1;
            if waited.waiters == 0 {
                waiters.remove(&self.device);
            }
        }
    }
}
