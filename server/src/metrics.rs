//! The metrics for Prometheus. Labels come from closed lists only, which bounds their number.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::descriptors::Descriptors;

/// The media type of the `OpenMetrics` text format.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

/// The metrics of the process. They take numbers and labels, and know no other module's types.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    problems: Family<ProblemType, Counter>,
    duration: Histogram,
    sockets: Gauge<i64, AtomicI64>,
    closed: Family<Code, Counter>,
}

impl Metrics {
    /// Metrics at zero, and gauges of `descriptors`.
    #[must_use]
    pub fn new(descriptors: Arc<Descriptors>) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            problems: Family::default(),
            // 16 buckets from 50 microseconds to 1.6 seconds.
            duration: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            sockets: Gauge::default(),
            closed: Family::default(),
        };
        metrics.registered(descriptors)
    }

    fn registered(mut self, descriptors: Arc<Descriptors>) -> Self {
        let registry = self.registry.sub_registry_with_prefix("connectsocket");
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            self.requests.clone(),
        );
        registry.register(
            "http_problems",
            "Requests refused, by problem type",
            self.problems.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time from the head of a request to its response",
            self.duration.clone(),
        );
        registry.register("sockets", "Open sockets", self.sockets.clone());
        registry.register(
            "sockets_closed",
            "Sockets closed by the gateway, by close code",
            self.closed.clone(),
        );
        registry.register_collector(Box::new(DescriptorCollector(descriptors)));
        self
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
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts a connection that was refused before its first request.
    pub fn turned_away(&self, r#type: &'static str) {
        self.problems.get_or_create(&ProblemType { r#type }).inc();
    }

    /// Counts an open socket.
    pub fn socket_opened(&self) {
        self.sockets.inc();
    }

    /// Counts the end of a socket, by the close code if the gateway gave one.
    pub fn socket_closed(&self, code: Option<u16>) {
        self.sockets.dec();
        if let Some(code) = code {
            self.closed.get_or_create(&Code { code }).inc();
        }
    }

    /// The metrics in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text, which happens to none of these.
    pub fn exposition(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct DescriptorCollector(Arc<Descriptors>);

impl Collector for DescriptorCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name, help, value: usize| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        gauge("connections", "Open connections", self.0.connections())?;
        gauge("connections_limit", "Most connections that are served at once", self.0.room())
    }
}
