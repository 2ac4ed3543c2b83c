//! What a step must notify the gateway of, held back until the step's changes are committed.

use std::sync::Arc;

use crate::{ConnectionId, EndReason, EngineListener};

/// Notifications in their order.
#[derive(Default)]
pub struct Notifications(Vec<Notification>);

enum Notification {
    End(ConnectionId, EndReason),
    MessageQueued(ConnectionId),
    MessagesAcknowledged(Arc<str>),
    EventsAppended,
}

impl Notifications {
    pub fn end(&mut self, connection: &ConnectionId, reason: EndReason) {
        self.0.push(Notification::End(connection.clone(), reason));
    }

    pub fn message_queued(&mut self, connection: &ConnectionId) {
        self.0.push(Notification::MessageQueued(connection.clone()));
    }

    pub fn messages_acknowledged(&mut self, device: &Arc<str>) {
        self.0.push(Notification::MessagesAcknowledged(Arc::clone(device)));
    }

    pub fn events_appended(&mut self) {
        if !matches!(self.0.last(), Some(Notification::EventsAppended)) {
            self.0.push(Notification::EventsAppended);
        }
    }

    /// Delivers all notifications, in order.
    pub fn deliver(self, listener: &dyn EngineListener) {
        for notification in self.0 {
            match notification {
                Notification::End(connection, reason) => listener.end(&connection, reason),
                Notification::MessageQueued(connection) => listener.message_queued(&connection),
                Notification::MessagesAcknowledged(device) => {
                    listener.messages_acknowledged(&device);
                }
                Notification::EventsAppended => listener.events_appended(),
            }
        }
    }
}
