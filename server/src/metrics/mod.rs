//! The metrics for Prometheus. Labels come from closed lists only, which bounds their number.
//!
//! What happens is counted where it happens, by atomic additions. What merely is, such as how full the
//! event stream is, is read when a scrape asks: see `sample`. `docs/monitoring.md` lists them all.

mod exposition;
mod histogram;
mod process;
mod sample;

use std::{
    fmt,
    sync::atomic::{AtomicI64, AtomicU64},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

pub use self::{exposition::Form, sample::Sample};
use self::{
    exposition::exposition,
    histogram::{LiveHistogram, Scale},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemType {
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

/// How many of something there were, and their bytes.
#[derive(Default)]
pub struct Traffic {
    count: Counter<u64, AtomicU64>,
    bytes: Counter<u64, AtomicU64>,
}

impl Traffic {
    /// Counts one.
    pub fn add(&self, bytes: usize) {
        self.add_all(1, bytes);
    }

    /// Counts several, of so many bytes together.
    pub fn add_all(&self, count: usize, bytes: usize) {
        self.count.inc_by(count as u64);
        self.bytes.inc_by(bytes as u64);
    }

    fn register(&self, registry: &mut Registry, name: &str, what: &str) {
        registry.register(name, what, self.count.clone());
        registry.register(format!("{name}_bytes"), format!("{what}: bytes"), self.bytes.clone());
    }
}

/// The metrics of the process. They take numbers and labels, and know no other module's types.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    problems: Family<ProblemType, Counter>,
    duration: LiveHistogram,
    sockets: Gauge<i64, AtomicI64>,
    opened: Counter,
    closed: Family<Code, Counter>,
    /// Messages of the operator that were put into an outbox.
    pub queued: Traffic,
    /// Messages of the operator that were written to a socket, repeats included.
    pub written: Traffic,
    /// Messages of the operator that were written to a socket and acknowledged on it.
    pub acknowledged: Traffic,
    /// Messages of prospects that were answered with `accepted`.
    pub accepted: Traffic,
    /// Events that were written to event streams, repeats included.
    pub events_written: Traffic,
    outbox_fill: LiveHistogram,
    acknowledgement: LiveHistogram,
}

impl Metrics {
    /// Metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let micros = |first, buckets| LiveHistogram::of_durations(first, buckets);
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            problems: Family::default(),
            // From 50 microseconds to 1.6 seconds.
            duration: micros(Duration::from_micros(50), 16),
            sockets: Gauge::default(),
            opened: Counter::default(),
            closed: Family::default(),
            queued: Traffic::default(),
            written: Traffic::default(),
            acknowledged: Traffic::default(),
            accepted: Traffic::default(),
            events_written: Traffic::default(),
            outbox_fill: LiveHistogram::new([10, 100, 250, 500, 750, 900, 1000], Scale::PerMille),
            // From 1 millisecond to 131 seconds.
            acknowledgement: micros(Duration::from_millis(1), 18),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let mut registry = std::mem::take(&mut self.registry);
        let ours = registry.sub_registry_with_prefix("connectsocket");
        let version = vec![
            ("version", env!("CONNECT_SOCKET_VERSION")),
            ("rustc", env!("CONNECT_SOCKET_RUSTC")),
        ];
        ours.register("build", "The program that runs", Info::new(version));
        ours.register(
            "http_requests",
            "Requests answered, by route and status",
            self.requests.clone(),
        );
        ours.register("http_problems", "Requests refused, by problem type", self.problems.clone());
        ours.register(
            "http_request_duration_seconds",
            "Time from the head of a request to its response",
            self.duration.clone(),
        );
        ours.register("sockets", "Open sockets", self.sockets.clone());
        ours.register("sockets_opened", "Sockets opened", self.opened.clone());
        ours.register(
            "sockets_closed",
            "Sockets closed by the gateway, by close code",
            self.closed.clone(),
        );
        for (traffic, name, what) in [
            (&self.queued, "messages_queued", "Messages put into an outbox"),
            (&self.written, "messages_written", "Messages written to a socket"),
            (&self.acknowledged, "messages_acknowledged", "Messages acknowledged on a socket"),
            (&self.accepted, "messages_accepted", "Messages of prospects accepted"),
            (&self.events_written, "events_written", "Events written to an event stream"),
        ] {
            traffic.register(ours, name, what);
        }
        ours.register(
            "message_acknowledgement_seconds",
            "Time from a message written to a socket to its acknowledgement",
            self.acknowledgement.clone(),
        );
        ours.register(
            "outbox_fill_ratio",
            "How full the outbox of a device is with each message put into it",
            self.outbox_fill.clone(),
        );
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start: Gauge<f64, AtomicU64> = Gauge::default();
        start.set(started.as_secs_f64());
        registry.register("process_start_time_seconds", "Start of the process, Unix time", start);
        Self { registry, ..self }
    }

    /// Counts a response, its problem type if it has one, and the time it took.
    pub fn answered(
        &self,
        route: &str,
        status: u16,
        problem: Option<&'static str>,
        took: Duration,
    ) {
        self.requests.get_or_create(&Request { route: route.to_owned(), status }).inc();
        if let Some(r#type) = problem {
            self.problems.get_or_create(&ProblemType { r#type }).inc();
        }
        self.duration.observe_duration(took);
    }

    /// Counts a connection that was refused before its first request.
    pub fn turned_away(&self, r#type: &'static str) {
        self.problems.get_or_create(&ProblemType { r#type }).inc();
    }

    /// Counts an open socket.
    pub fn socket_opened(&self) {
        self.sockets.inc();
        self.opened.inc();
    }

    /// Counts the end of a socket, by the close code if the gateway gave one.
    pub fn socket_closed(&self, code: Option<u16>) {
        self.sockets.dec();
        if let Some(code) = code {
            self.closed.get_or_create(&Code { code }).inc();
        }
    }

    /// Counts a message that was put into an outbox, which is now full to so many thousandths.
    pub fn message_queued(&self, bytes: usize, per_mille: u64) {
        self.queued.add(bytes);
        self.outbox_fill.observe(per_mille);
    }

    /// Counts a message that was acknowledged so long after it was written.
    pub fn message_acknowledged(&self, bytes: usize, after: Duration) {
        self.acknowledged.add(bytes);
        self.acknowledgement.observe_duration(after);
    }

    /// The metrics and what was read for this scrape, as text.
    ///
    /// # Errors
    /// When a metric cannot be written as text, which happens to none of these.
    pub fn exposition(&self, sample: &Sample<'_>, form: Form) -> Result<String, fmt::Error> {
        exposition(&[&self.registry, &sample.registry()], form)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
