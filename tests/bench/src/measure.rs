//! What one round of one server gives, and what the rounds give together.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{process::Server, redis::RedisServer};

/// One round.
#[derive(Clone, Copy, Default)]
pub struct Measured {
    /// Exchanges per second.
    pub rate: f64,
    /// The server's CPU time for each, in microseconds.
    pub cpu: f64,
    /// Microseconds that half of them took at most, and 99 of 100.
    pub p50: f64,
    pub p99: f64,
    /// KiB for each idle socket, where that is measured.
    pub memory: f64,
    /// The CPU time of Redis for each, in microseconds, and its calls of functions, where there is a Redis.
    pub redis: f64,
    pub calls: f64,
}

/// What a window of time took.
#[derive(Clone, Copy, Default)]
pub struct Used {
    /// The server's CPU time.
    pub cpu: Duration,
    /// The CPU time of Redis, and its calls of functions.
    pub redis: Duration,
    pub calls: usize,
}

/// Counts the exchanges between two points in time.
pub struct Window {
    pub begin: Instant,
    pub end: Instant,
    latencies: Vec<u32>,
}

impl Window {
    pub fn new(begin: Instant, time: Duration) -> Self {
        Self { begin, end: begin + time, latencies: Vec::with_capacity(1 << 20) }
    }

    /// Counts an exchange that began at `started` and ends now. Returns the time now.
    pub fn count(&mut self, started: Instant) -> Instant {
        let now = Instant::now();
        if started >= self.begin && now <= self.end {
            let took = (now - started).as_nanos();
            self.latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
        }
        now
    }

    /// What was counted, while so much was used.
    #[expect(clippy::cast_precision_loss, reason = "a count of exchanges is small")]
    pub fn measured(mut self, used: Used) -> Measured {
        self.latencies.sort_unstable();
        let count = self.latencies.len();
        let at = |share: usize| {
            let at = (count * share / 100).min(count.saturating_sub(1));
            self.latencies.get(at).map_or(0.0, |nanos| f64::from(*nanos) / 1000.0)
        };
        let each = |figure: f64| figure / (count.max(1) as f64);
        Measured {
            rate: count as f64 / (self.end - self.begin).as_secs_f64(),
            cpu: each(used.cpu.as_secs_f64() * 1e6),
            p50: at(50),
            p99: at(99),
            memory: 0.0,
            redis: each(used.redis.as_secs_f64() * 1e6),
            calls: each(used.calls as f64),
        }
    }
}

/// What a server and its Redis use between two points in time.
pub async fn used_between(
    server: &Server,
    redis: Option<&RedisServer>,
    begin: Instant,
    end: Instant,
) -> io::Result<Used> {
    let used = || -> io::Result<Used> {
        Ok(Used {
            cpu: server.cpu(),
            redis: redis.map(RedisServer::cpu).unwrap_or_default(),
            calls: redis.map(RedisServer::calls).transpose()?.unwrap_or_default(),
        })
    };
    tokio::time::sleep_until(begin.into()).await;
    let before = used()?;
    tokio::time::sleep_until(end.into()).await;
    let after = used()?;
    Ok(Used {
        cpu: after.cpu.saturating_sub(before.cpu),
        redis: after.redis.saturating_sub(before.redis),
        calls: after.calls - before.calls,
    })
}

/// The median of each figure.
pub fn median(rounds: &[Measured]) -> Measured {
    let of = |figure: fn(&Measured) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(0.0)
    };
    Measured {
        rate: of(|it| it.rate),
        cpu: of(|it| it.cpu),
        p50: of(|it| it.p50),
        p99: of(|it| it.p99),
        memory: of(|it| it.memory),
        redis: of(|it| it.redis),
        calls: of(|it| it.calls),
    }
}
