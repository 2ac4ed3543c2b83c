//! The metrics of a gateway, read as Prometheus would.

use std::collections::BTreeMap;

use crate::{Gateway, Operator, gateway::eventually};

/// What one scrape found.
#[derive(Debug, Clone)]
pub struct Metrics {
    text: String,
    /// The values by name and labels, as they are written.
    series: BTreeMap<String, f64>,
}

impl Metrics {
    /// Scrapes a gateway with the operator's key.
    ///
    /// # Panics
    /// When it refuses, or writes a line that is none.
    #[must_use]
    pub fn of(gateway: &Gateway) -> Self {
        let answer = Operator::of(gateway).call("GET", "/metrics").send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self { series: series.collect(), text }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of a series of ours, by its name without `connectsocket_` and its labels; `None` where
    /// there is none.
    #[must_use]
    pub fn get(&self, series: &str) -> Option<f64> {
        self.series.get(&format!("connectsocket_{series}")).copied()
    }

    /// The value of a series that is there.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn value(&self, series: &str) -> f64 {
        self.get(series).unwrap_or_else(|| panic!("{series} in {}", self.text))
    }

    /// The names and types of all families, with the suffix that a query needs.
    #[must_use]
    pub fn families(&self) -> BTreeMap<String, String> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types
            .filter_map(|line| line.split_once(' '))
            .map(|(name, kind)| match kind {
                "counter" => (format!("{name}_total"), kind.to_owned()),
                "info" => (format!("{name}_info"), kind.to_owned()),
                _ => (name.to_owned(), kind.to_owned()),
            })
            .collect()
    }

    /// Waits until series have these values.
    ///
    /// # Panics
    /// When they do not get them.
    pub fn become_equal(gateway: &Gateway, expected: &[(&str, u64)]) {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let differ = |metrics: &Self| {
            let expected = expected
                .iter()
                .filter(|(name, value)| (metrics.value(name) - *value as f64).abs() > f64::EPSILON);
            expected.map(|(name, _)| (*name, metrics.value(name))).collect::<Vec<_>>()
        };
        let mut last = Vec::new();
        eventually(&format!("the metrics are {expected:?}"), || {
            last = differ(&Self::of(gateway));
            last.is_empty()
        });
    }
}
