//! What an engine is bounded by, with the defaults: the one place where they are written.

use std::time::Duration;

use crate::Rate;

/// The limits and lifetimes that an engine enforces.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Lifetime of a token.
    pub token_ttl: Duration,
    /// How long an authorisation can be redeemed.
    pub authorisation_ttl: Duration,
    /// How long a spent, expired or revoked `halfRef` is remembered.
    pub half_ref_memory: Duration,
    /// How long a device's record outlives its last token, socket and message.
    pub record_ttl: Duration,
    /// Devices known at a time.
    pub devices: usize,
    /// Open authorisations per device.
    pub open_authorisations: usize,
    /// Authorisations per second and device.
    pub authorisations_per_second: u32,
    /// Live tokens of the test channel per device; the newest replaces the oldest.
    pub test_tokens: usize,
    /// Spent, expired and revoked `halfRef`s remembered at a time; the newest replaces the oldest.
    pub remembered_half_refs: usize,
    /// Messages in a device's outbox.
    pub outbox_messages: usize,
    /// Bytes of messages in a device's outbox.
    pub outbox_bytes: usize,
    /// Ids of accepted messages remembered per device.
    pub remembered_ids: usize,
    /// How long an idempotency key is remembered.
    pub idempotency_memory: Duration,
    /// Idempotency keys remembered per device.
    pub idempotency_keys: usize,
    /// How long an event is kept.
    pub event_ttl: Duration,
    /// Bytes of events kept.
    pub event_bytes: usize,
    /// Bytes of events kept of one device.
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
