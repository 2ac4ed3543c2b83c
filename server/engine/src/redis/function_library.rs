//! The actions as Redis runs them: one library of functions, written in Lua.
//!
//! The library's name is made of what is in it, the limits of the gateway included. So gateways of
//! two versions, or with two settings, work side by side.

use std::fmt::Write;

use redis::{Cmd, cmd};

use super::super::{Digest, Limits, millis};
use super::options::RedisOptions;
use crate::event::EVENT_OVERHEAD;

/// How much ends, or is let go of, in one call at the most.
pub const BATCH: usize = 100;

const SOURCES: [&str; 8] = [
    include_str!("lua/prelude.lua"),
    include_str!("lua/events.lua"),
    include_str!("lua/records.lua"),
    include_str!("lua/tokens.lua"),
    include_str!("lua/authorisations.lua"),
    include_str!("lua/conversation.lua"),
    include_str!("lua/gateways.lua"),
    include_str!("lua/expiry.lua"),
];

/// The library, as it is loaded and called.
pub struct FunctionLibrary {
    name: String,
    source: String,
}

impl FunctionLibrary {
    /// The library that keeps these limits.
    #[must_use]
    pub fn new(limits: &Limits, redis: &RedisOptions) -> Self {
        let body = format!("{}\n{}", written(limits, redis), SOURCES.join("\n"));
        let mut name = "connectsocket_".to_owned();
        for byte in &Digest::of(body.as_bytes()).bytes()[..8] {
            // Text takes whatever is written to it.
            let _ = write!(name, "{byte:02x}");
        }
        let source = format!("#!lua name={name}\nlocal LIBRARY = '{name}'\n{body}");
        Self { name, source }
    }

    /// The command that loads it.
    #[must_use]
    pub fn load(&self) -> Cmd {
        let mut command = cmd("FUNCTION");
        command.arg("LOAD").arg(&self.source);
        command
    }

    /// The beginning of a call.
    #[must_use]
    pub fn call(&self, function: &str, prefix: &str) -> Cmd {
        let mut command = cmd("FCALL");
        command.arg(format!("{}_{function}", self.name)).arg(1).arg(prefix);
        command
    }
}

/// The limits, as Lua.
fn written(limits: &Limits, redis: &RedisOptions) -> String {
    let interval = 1_000_000 / u64::from(limits.authorisations_per_second.max(1));
    let numbers: [(&str, u64); 20] = [
        ("token_ttl", millis(limits.token_ttl)),
        ("authorisation_ttl", millis(limits.authorisation_ttl)),
        ("half_ref_memory", millis(limits.half_ref_memory)),
        ("record_ttl", millis(limits.record_ttl)),
        ("devices", limits.devices as u64),
        ("open_authorisations", limits.open_authorisations as u64),
        ("authorisation_interval", interval),
        ("test_tokens", limits.test_tokens as u64),
        ("remembered_half_refs", limits.remembered_half_refs as u64),
        ("outbox_messages", limits.outbox_messages as u64),
        ("outbox_bytes", limits.outbox_bytes as u64),
        ("remembered_ids", limits.remembered_ids as u64),
        ("idempotency_memory", millis(limits.idempotency_memory)),
        ("idempotency_keys", limits.idempotency_keys as u64),
        ("event_ttl", millis(limits.event_ttl)),
        ("event_bytes", limits.event_bytes as u64),
        ("event_bytes_per_device", limits.event_bytes_per_device as u64),
        ("event_overhead", EVENT_OVERHEAD as u64),
        ("lease", millis(redis.lease)),
        ("batch", BATCH as u64),
    ];
    let numbers = numbers.map(|(name, number)| format!("{name} = {number}"));
    format!("local LIMITS = {{ {} }}", numbers.join(", "))
}
