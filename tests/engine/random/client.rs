//! A prospect that follows the protocol.

use std::collections::BTreeMap;

use super::operation::{DEVICES, Device};

/// How many messages a client may have that were not accepted yet.
pub const UNACCEPTED: usize = 3;

/// A prospect's side of the conversation.
#[derive(Default)]
pub struct Client {
    /// Its socket, as far as it knows.
    pub connection: Option<String>,
    pub epoch: String,
    /// The last number that it processed in this epoch.
    pub processed: u64,
    /// Its messages that it does not know to be accepted, the oldest first: id and data.
    pub unaccepted: Vec<(String, String)>,
    /// How many of these it has sent on this socket.
    pub sent: usize,
}

impl Client {
    /// A socket opened. In a new epoch the client begins again.
    pub fn opened(&mut self, connection: &str, epoch: &str) {
        if self.epoch != epoch {
            *self = Self { epoch: epoch.to_owned(), ..Self::default() };
        }
        (self.connection, self.sent) = (Some(connection.to_owned()), 0);
    }

    /// What to send next: first the messages that were not sent again on this socket yet, then a new
    /// one, unless too many are unaccepted.
    pub fn next(&self) -> Next {
        match self.unaccepted.get(self.sent) {
            Some((id, data)) => Next::Again(id.clone(), data.clone()),
            None if self.unaccepted.len() < UNACCEPTED => Next::New,
            None => Next::Wait,
        }
    }
}

/// What a client may send next.
pub enum Next {
    /// A message that it sent before, on another socket.
    Again(String, String),
    New,
    /// Nothing, until it has answers.
    Wait,
}

/// One client for each device.
pub struct Clients(BTreeMap<Device, Client>);

impl Clients {
    pub fn new() -> Self {
        Self(DEVICES.map(|device| (device, Client::default())).into())
    }

    pub fn of(&mut self, device: &str) -> &mut Client {
        self.0.get_mut(device).expect("every device has a client")
    }

    /// Every socket is lost.
    pub fn lose_all(&mut self) {
        for client in self.0.values_mut() {
            client.connection = None;
        }
    }
}
