//! Histograms of whole numbers as Prometheus reads them: in seconds, or as a ratio.

use std::{fmt, sync::Arc, time::Duration};

use engine::{Histogram, HistogramStats};
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

/// What a histogram's whole numbers are parts of.
#[derive(Debug, Clone, Copy)]
pub enum Scale {
    /// Microseconds, shown in seconds.
    Micros,
    /// Thousandths of the whole.
    PerMille,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "a sum of 285 years is exact enough")]
    fn shown(self, number: u64) -> f64 {
        match self {
            Self::Micros => number as f64 / 1e6,
            Self::PerMille => number as f64 / 1e3,
        }
    }
}

/// A histogram that counts.
#[derive(Debug, Clone)]
pub struct LiveHistogram {
    histogram: Arc<Histogram>,
    scale: Scale,
}

impl LiveHistogram {
    /// One with these upper bounds, in rising order.
    pub fn new(bounds: impl IntoIterator<Item = u64>, scale: Scale) -> Self {
        Self { histogram: Arc::new(Histogram::new(bounds)), scale }
    }

    /// One of durations, with `buckets` bounds that double from `first` on.
    pub fn of_durations(first: Duration, buckets: u32) -> Self {
        let histogram = Arc::new(Histogram::of_durations(first, buckets));
        Self { histogram, scale: Scale::Micros }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        self.histogram.observe(value);
    }

    /// Counts a duration.
    pub fn observe_duration(&self, duration: Duration) {
        self.histogram.observe_duration(duration);
    }
}

impl EncodeMetric for LiveHistogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encode(&self.histogram.stats(), self.scale, encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// What a histogram of durations had counted when it was read.
#[derive(Debug, Clone)]
pub struct ReadHistogram(pub HistogramStats);

impl EncodeMetric for ReadHistogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encode(&self.0, Scale::Micros, encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn encode(
    stats: &HistogramStats,
    scale: Scale,
    mut encoder: MetricEncoder<'_>,
) -> Result<(), fmt::Error> {
    let bounds = stats.buckets.iter().map(|(bound, count)| (scale.shown(*bound), *count));
    let buckets: Vec<_> = bounds.chain([(f64::INFINITY, stats.above)]).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(scale.shown(stats.sum), count, &buckets, None)
}
