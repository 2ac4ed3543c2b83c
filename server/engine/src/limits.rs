//! The limits and lifetimes of an engine, with their defaults: the only place where they are written.

use std::time::Duration;

use crate::Rate;

/// The limits and lifetimes that an engine enforces. A count of zero allows nothing.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Lifetime of a token.
    pub token_ttl: Duration,
    /// How long an authorisation can be redeemed after it was last made.
    pub authorisation_ttl: Duration,
    /// How long a spent, expired or revoked `halfRef` is remembered as such; then it is unknown.
    pub half_ref_memory: Duration,
    /// How long a device's record outlives the latest of token end, socket end and queued message.
    pub record_ttl: Duration,
    /// Devices with a record, at most.
    pub devices: usize,
    /// Authorisations of one device that can be redeemed at a time, at least 1; the newest replaces
    /// the oldest.
    pub open_authorisations: usize,
    /// Authorisations per second and device, at least 1, with a burst of one second.
    pub authorisations_per_second: u32,
    /// Live tokens of the test channel per device; the newest replaces the oldest.
    pub test_tokens: usize,
    /// Unused tokens of a claim, beside the one that the device is known to have; the newest
    /// replaces the oldest.
    pub unused_tokens: usize,
    /// Spent, expired and revoked `halfRef`s remembered at a time, of all devices; the newest replaces
    /// the oldest.
    pub remembered_half_refs: usize,
    /// Messages in a device's outbox, at most.
    pub outbox_messages: usize,
    /// Bytes of data in a device's outbox, at most.
    pub outbox_bytes: usize,
    /// Ids of accepted messages remembered per device; the newest replaces the oldest.
    pub remembered_ids: usize,
    /// How long an idempotency key is remembered.
    pub idempotency_memory: Duration,
    /// Idempotency keys remembered per device, at most; further ones are refused.
    pub idempotency_keys: usize,
    /// How long an event is kept, unless it is released.
    pub event_ttl: Duration,
    /// Bytes of events ([`crate::Event::size`]), at most. The events that are certain to come have
    /// their room reserved: `expired` of each queued message, `disconnected` of each socket. What
    /// would go beyond is refused. Messages are queued only up to a half that is reserved, so that
    /// sockets can open and acknowledge them.
    pub event_bytes: usize,
    /// The same for the events of one device.
    pub event_bytes_per_device: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_ttl: Duration::from_hours(24),
            authorisation_ttl: Duration::from_secs(30),
            half_ref_memory: Duration::from_mins(10),
            record_ttl: Duration::from_hours(24),
            devices: 1_000_000,
            open_authorisations: 3,
            authorisations_per_second: 10,
            test_tokens: 8,
            unused_tokens: 4,
            remembered_half_refs: 1_000_000,
            outbox_messages: 1000,
            outbox_bytes: 1024 * 1024,
            remembered_ids: 256,
            idempotency_memory: Duration::from_hours(24),
            idempotency_keys: 10_000,
            event_ttl: Duration::from_hours(24),
            event_bytes: 1024 * 1024 * 1024,
            event_bytes_per_device: 1024 * 1024 * 1024 / 100,
        }
    }
}

impl Limits {
    /// The rate of authorisations of one device, with a burst of one second.
    #[must_use]
    pub fn authorisation_rate(&self) -> Rate {
        Rate::per_second(self.authorisations_per_second, Duration::from_secs(1))
    }
}
