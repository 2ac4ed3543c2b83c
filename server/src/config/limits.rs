//! Settings of what the gateway remembers. The defaults are the engine's.

use std::time::Duration;

use clap::Args;
use engine::Limits;

use super::{
    ConfigError,
    value::{self, time_text},
};

/// What the gateway remembers of devices, messages and events.
#[derive(Clone, Args)]
#[command(next_help_heading = "Limits of what is remembered")]
pub struct LimitsConfig {
    /// Devices known at a time.
    #[arg(
        long,
        value_name = "N",
        default_value = Limits::default().devices.to_string(),
        value_parser = value::count
    )]
    pub devices: u32,

    /// How long a device's record outlives its last token, socket and message.
    #[arg(
        long,
        value_name = "TIME",
        default_value = time_text(Limits::default().record_ttl),
        value_parser = value::time
    )]
    pub record_ttl: Duration,

    /// Messages in a device's outbox.
    #[arg(
        long,
        value_name = "N",
        default_value = Limits::default().outbox_messages.to_string(),
        value_parser = value::count
    )]
    pub outbox_messages: u32,

    /// Bytes of messages in a device's outbox.
    #[arg(
        long,
        value_name = "N",
        default_value = Limits::default().outbox_bytes.to_string(),
        value_parser = value::storage
    )]
    pub outbox_bytes: u64,

    /// Idempotency keys remembered per device, each for 24 hours.
    #[arg(
        long,
        value_name = "N",
        default_value = Limits::default().idempotency_keys.to_string(),
        value_parser = value::count
    )]
    pub idempotency_keys: u32,

    /// Bytes of events kept for the operator, and reserved for those of queued messages and open
    /// sockets; one device may take a hundredth, or what a full outbox needs.
    #[arg(
        long,
        value_name = "N",
        default_value = Limits::default().event_bytes.to_string(),
        value_parser = value::shared_storage
    )]
    pub event_bytes: u64,

    /// How long an event is kept for the operator.
    #[arg(
        long,
        value_name = "TIME",
        default_value = time_text(Limits::default().event_ttl),
        value_parser = value::time
    )]
    pub event_ttl: Duration,
}

/// Bytes of events that a device needs for each message in its outbox: those of `expired`, twice,
/// because queued messages reserve at most a half of the room.
const EVENT_BYTES_PER_MESSAGE: usize = 2 * 256;

/// Bytes of events that a device needs for its socket, with the longest link and the largest device data.
const EVENT_BYTES_PER_SOCKET: usize = 16 * 1024;

impl LimitsConfig {
    /// Bytes of events, of all devices and of one.
    ///
    /// # Errors
    /// [`ConfigError::EventBytesTooFew`], where a full outbox of one device and its largest message
    /// would not fit.
    pub(super) fn event_bytes(
        &self,
        largest_message: usize,
    ) -> Result<(usize, usize), ConfigError> {
        let needed = self.outbox_messages as usize * EVENT_BYTES_PER_MESSAGE
            + EVENT_BYTES_PER_SOCKET
            + largest_message;
        let event_bytes = value::bytes(self.event_bytes);
        if event_bytes < needed {
            return Err(ConfigError::EventBytesTooFew(needed));
        }
        Ok((event_bytes, needed.max(event_bytes / 100)))
    }
}
