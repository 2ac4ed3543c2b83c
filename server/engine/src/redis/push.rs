//! What a gateway is told: with the answer to a call, or by its channel when another gateway did it.

use std::{convert::Infallible, sync::Arc};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    super::{ConnectionId, EndReason, EngineListener},
    event,
    local_sockets::LocalSockets,
};

/// Passes on what it is told.
pub struct PushRouter {
    pub(super) sockets: Arc<dyn EngineListener>,
    /// The connections that are the sockets of their devices.
    pub(super) held: LocalSockets,
    /// Counts what came through the channel to show that it is not silent.
    signs: watch::Sender<u64>,
}

impl PushRouter {
    /// Passes on to `sockets`.
    pub fn new(sockets: Arc<dyn EngineListener>) -> Self {
        Self { sockets, held: LocalSockets::default(), signs: watch::Sender::new(0) }
    }

    /// Changes with each sign of life from the channel.
    pub fn signs(&self) -> watch::Receiver<u64> {
        self.signs.subscribe()
    }

    /// What takes the messages of a connection's channel; `over` is told when the connection ends.
    pub fn listener(
        self: &Arc<Self>,
        over: CancellationToken,
    ) -> impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static {
        let hearing = Arc::clone(self);
        move |push| {
            match (push.kind, push.data.as_slice()) {
                (PushKind::Message, [_, Value::BulkString(message)]) => {
                    for what in message.split(|byte| *byte == b'\n') {
                        hearing.hear(what);
                    }
                }
                (PushKind::Disconnection, _) => over.cancel(),
                _ => {}
            }
            Ok(())
        }
    }

    /// Passes on one thing.
    pub fn hear(&self, what: &[u8]) {
        let Ok(what) = std::str::from_utf8(what) else { return };
        match what.split_once(' ') {
            None if what == "p" => self.signs.send_modify(|signs| *signs = signs.wrapping_add(1)),
            None if what == "e" => self.sockets.events_appended(),
            Some(("a", device)) => self.sockets.messages_acknowledged(device),
            Some(("q", connection)) => {
                self.sockets.message_queued(&ConnectionId(connection.into()));
            }
            Some(("x", ended)) => {
                if let Some((word, connection)) = ended.split_once(' ') {
                    let reason = event::reason(word).unwrap_or(EndReason::LeaseExpired);
                    self.end(&ConnectionId(connection.into()), reason);
                }
            }
            _ => tracing::warn!(what, "a wake-up that is not known"),
        }
    }

    /// The connection is not its device's socket any more, for this reason.
    pub fn end(&self, connection: &ConnectionId, reason: EndReason) {
        self.held.remove(connection);
        self.sockets.end(connection, reason);
    }

    /// No connection is its device's socket any more.
    pub fn lose_all(&self) {
        for (connection, _) in self.held.all() {
            self.end(&connection, EndReason::LeaseExpired);
        }
    }
}
