//! The operations as Redis runs them: one library of functions, written in Lua.
//!
//! The library begins with a header of constants, so that no number or word is written in both
//! languages. Its name is a digest of all that is in it, the limits of the gateway included: gateways
//! of two versions, or with two settings, work side by side.

use std::fmt::Write;

use redis::{Cmd, cmd};

use super::{
    options::RedisOptions,
    protocol::{END_REASONS, FORMAT, NOTIFICATIONS},
};
use crate::{Digest, Limits, event::EVENT_OVERHEAD, id::ID_LENGTH, millis};

/// How many things one call expires, drops or closes at most.
pub const BATCH: usize = 100;

/// How long keys outlive their record, in milliseconds, when no gateway is left to expire it.
const SAFETY_TTL: u64 = 24 * 60 * 60 * 1000;

/// How long Redis remembers that a gateway expired, in milliseconds. A gateway that wakes even later
/// cannot be told from one whose data was lost.
const EXPIRED_GATEWAY_TTL: u64 = 30 * SAFETY_TTL;

/// At most this many pointers in a partition; the oldest go first. They are for half refs that are
/// pending or remembered.
const POINTERS: u64 = 1_000_000;

/// Comes first and is not a block of its own: the other files use what it declares.
const CALL: &str = include_str!("lua/call.lua");

const MODULES: [&str; 13] = [
    include_str!("lua/notifications.lua"),
    include_str!("lua/records.lua"),
    include_str!("lua/events.lua"),
    include_str!("lua/state.lua"),
    include_str!("lua/sockets.lua"),
    include_str!("lua/tokens.lua"),
    include_str!("lua/authorisations.lua"),
    include_str!("lua/pointers.lua"),
    include_str!("lua/outbox.lua"),
    include_str!("lua/idempotency.lua"),
    include_str!("lua/conversation.lua"),
    include_str!("lua/gateways.lua"),
    include_str!("lua/deadlines.lua"),
];

/// The library, as it is loaded and called.
pub struct FunctionLibrary {
    name: String,
    source: String,
}

impl FunctionLibrary {
    /// The library that enforces these limits.
    #[must_use]
    pub fn new(limits: &Limits, options: &RedisOptions) -> Self {
        let mut body = header(limits, options) + CALL;
        for module in MODULES {
            body.push_str("do\n");
            body.push_str(module);
            body.push_str("end\n");
        }
        let mut name = "connectsocket_".to_owned();
        for byte in &Digest::of(body.as_bytes()).bytes()[..8] {
            // Writing to a string does not fail.
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

    /// A call of a function, to which its arguments are to be added.
    #[must_use]
    pub fn call(&self, function: &str, prefix: &str) -> Cmd {
        let mut command = cmd("FCALL");
        command.arg(format!("{}_{function}", self.name)).arg(1).arg(prefix);
        command
    }
}

/// The constants of the library: times in milliseconds but those of the rate, which are in
/// microseconds; sizes in bytes.
fn header(limits: &Limits, options: &RedisOptions) -> String {
    let rate = limits.authorisation_rate();
    let limits = [
        ("token_ttl", millis(limits.token_ttl)),
        ("authorisation_ttl", millis(limits.authorisation_ttl)),
        ("half_ref_memory", millis(limits.half_ref_memory)),
        ("record_ttl", millis(limits.record_ttl)),
        ("devices", limits.devices as u64),
        ("open_authorisations", limits.open_authorisations as u64),
        ("authorisation_interval", rate.interval()),
        ("authorisation_burst", rate.burst()),
        ("test_tokens", limits.test_tokens as u64),
        ("unused_tokens", limits.unused_tokens as u64),
        ("remembered_half_refs", limits.remembered_half_refs as u64),
        ("outbox_messages", limits.outbox_messages as u64),
        ("outbox_bytes", limits.outbox_bytes as u64),
        ("remembered_ids", limits.remembered_ids as u64),
        ("idempotency_memory", millis(limits.idempotency_memory)),
        ("idempotency_keys", limits.idempotency_keys as u64),
        ("event_ttl", millis(limits.event_ttl)),
        ("event_bytes", limits.event_bytes as u64),
        ("event_bytes_per_device", limits.event_bytes_per_device as u64),
    ];
    let constants = [
        ("LEASE", millis(options.lease)),
        ("BATCH", BATCH as u64),
        ("FORMAT", FORMAT),
        ("POINTERS", POINTERS),
        ("SAFETY_TTL", SAFETY_TTL),
        ("EXPIRED_GATEWAY_TTL", EXPIRED_GATEWAY_TTL),
        ("EVENT_OVERHEAD", EVENT_OVERHEAD as u64),
        ("ID_LENGTH", ID_LENGTH as u64),
    ];
    let mut header = constants.map(|(name, number)| format!("local {name} = {number}\n")).concat();
    let quoted = |word: &str| format!("'{word}'");
    header += &table("LIMITS", limits.map(|(name, number)| (name, number.to_string())));
    header += &table("END_REASON", END_REASONS.map(|(name, word, _)| (name, quoted(word))));
    header += &table("NOTIFICATION", NOTIFICATIONS.map(|(name, word)| (name, quoted(word))));
    header
}

/// A table of constants.
fn table<const N: usize>(name: &str, fields: [(&str, String); N]) -> String {
    let fields = fields.map(|(field, value)| format!("{field} = {value}"));
    format!("local {name} = {{ {} }}\n", fields.join(", "))
}
