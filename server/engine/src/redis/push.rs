//! Routes notifications to the gateway: those that come with a reply, and those that another gateway
//! causes and Redis pushes through this gateway's channel.

use std::{convert::Infallible, sync::Arc};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{local_sockets::LocalSockets, protocol::Notification};
use crate::{ConnectionId, EndReason, EngineListener};

/// Passes notifications to the listener.
pub struct PushRouter {
    pub(super) listener: Arc<dyn EngineListener>,
    /// The partition that the notifications are of.
    partition: usize,
    pub(super) local_sockets: LocalSockets,
    /// How many heartbeats came through the channel.
    heartbeats: watch::Sender<u64>,
}

impl PushRouter {
    /// A router of a partition's notifications, with no sockets.
    pub fn new(listener: Arc<dyn EngineListener>, partition: usize) -> Self {
        let heartbeats = watch::Sender::new(0);
        Self { listener, partition, local_sockets: LocalSockets::default(), heartbeats }
    }

    /// Changes with each heartbeat that comes through the channel.
    pub fn heartbeats(&self) -> watch::Receiver<u64> {
        self.heartbeats.subscribe()
    }

    /// The handler for what Redis pushes on a connection. It cancels `closed` when the connection
    /// ends.
    pub fn push_handler(
        self: &Arc<Self>,
        closed: CancellationToken,
    ) -> impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static {
        let router = Arc::clone(self);
        move |push| {
            match (push.kind, push.data.as_slice()) {
                (PushKind::SMessage, [_, Value::BulkString(message)]) => {
                    router.route_all(message);
                }
                (PushKind::Disconnection, _) => closed.cancel(),
                _ => {}
            }
            Ok(())
        }
    }

    /// Passes on notifications, one a line.
    pub fn route_all(&self, notifications: &[u8]) {
        let lines = notifications.split(|byte| *byte == b'\n');
        lines.filter(|line| !line.is_empty()).for_each(|line| self.route(line));
    }

    fn route(&self, notification: &[u8]) {
        match Notification::read(notification) {
            Some(Notification::Heartbeat) => {
                self.heartbeats.send_modify(|heartbeats| *heartbeats = heartbeats.wrapping_add(1));
            }
            Some(Notification::EventsAppended) => {
                self.listener.events_appended(self.partition);
            }
            Some(Notification::MessagesSettled { device }) => {
                self.listener.messages_settled(device);
            }
            Some(Notification::MessageQueued { connection }) => {
                self.message_queued(&ConnectionId(connection.into()));
            }
            Some(Notification::MessagesExpired { count }) => {
                self.listener.messages_expired(count);
            }
            Some(Notification::EndSocket { reason, connection }) => {
                self.end(&ConnectionId(connection.into()), reason);
            }
            None => tracing::warn!("Redis pushed a notification of an unknown kind"),
        }
    }

    /// A message was queued for a connection.
    pub fn message_queued(&self, connection: &ConnectionId) {
        self.local_sockets.may_have_messages(connection);
        self.listener.message_queued(connection);
    }

    /// Ends a connection that is not its device's socket any more.
    pub fn end(&self, connection: &ConnectionId, reason: EndReason) {
        self.local_sockets.remove(connection);
        self.listener.end(connection, reason);
    }

    /// Ends every connection, because the lease of this gateway is over.
    pub fn end_all(&self) {
        for (connection, _) in self.local_sockets.all() {
            self.end(&connection, EndReason::LeaseExpired);
        }
    }
}
