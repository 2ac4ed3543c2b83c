//! The engine of many gateways on several partitions: each is a Redis engine of its own, with keys that
//! lie in one slot of a Redis Cluster.
//!
//! A device lives in the partition of its [`Home`]. Everything that an operation changes is there, so
//! that it is atomic; two things are not found by device. A token begins with the home of its device. A
//! `halfRef` has a pointer in the partition of its own digest:
//!
//! ```text
//!   authorise  1. is anything but the halfRef wrong?             in the device's partition
//!              2. point the halfRef to the device's partition    in the partition of its digest
//!              3. authorise                                      in the device's partition
//!   redeem     1. where does it point?                           in the partition of its digest
//!              2. redeem                                         in the device's partition
//! ```
//!
//! The pointer comes before the authorisation, so that no other partition authorises the same `halfRef`.
//! Where the last step does not happen, a pointer is left that leads to nothing; it ends by itself, and
//! gives way to another partition once no call can be under way any more. A request without a live token
//! leaves none.

mod fan_out;
mod listing;
mod operations;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Mutex;

use crate::{
    Clock, Digest, EngineListener, Home, Limits,
    redis::{FunctionLibrary, Layout, Redis, RedisOptions},
};

/// The engine of many gateways on several partitions.
pub struct Partitioned {
    partitions: Vec<Arc<Partition>>,
}

/// One partition.
struct Partition {
    redis: Redis,
    /// Is held while what is due there expires.
    expiring: Arc<Mutex<()>>,
    /// Whether the last attempt to expire what is due failed.
    is_failing: AtomicBool,
}

impl Partitioned {
    /// Starts an engine on so many partitions, which share the limits of all devices and all events. Each
    /// partition connects in the background, and reconnects whenever its connection fails.
    ///
    /// The partitions share the clock of their servers, unless `clock` is given.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(
        limits: &Limits,
        options: &RedisOptions,
        clock: Option<&Arc<dyn Clock>>,
        listener: &Arc<dyn EngineListener>,
    ) -> Self {
        let count = options.partitions;
        let library = Arc::new(FunctionLibrary::new(&share(limits, count.get()), options));
        let partition = |layout| {
            let redis = Redis::start_partition(
                Arc::clone(&library),
                options.clone(),
                layout,
                clock.cloned(),
                Arc::clone(listener),
            );
            let (expiring, is_failing) = (Arc::default(), AtomicBool::new(false));
            Arc::new(Partition { redis, expiring, is_failing })
        };
        Self { partitions: Layout::of(count, options.is_cluster()).map(partition).collect() }
    }

    /// The partition of a device.
    fn of_device(&self, device: &str) -> &Redis {
        self.at(Home::of_device(device))
    }

    /// The partition of the pointer of a `halfRef`.
    fn of_pointer(&self, half_ref: &Digest) -> &Redis {
        self.at(Home::of_digest(half_ref))
    }

    fn at(&self, home: Home) -> &Redis {
        &self.partitions[home.partition(self.partitions.len())].redis
    }
}

impl Partition {
    /// Expires what is due, unless that is under way.
    async fn expire(&self) {
        use crate::Engine as _;
        if let Ok(_turn) = self.expiring.try_lock() {
            let expired = self.redis.expire().await;
            self.is_failing.store(expired.is_err(), Ordering::Release);
        }
    }
}

/// The limits of each of so many partitions. What bounds all devices or all events is divided: devices
/// are spread evenly.
fn share(limits: &Limits, partitions: usize) -> Limits {
    let event_bytes = limits.event_bytes / partitions;
    Limits {
        devices: limits.devices.div_ceil(partitions),
        remembered_half_refs: limits.remembered_half_refs.div_ceil(partitions),
        event_bytes,
        event_bytes_per_device: limits.event_bytes_per_device.min(event_bytes),
        ..limits.clone()
    }
}
