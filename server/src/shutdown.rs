//! The shutdown: signals, then the sockets drain, then the requests.

use std::{io, time::Duration};

use actix_web::{
    dev::ServerHandle,
    rt::{
        signal::unix::{Signal, SignalKind, signal},
        time,
    },
};
use tokio::time::{Instant, timeout_at};

use crate::{service_manager, state::Gateway};

/// How many sockets are closed at a time, and the pause between two batches: clients that come back
/// at once do so spread over time.
const DRAIN_BATCH: (usize, Duration) = (500, Duration::from_millis(50));

/// The pause between two checks whether all connections are closed.
const CLOSED_INTERVAL: Duration = Duration::from_millis(5);

/// SIGTERM, SIGINT (ctrl-c) and SIGHUP (the terminal closes). SIGHUP stays ignored in a process that
/// is started so, as `nohup` does.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The operating system refuses the handlers.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether the process was started with SIGHUP ignored. Installing a handler would undo that.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = SignalKind::hangup().as_raw_value() - 1;
    ignored.is_some_and(|mask| mask & (1 << bit) != 0)
}

/// Waits for a signal, then shuts down within `--drain-timeout`: first the sockets, then the
/// requests. A second signal ends the wait at once.
pub async fn on_signal(mut signals: Signals, gateway: &Gateway, server: &ServerHandle) {
    signals.next().await;
    tracing::info!("draining");
    service_manager::stopping(gateway.config.http.drain_timeout);
    gateway.drain();
    let deadline = Instant::now() + gateway.config.http.drain_timeout;
    let gracefully = async {
        let _ = timeout_at(deadline, drain_sockets(gateway)).await;
        gateway.ending.cancel();
        // Nothing is accepted from here on. actix looks only once a second whether it has finished.
        let stopped = timeout_at(deadline, server.stop(true));
        tokio::select! { _ = stopped => {}, () = connections_closed(gateway) => {} }
    };
    tokio::select! { () = gracefully => {}, () = signals.next() => {} }
}

async fn connections_closed(gateway: &Gateway) {
    while gateway.descriptors.connections() > 0 {
        time::sleep(CLOSED_INTERVAL).await;
    }
}

async fn drain_sockets(gateway: &Gateway) {
    let (batch, pause) = DRAIN_BATCH;
    while !gateway.registry.is_empty() {
        gateway.registry.drain_some(batch);
        time::sleep(pause).await;
    }
}
