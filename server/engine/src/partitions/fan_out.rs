//! Asks every partition at a time.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Partition, Partitioned};
use crate::{EngineError, HistogramStats, RedisStats};

impl Partitioned {
    /// Asks every partition; returns the answers in the order in which they come.
    pub(super) fn ask_all<T: Send + 'static, F>(
        &self,
        ask: impl Fn(usize, Arc<Partition>) -> F,
    ) -> JoinSet<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut answers = JoinSet::new();
        for (number, partition) in self.partitions.iter().enumerate() {
            answers.spawn(ask(number, Arc::clone(partition)));
        }
        answers
    }
}

/// The next answer; `None` after the last.
pub(super) async fn next<T: Send + 'static>(
    answers: &mut JoinSet<T>,
) -> Option<Result<T, EngineError>> {
    let answer = answers.join_next().await?;
    Some(answer.map_err(|_| EngineError::Unavailable))
}

/// The numbers of several connections in one: they count as one where all of them are there.
pub(super) fn sum(all: Vec<RedisStats>) -> Option<RedisStats> {
    all.into_iter().reduce(|one, other| RedisStats {
        connected: one.connected && other.connected,
        connects: one.connects + other.connects,
        calls: sum_of_histograms(&one.calls, &other.calls),
        failed_calls: one.failed_calls + other.failed_calls,
        lease: one.lease,
        lease_remaining: one.lease_remaining.min(other.lease_remaining),
        partitions: one.partitions + other.partitions,
        partitions_connected: one.partitions_connected + other.partitions_connected,
    })
}

/// Of two histograms with the same bounds.
fn sum_of_histograms(one: &HistogramStats, other: &HistogramStats) -> HistogramStats {
    let buckets = one.buckets.iter().zip(&other.buckets);
    HistogramStats {
        buckets: buckets.map(|(one, other)| (one.0, one.1 + other.1)).collect(),
        above: one.above + other.above,
        sum: one.sum + other.sum,
    }
}
