//! What a step has to say to whoever holds the sockets, kept until what the step did stands.

use std::{mem, sync::Arc};

use super::super::{ConnectionId, EndReason, EngineListener};

/// What is to be said, in order.
#[derive(Default)]
pub struct Notifications(Vec<Call>);

enum Call {
    End(ConnectionId, EndReason),
    Queued(ConnectionId),
    Acknowledged(Arc<str>),
    Happened,
}

impl Notifications {
    pub fn end(&mut self, connection: &ConnectionId, ending: EndReason) {
        self.0.push(Call::End(connection.clone(), ending));
    }

    pub fn queued(&mut self, connection: &ConnectionId) {
        self.0.push(Call::Queued(connection.clone()));
    }

    pub fn acknowledged(&mut self, device: &Arc<str>) {
        self.0.push(Call::Acknowledged(Arc::clone(device)));
    }

    pub fn events_appended(&mut self) {
        if !matches!(self.0.last(), Some(Call::Happened)) {
            self.0.push(Call::Happened);
        }
    }

    /// All that is to be said; nothing is left.
    pub fn take(&mut self) -> Self {
        Self(mem::take(&mut self.0))
    }

    /// Says it all.
    pub fn make(self, sockets: &dyn EngineListener) {
        for call in self.0 {
            match call {
                Call::End(connection, ending) => sockets.end(&connection, ending),
                Call::Queued(connection) => sockets.message_queued(&connection),
                Call::Acknowledged(device) => sockets.messages_acknowledged(&device),
                Call::Happened => sockets.events_appended(),
            }
        }
    }
}
