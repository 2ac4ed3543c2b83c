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

use crate::state::Gateway;

/// How many sockets are closed at a time, and the pause between two batches: clients that come back
/// at once do so spread over time.
const DRAIN_BATCH: (usize, Duration) = (500, Duration::from_millis(50));

/// SIGTERM and ctrl-c.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
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
        })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

/// Waits for a signal, then shuts down within `--drain-timeout`: first the sockets, then the
/// requests. A second signal ends the wait at once.
pub async fn on_signal(mut signals: Signals, gateway: &Gateway, server: &ServerHandle) {
    signals.next().await;
    tracing::info!("draining");
    gateway.drain();
    let deadline = Instant::now() + gateway.config.http.drain_timeout;
    let gracefully = async {
        let _ = timeout_at(deadline, drain_sockets(gateway)).await;
        gateway.ending.cancel();
        let _ = timeout_at(deadline, server.stop(true)).await;
    };
    tokio::select! { () = gracefully => {}, () = signals.next() => {} }
}

async fn drain_sockets(gateway: &Gateway) {
    let (batch, pause) = DRAIN_BATCH;
    while !gateway.registry.is_empty() {
        gateway.registry.drain_some(batch);
        time::sleep(pause).await;
    }
}
