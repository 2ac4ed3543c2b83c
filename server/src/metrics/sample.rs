//! What is read when a scrape asks: the engine, the process, and what is open now.

use std::time::{Duration, UNIX_EPOCH};

use engine::{EngineFill, EngineStats, JournalStats, Limits, RedisStats};
use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{histogram::ReadHistogram, process::Process};
use crate::{descriptors::Descriptors, logging};

/// What is read for one scrape.
pub struct Sample<'a> {
    /// The engine's numbers.
    pub engine: EngineStats,
    /// The engine's limits.
    pub limits: &'a Limits,
    /// The connections.
    pub descriptors: &'a Descriptors,
    /// Event streams that are open, and how many may be.
    pub event_streams: (u64, u64),
    /// Requests that wait for an acknowledgement.
    pub waiting_requests: u64,
    /// Messages that expired since the start.
    pub expired_messages: u64,
}

/// Registers metrics that do not change any more.
struct Samples<'a>(&'a mut Registry);

impl Samples<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.0.register(name, help, ConstGauge::new(value));
    }

    fn ratio(&mut self, name: &str, help: &str, value: f64) {
        self.0.register(name, help, ConstGauge::new(value));
    }

    fn seconds(&mut self, name: &str, help: &str, value: Duration) {
        self.ratio(name, help, value.as_secs_f64());
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.0.register(name, help, ConstCounter::new(value));
    }
}

impl Sample<'_> {
    /// The metrics of the sample.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        self.add_process(&mut Samples(registry.sub_registry_with_prefix("process")));
        let mut ours = Samples(registry.sub_registry_with_prefix("connectsocket"));
        self.add_open(&mut ours);
        ours.counter(
            "log_lines_dropped",
            "Log lines dropped because nothing read the log",
            logging::dropped_lines(),
        );
        let serves = "Whether the engine serves operations: 1, or 0";
        ours.gauge("engine_up", serves, self.engine.serves.into());
        self.add_limits(&mut ours);
        if let Some(fill) = &self.engine.fill {
            add_fill(&mut ours, fill);
        }
        if let Some(journal) = &self.engine.journal {
            add_journal(&mut ours, journal);
        }
        if let Some(redis) = &self.engine.redis {
            add_redis(&mut ours, redis);
        }
        registry
    }

    fn add_process(&self, samples: &mut Samples<'_>) {
        let process = Process::read();
        let cpu = ConstCounter::new(process.cpu_seconds);
        samples.0.register("cpu_seconds", "CPU time, user and system", cpu);
        if let Some(bytes) = process.resident_bytes {
            samples.gauge("resident_memory_bytes", "Resident memory", bytes);
        }
        if let Some(open) = process.open_descriptors {
            samples.gauge("open_fds", "Open file descriptors", open);
        }
        let limit = self.descriptors.limit() as u64;
        samples.gauge("max_fds", "Most file descriptors that may be open", limit);
    }

    fn add_open(&self, samples: &mut Samples<'_>) {
        let (connections, room) = (self.descriptors.connections(), self.descriptors.room());
        samples.gauge("connections", "Open connections", connections as u64);
        let most = "Most connections that are served at once";
        samples.gauge("connections_limit", most, room as u64);
        let (streams, limit) = self.event_streams;
        samples.gauge("event_streams", "Open event streams", streams);
        samples.gauge("event_streams_limit", "Most event streams that may be open", limit);
        let waiting = "Requests that wait for an acknowledgement";
        samples.gauge("acknowledgement_waits", waiting, self.waiting_requests);
        let expired = "Messages that expired in their outbox";
        samples.counter("messages_expired", expired, self.expired_messages);
    }

    fn add_limits(&self, samples: &mut Samples<'_>) {
        let limits = self.limits;
        samples.gauge("devices_limit", "Most devices that are known", limits.devices as u64);
        let most = "Most bytes of events, kept and reserved";
        samples.gauge("event_bytes_limit", most, limits.event_bytes as u64);
        samples.seconds("event_ttl_seconds", "How long an event is kept", limits.event_ttl);
    }
}

fn add_fill(samples: &mut Samples<'_>, fill: &EngineFill) {
    for (name, help, value) in [
        ("devices", "Devices that are known", fill.devices),
        ("devices_connected", "Devices with a socket", fill.connected),
        ("outbox_messages", "Messages in all outboxes", fill.queued_messages),
        ("events", "Events that are kept", fill.events),
        ("event_bytes", "Bytes of the events that are kept", fill.event_bytes),
        ("event_reserved_bytes", "Bytes reserved for events to come", fill.reserved_bytes),
    ] {
        samples.gauge(name, help, value);
    }
    let oldest = Duration::from_millis(fill.oldest_event.unwrap_or_default());
    let age = "Age of the oldest event that is not released; 0 without one";
    samples.seconds("event_oldest_age_seconds", age, oldest);
}

fn add_journal(samples: &mut Samples<'_>, journal: &JournalStats) {
    for (name, help, value) in [
        ("journal_file_bytes", "Bytes of the journal's files", journal.file_bytes),
        ("journal_entry_bytes", "Bytes of the journal that are needed", journal.entry_bytes),
        ("journal_state_bytes", "Bytes of the state, as last counted", journal.state_bytes),
        ("journal_waiting_entries", "Entries that wait for a commit", journal.waiting_entries),
        ("journal_waiting_bytes", "Bytes of the entries that wait", journal.waiting_bytes),
    ] {
        samples.gauge(name, help, value);
    }
    let commits = ReadHistogram(journal.commits.clone());
    samples.0.register("journal_commit_duration_seconds", "Time that a commit takes", commits);
    let running = journal.compaction.is_some();
    let whether = "Whether a compaction is under way: 1, or 0";
    samples.gauge("journal_compaction_running", whether, running.into());
    let progress = "How far the compaction under way is; 0 without one";
    let share = journal.compaction.unwrap_or_default();
    samples.ratio("journal_compaction_progress_ratio", progress, share);
    samples.counter("journal_compactions", "Compactions that ended", journal.compactions);
    let last = journal.last_compaction;
    let ended = last.and_then(|last| last.ended.duration_since(UNIX_EPOCH).ok());
    samples.seconds(
        "journal_last_compaction_timestamp_seconds",
        "End of the last compaction, Unix time; 0 without one",
        ended.unwrap_or_default(),
    );
    samples.seconds(
        "journal_last_compaction_duration_seconds",
        "Time that the last compaction took",
        last.map_or(Duration::ZERO, |last| last.took),
    );
}

fn add_redis(samples: &mut Samples<'_>, redis: &RedisStats) {
    let connected = "Whether there is a connection to Redis, for each partition: 1, or 0";
    samples.gauge("redis_connected", connected, redis.connected.into());
    let partitions = "Partitions over which devices are spread";
    samples.gauge("redis_partitions", partitions, redis.partitions);
    let connected = "Partitions to which there is a connection";
    samples.gauge("redis_partitions_connected", connected, redis.partitions_connected);
    samples.counter("redis_connects", "Connections made to Redis", redis.connects);
    let calls = ReadHistogram(redis.calls.clone());
    samples.0.register("redis_call_duration_seconds", "Time that Redis takes to answer", calls);
    let failed = "Calls that Redis refused or did not answer";
    samples.counter("redis_calls_failed", failed, redis.failed_calls);
    samples.seconds("redis_lease_seconds", "The lease of this gateway", redis.lease);
    let remaining = "How much of the lease is left";
    samples.seconds("redis_lease_remaining_seconds", remaining, redis.lease_remaining);
}
