//! What a step must notify the gateway of, held back until the step's changes are committed.

use std::sync::Arc;

use crate::{ConnectionId, EndReason, EngineListener};

/// Notifications in their order.
#[derive(Default)]
pub struct Notifications {
    list: Vec<Notification>,
    expired_messages: u64,
}

#[derive(PartialEq, Eq)]
enum Notification {
    End(ConnectionId, EndReason),
    MessageQueued(ConnectionId),
    MessagesSettled(Arc<str>),
    EventsAppended,
}

impl Notifications {
    pub fn end(&mut self, connection: &ConnectionId, reason: EndReason) {
        self.list.push(Notification::End(connection.clone(), reason));
    }

    pub fn message_queued(&mut self, connection: &ConnectionId) {
        self.list.push(Notification::MessageQueued(connection.clone()));
    }

    pub fn messages_settled(&mut self, device: &Arc<str>) {
        self.push_once(Notification::MessagesSettled(Arc::clone(device)));
    }

    pub fn events_appended(&mut self) {
        self.push_once(Notification::EventsAppended);
    }

    pub const fn message_expired(&mut self) {
        self.expired_messages += 1;
    }

    /// Adds a notification, unless it is one of the last two: messages that expire together cause
    /// two in turns.
    fn push_once(&mut self, notification: Notification) {
        if !self.list.iter().rev().take(2).any(|last| *last == notification) {
            self.list.push(notification);
        }
    }

    /// Takes the notifications of a later step over.
    pub fn append(&mut self, later: &mut Self) {
        for notification in later.list.drain(..) {
            self.push_once(notification);
        }
        self.expired_messages += later.expired_messages;
    }

    /// Delivers all notifications, in order.
    pub fn deliver(self, listener: &dyn EngineListener) {
        for notification in self.list {
            match notification {
                Notification::End(connection, reason) => listener.end(&connection, reason),
                Notification::MessageQueued(connection) => listener.message_queued(&connection),
                Notification::MessagesSettled(device) => {
                    listener.messages_settled(&device);
                }
                Notification::EventsAppended => listener.events_appended(0),
            }
        }
        if self.expired_messages > 0 {
            listener.messages_expired(self.expired_messages);
        }
    }
}
