//! What is counted, for Prometheus. Labels come from closed lists only, so their number is bounded.

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

use crate::{descriptors::Descriptors, websocket::close_code::CloseCode};

/// The media type of the exposition.
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

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    problems: Family<ProblemType, Counter>,
    duration: Histogram,
    sockets: Gauge<i64, AtomicI64>,
    closed: Family<Code, Counter>,
}

impl Metrics {
    /// Metrics that all stand at zero.
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
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register("http_problems", "Requests refused", self.problems.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's head to its answer",
            self.duration.clone(),
        );
        registry.register("sockets", "Open sockets", self.sockets.clone());
        registry.register("sockets_closed", "Sockets closed by the gateway", self.closed.clone());
        registry.register_collector(Box::new(DescriptorCollector(descriptors)));
        self
    }

    /// Counts an answer.
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

    /// Counts a connection that was refused before it asked for anything.
    pub fn turned_away(&self, r#type: &'static str) {
        self.problems.get_or_create(&ProblemType { r#type }).inc();
    }

    /// Counts an open socket.
    pub fn socket_opened(&self) {
        self.sockets.inc();
    }

    /// Counts a socket that is open no longer, by the code it was closed with, if it was.
    pub fn socket_closed(&self, code: Option<CloseCode>) {
        self.sockets.dec();
        if let Some(code) = code {
            self.closed.get_or_create(&Code { code: code.number() }).inc();
        }
    }

    /// The exposition.
    ///
    /// # Errors
    /// When a metric cannot be written as text, which none of these can cause.
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
        gauge("connections", "Connections held", self.0.connections())?;
        gauge("connections_limit", "Connections held at the most", self.0.room())
    }
}
