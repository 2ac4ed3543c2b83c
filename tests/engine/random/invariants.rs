//! What operators and prospects were promised, whatever the model says.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Event, EventData, Millis, Opened};

/// A message of the operator: its epoch and number.
type Numbered = (String, u64);

/// Checks every promise at the moment when it would be broken.
pub struct Invariants {
    /// How long a spent `halfRef` must not open again.
    half_ref_memory: Millis,
    /// The epoch of each record, by the model's number.
    epochs: BTreeMap<usize, String>,
    /// The device whose token last authorised a `halfRef`.
    authorised: BTreeMap<String, String>,
    /// When a `halfRef` last opened a socket.
    redeemed: BTreeMap<String, Millis>,
    /// The device of each connection that is open, by answers and notifications.
    open: BTreeMap<String, String>,
    /// The open connection of each device, by the events.
    connected: BTreeMap<String, String>,
    newest_event: u64,
    /// The messages that `send` answered for, with their data.
    sent: BTreeMap<Numbered, String>,
    processed: BTreeSet<Numbered>,
    /// The last number that was processed, by epoch.
    last_processed: BTreeMap<String, u64>,
    acknowledged: BTreeSet<Numbered>,
    expired: BTreeSet<Numbered>,
    /// The ids that each prospect sent, in order.
    said: BTreeMap<String, Vec<String>>,
    /// The ids that each prospect knows to be accepted.
    accepted: BTreeMap<String, BTreeSet<String>>,
    /// The ids of each device in the events, in order.
    read: BTreeMap<String, Vec<String>>,
}

impl Invariants {
    pub fn new(half_ref_memory: Millis) -> Self {
        Self {
            half_ref_memory,
            epochs: BTreeMap::new(),
            authorised: BTreeMap::new(),
            redeemed: BTreeMap::new(),
            open: BTreeMap::new(),
            connected: BTreeMap::new(),
            newest_event: 0,
            sent: BTreeMap::new(),
            processed: BTreeSet::new(),
            last_processed: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            expired: BTreeSet::new(),
            said: BTreeMap::new(),
            accepted: BTreeMap::new(),
            read: BTreeMap::new(),
        }
    }

    pub fn epoch_answered(&mut self, record: usize, epoch: &str) {
        let known = self.epochs.entry(record).or_insert_with(|| epoch.to_owned());
        assert_eq!(known, epoch, "a record keeps its epoch");
        let different: BTreeSet<_> = self.epochs.values().collect();
        assert_eq!(different.len(), self.epochs.len(), "every record has its own epoch");
    }

    pub fn authorised(&mut self, half_ref: &str, device: &str) {
        self.authorised.insert(half_ref.to_owned(), device.to_owned());
    }

    pub fn opened(&mut self, half_ref: &str, name: &str, opened: &Opened, now: Millis) {
        let device = opened.device.to_string();
        assert_eq!(
            self.authorised.get(half_ref),
            Some(&device),
            "a token opens the socket of its own device only"
        );
        if let Some(before) = self.redeemed.insert(half_ref.to_owned(), now) {
            assert!(before + self.half_ref_memory <= now, "a half ref opens once");
        }
        self.open.insert(name.to_owned(), device);
    }

    pub fn closed(&mut self, name: &str) {
        self.open.remove(name);
    }

    pub fn no_device_has_two_sockets(&self) {
        let devices: BTreeSet<_> = self.open.values().collect();
        assert_eq!(devices.len(), self.open.len(), "one socket per device: {:?}", self.open);
    }

    pub fn sent(&mut self, epoch: &str, seq: u64, data: String) {
        self.sent.entry((epoch.to_owned(), seq)).or_insert(data);
    }

    pub fn processed(&mut self, epoch: &str, seq: u64, data: &str) {
        let message = (epoch.to_owned(), seq);
        assert_eq!(self.sent.get(&message).map(String::as_str), Some(data), "delivered as sent");
        assert!(!self.expired.contains(&message), "{message:?} was delivered after it expired");
        let before = self.last_processed.insert(epoch.to_owned(), seq).unwrap_or_default();
        assert!(before < seq, "delivered in order");
        self.processed.insert(message);
    }

    pub fn acknowledged(&mut self, epoch: &str, seq: u64) {
        let messages = (1..=seq).map(|seq| (epoch.to_owned(), seq));
        let messages = messages.filter(|message| !self.expired.contains(message));
        self.acknowledged.extend(messages);
    }

    pub fn said(&mut self, device: &str, id: String) {
        self.said.entry(device.to_owned()).or_default().push(id);
    }

    pub fn accepted(&mut self, device: &str, id: String) {
        self.accepted.entry(device.to_owned()).or_default().insert(id);
    }

    pub fn event(&mut self, event: &Event) {
        assert_eq!(event.n, self.newest_event + 1, "only erased events leave gaps");
        self.newest_event = event.n;
        let device = event.device.to_string();
        let connection = event.connection.as_ref().map(|connection| connection.0.to_string());
        match &event.data {
            EventData::Connected { .. } => {
                let before = self.connected.insert(device, connection.expect("a connection"));
                assert_eq!(before, None, "one socket at a time");
            }
            EventData::Disconnected { .. } => {
                assert_eq!(self.connected.remove(&device), connection, "the open socket ends");
            }
            EventData::Message { id, .. } => {
                assert_eq!(self.connected.get(&device), connection.as_ref(), "on the open socket");
                self.read.entry(device).or_default().push(id.to_string());
            }
            EventData::Expired { epoch, seq } => {
                let message = (epoch.to_string(), *seq);
                assert!(!self.acknowledged.contains(&message), "{message:?} was acknowledged");
                assert!(self.sent.contains_key(&message), "{message:?} was never sent");
                assert!(self.expired.insert(message), "a message expires once");
            }
        }
    }

    /// A device was erased, with so many events that only the engine saw, and with these messages in its
    /// outbox. The operator learns neither that its socket ended nor that they expired.
    pub fn erased(&mut self, device: &str, unseen_events: usize, outbox: Vec<Numbered>) {
        self.newest_event += unseen_events as u64;
        self.connected.remove(device);
        self.expired.extend(outbox);
        let authorised = &self.authorised;
        self.redeemed.retain(|half_ref, _| authorised.get(half_ref).is_none_or(|it| it != device));
    }

    /// Nothing is under way any more: nothing was lost and nothing doubled.
    pub fn nothing_lost_or_doubled(&self) {
        for message in self.sent.keys() {
            let delivered = self.acknowledged.contains(message);
            assert!(!delivered || self.processed.contains(message), "{message:?} was lost");
            let expired = self.expired.contains(message);
            assert_ne!(delivered, expired, "{message:?} is either delivered or expired");
        }
        for (device, said) in &self.said {
            let read = self.read.get(device).cloned().unwrap_or_default();
            let once: BTreeSet<_> = read.iter().collect();
            assert_eq!(once.len(), read.len(), "nothing is doubled");
            let in_order: Vec<_> = said.iter().filter(|id| once.contains(id)).cloned().collect();
            assert_eq!(read, in_order, "in the order in which they were sent");
            let accepted = self.accepted.get(device).cloned().unwrap_or_default();
            let lost: Vec<_> = accepted.iter().filter(|id| !once.contains(id)).collect();
            assert!(lost.is_empty(), "accepted and lost: {lost:?}");
        }
    }
}
