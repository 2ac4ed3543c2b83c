//! Random conversations of a few devices, held against a model that keeps lists, and against what
//! operator and prospects were promised whatever the model says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use engine::{
    ConnectionId, DeviceState, DisconnectCause, EndReason, Event, EventData, Idempotency, Limits,
    Message, Millis, Opened, Outgoing, RedeemError, SendError, Sent, SocketError, SocketState,
    millis,
};

use crate::{
    random::Random,
    world::{Make, World, connection, kind, secret},
};

const SEEDS: u64 = 16;
const STEPS: usize = 2000;

const DEVICES: [&str; 3] = ["phone", "tablet", "watch"];

/// A client has at most so many messages that were not accepted yet.
const UNACCEPTED: usize = 3;

/// So tight that every limit is met and every lifetime lived through, but for the tokens'.
fn settings() -> Limits {
    Limits {
        token_ttl: Duration::from_hours(10_000),
        open_authorisations: 1000,
        authorisations_per_second: 1000,
        outbox_messages: 6,
        outbox_bytes: 60,
        remembered_ids: UNACCEPTED + 1,
        idempotency_memory: Duration::from_mins(1),
        idempotency_keys: 4,
        event_ttl: Duration::from_mins(5),
        event_bytes: 6000,
        event_bytes_per_device: 3000,
        ..Limits::default()
    }
}

/// What the random conversations must have met, or they would show too little.
const MET: [&str; 20] = [
    "accept EventsFull",
    "accept Ok",
    "accept Stale",
    "accept again Ok",
    "acknowledge Ok",
    "acknowledge Stale",
    "connected",
    "disconnected",
    "expired",
    "events of one device full",
    "events of all devices full",
    "message",
    "outbox Ok",
    "outbox Stale",
    "redeem EventsFull",
    "redeem Ok",
    "send KeyReused",
    "send KeysFull",
    "send Ok",
    "send OutboxFull",
];

pub async fn random_conversations_follow_the_model(make: impl Make + Copy) {
    follow(async || World::with(make, settings()).await).await;
}

pub async fn random_conversations_go_on_after_restarts() {
    follow(async || World::lasting(settings()).await).await;
}

async fn follow(world: impl AsyncFn() -> World) {
    let mut met = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut life = Life::new(world().await, seed).await;
        for _ in 0..STEPS {
            life.live().await;
        }
        life.come_to_rest().await;
        met.append(&mut life.met);
    }
    let missed: Vec<_> = MET.iter().filter(|name| !met.contains(**name)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
}

/// A prospect that follows the rules.
#[derive(Default)]
struct Client {
    /// Its socket, as far as it knows.
    connection: Option<String>,
    epoch: String,
    /// The last number that it processed in this epoch.
    processed: u64,
    /// What it said and was not told of as accepted, the oldest first.
    unaccepted: Vec<(String, String)>,
    /// How many of these it has said on this socket.
    said: usize,
}

/// An engine and its model, living through the same steps.
struct Life {
    world: World,
    model: Model,
    witness: Witness,
    random: Random,
    clients: BTreeMap<&'static str, Client>,
    /// Every connection that there was, with its device.
    connections: Vec<(&'static str, String)>,
    names: usize,
    /// What happened, to be read when a step goes wrong.
    story: Vec<String>,
    met: BTreeSet<String>,
}

impl Life {
    async fn new(world: World, seed: u64) -> Self {
        for device in DEVICES {
            world.issue(device, &format!("token of {device}")).await.unwrap();
        }
        Self {
            model: Model::new(world.now()),
            world,
            witness: Witness::default(),
            random: Random(seed),
            clients: DEVICES.map(|device| (device, Client::default())).into(),
            connections: Vec::new(),
            names: 0,
            story: vec![format!("seed {seed}")],
            met: BTreeSet::new(),
        }
    }

    async fn live(&mut self) {
        let device = self.random.one_of(&DEVICES);
        match self.random.below(64) {
            0..=13 => self.send(device).await,
            14..=19 => self.open(device).await,
            20..=27 => self.read(device).await,
            28..=33 => self.acknowledge(device).await,
            34..=42 => self.say(device).await,
            43..=44 => self.say_again(device).await,
            45..=46 => self.lose(device, true).await,
            47..=48 => self.lose(device, false).await,
            49..=50 => self.be_stale().await,
            51..=52 => self.release().await,
            53 if self.random.below(4) == 0 => self.begin_anew(device).await,
            54..=57 => self.look(device).await,
            _ => self.pass().await,
        }
        self.compare().await;
        if self.world.lasts() && self.random.below(50) == 0 {
            self.restart().await;
            self.compare().await;
        }
    }

    async fn restart(&mut self) {
        let in_good_order = self.random.below(2) == 0;
        self.story.push(format!("restart, in good order: {in_good_order}"));
        self.world.restart(in_good_order).await;
        for device in DEVICES {
            self.client(device).connection = None;
            if let Some(name) = self.model.records[device].socket() {
                self.model.close(device, &name, None);
            }
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind} {}", self.names)
    }

    fn client(&mut self, device: &str) -> &mut Client {
        self.clients.get_mut(device).expect("every device has one")
    }

    fn same<T: PartialEq + Debug, E: PartialEq + Debug>(
        &mut self,
        action: &str,
        got: &Result<T, E>,
        expected: &Result<T, E>,
    ) {
        assert_eq!(got, expected, "{}", self.story.join("\n"));
        let outcome = match got {
            Ok(_) => "Ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        let outcome = outcome.split('(').next().unwrap_or_default();
        self.met.insert(format!("{action} {outcome}"));
    }

    async fn send(&mut self, device: &'static str) {
        let data = match self.random.below(6) {
            0 => format!("\"{}\"", "x".repeat(28)),
            _ => self.random.below(1_000_000).to_string(),
        };
        let ttl = Duration::from_secs(self.random.one_of(&[5, 60, 60, 200]));
        // Few keys and few bodies, so that both come again.
        let key = self.random.one_of(&[None, None, None, Some(0), Some(1), Some(2), Some(3)]);
        let key = key.map(|key| key + 4 * self.random.below(2));
        let body = self.random.one_of(&[0, 0, 0, 1]);
        self.story.push(format!("send {device} {data} {ttl:?} {key:?} {body}"));
        let idempotency = key.map(|key| Idempotency {
            key: secret(&format!("key {key}")),
            body: secret(&format!("body {body}")),
        });
        let outgoing = Outgoing { device, data: &data, ttl, idempotency };
        let got = self.world.engine.send(outgoing).await;
        let expected = self.model.send(device, &data, ttl, key.map(|key| (key, body)));
        let expected = expected.map(|(seq, connected, acknowledged)| {
            // The model cannot know how a record's epoch is called; from the first word on it does.
            let epoch = got.as_ref().map_or_else(|_| "none".into(), |sent| sent.epoch.clone());
            Sent { epoch: self.model.epoch_is(device, &epoch), seq, connected, acknowledged }
        });
        self.same("send", &got, &expected);
        if let Ok(Sent { epoch, seq, .. }) = got {
            self.witness.sent.entry((epoch.to_string(), seq)).or_insert(data);
        }
    }

    async fn open(&mut self, device: &'static str) {
        let name = self.name("connection");
        self.story.push(format!("open {device} {name}"));
        let half_ref = format!("half ref of {name}");
        let token = format!("token of {device}");
        self.world.authorise(&token, device, &half_ref).await.unwrap();
        let got = self.world.redeem(&half_ref, &name).await;
        let expected = if self.model.open(device, &name) {
            let epoch = got.as_ref().map_or_else(|_| "none".into(), |it| it.epoch.clone());
            let epoch = self.model.epoch_is(device, &epoch);
            Ok(Opened { device: device.into(), epoch, linkinjected: None })
        } else {
            let of_one = self.model.is_full_of(device);
            let which = if of_one { "one device" } else { "all devices" };
            self.met.insert(format!("events of {which} full"));
            Err(RedeemError::EventsFull)
        };
        self.same("redeem", &got, &expected);
        if let Ok(Opened { epoch, .. }) = got {
            self.connections.push((device, name.clone()));
            let client = self.client(device);
            if *client.epoch != *epoch {
                *client = Client { epoch: epoch.to_string(), ..Client::default() };
            }
            (client.connection, client.said) = (Some(name), 0);
        }
    }

    /// Reads a batch, from the beginning or from where the client is, and processes it.
    async fn read(&mut self, device: &'static str) {
        let from_the_beginning = self.random.below(3) == 0;
        let bytes = usize::try_from(self.random.below(60)).expect("a small number");
        let client = &self.clients[device];
        let Some(name) = client.connection.clone() else { return };
        let after = if from_the_beginning { 0 } else { client.processed };
        self.story.push(format!("read {device} {name} after {after} up to {bytes}"));
        let got = self.world.outbox(device, &name, after, bytes).await;
        let expected = self.model.outbox(device, &name, after, bytes);
        self.same("outbox", &got, &expected);
        match got {
            Ok(messages) => {
                let client = self.clients.get_mut(device).expect("every device has one");
                for Message { seq, data } in messages {
                    if seq > client.processed {
                        client.processed = seq;
                        self.witness.processed(&client.epoch, seq, &data);
                    }
                }
            }
            Err(_) => self.client(device).connection = None,
        }
    }

    /// Acknowledges what was processed, or less.
    async fn acknowledge(&mut self, device: &'static str) {
        let less = self.random.one_of(&[0, 0, 0, 1, 2]);
        let client = &self.clients[device];
        let Some(name) = client.connection.clone() else { return };
        let seq = client.processed.saturating_sub(less);
        let epoch = client.epoch.clone();
        self.story.push(format!("acknowledge {device} {name} {seq}"));
        let got = self.world.acknowledge(device, &name, seq).await;
        let expected = self.model.acknowledge(device, &name, seq);
        self.same("acknowledge", &got, &expected);
        if got.is_ok() {
            self.witness.acknowledged(&epoch, seq);
        } else {
            self.client(device).connection = None;
        }
    }

    /// Says what was not said on this socket yet, in order, and before anything new; sometimes the
    /// answer is lost together with the socket.
    async fn say(&mut self, device: &'static str) {
        let Some(name) = self.clients[device].connection.clone() else { return };
        let (id, data) = (self.name(&format!("id of {device}")), self.random.below(100));
        let client = self.client(device);
        if client.said == client.unaccepted.len() {
            if client.unaccepted.len() == UNACCEPTED {
                return self.hear_accepted(device);
            }
            client.unaccepted.push((id.clone(), data.to_string()));
            self.witness.said.entry(device).or_default().push(id);
        }
        let client = &self.clients[device];
        let (id, data) = client.unaccepted[client.said].clone();
        if let Ok(true) = self.accept(device, &name, &id, &data).await {
            self.client(device).said += 1;
            if self.random.below(2) == 0 {
                self.hear_accepted(device);
            }
        }
    }

    /// The answers to what the client said on this socket reach it.
    fn hear_accepted(&mut self, device: &'static str) {
        let client = self.clients.get_mut(device).expect("every device has one");
        for (id, _) in client.unaccepted.drain(..client.said) {
            self.witness.accepted.entry(device).or_default().insert(id);
        }
        client.said = 0;
    }

    /// Says again what was accepted lately.
    async fn say_again(&mut self, device: &'static str) {
        let Some(name) = self.clients[device].connection.clone() else { return };
        let remembered = self.model.records[device].accepted.clone();
        if remembered.is_empty() {
            return;
        }
        let id = self.random.one_of(&remembered);
        if let Ok(true) = self.accept(device, &name, &id, "1").await {
            self.met.insert("accept again Ok".to_owned());
        }
    }

    /// Whether it was accepted; an error where the connection is stale.
    async fn accept(
        &mut self,
        device: &'static str,
        name: &str,
        id: &str,
        data: &str,
    ) -> Result<bool, SocketError> {
        self.story.push(format!("accept {device} {name} {id} {data}"));
        let got = self.world.accept(device, name, id, data).await;
        let expected = self.model.accept(device, name, id, data);
        self.same("accept", &got, &expected);
        match got {
            Ok(()) => Ok(true),
            Err(SocketError::EventsFull) => Ok(false),
            Err(error) => {
                self.client(device).connection = None;
                Err(error)
            }
        }
    }

    /// The client loses its socket; the gateway notices now or only when a newer one opens.
    async fn lose(&mut self, device: &'static str, noticed: bool) {
        let Some(name) = self.client(device).connection.take() else { return };
        self.story.push(format!("lose {device} {name} noticed: {noticed}"));
        if noticed {
            let code = self.random.one_of(&[None, Some(1000), Some(4201)]);
            self.world.close_with(device, &name, code).await;
            self.model.close(device, &name, code);
        }
    }

    /// Some connection that there was does something: mostly it is not the socket any more.
    async fn be_stale(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        let (device, name) = self.random.one_of(&self.connections);
        if self.model.records[device].holds(&name) {
            return;
        }
        self.story.push(format!("stale {device} {name}"));
        let stale = SocketError::Stale;
        let got = self.world.outbox(device, &name, 0, 10).await;
        self.same("outbox", &got, &Err(stale));
        let got = self.world.acknowledge(device, &name, 1_000_000).await;
        self.same("acknowledge", &got, &Err(stale));
        let got = self.world.accept(device, &name, "stale", "1").await;
        self.same("accept", &got, &Err(stale));
        self.world.close_with(device, &name, Some(1000)).await;
    }

    async fn release(&mut self) {
        let kept = self.model.kept.len() as u64;
        let through = self.model.next - 1 - self.random.below(kept + 1);
        self.story.push(format!("release {through}"));
        self.world.release(through).await;
        self.model.release(through);
    }

    /// The operator ends the record, and a new one begins.
    async fn begin_anew(&mut self, device: &'static str) {
        self.story.push(format!("begin anew {device}"));
        self.world.forget(device).await;
        self.model.forget(device);
        self.world.issue(device, &format!("token of {device}")).await.unwrap();
        *self.client(device) = Client::default();
    }

    async fn look(&mut self, device: &'static str) {
        self.story.push(format!("look {device}"));
        let got = self.world.device(device).await;
        assert_eq!(got, Some(self.model.device(device)), "{}", self.story.join("\n"));
        let got = self.world.engine.connected("", 10).await.unwrap();
        assert_eq!(got, self.model.connected(), "{}", self.story.join("\n"));
        let record = &self.model.records[device];
        if let Some(epoch) = &record.epoch {
            let seq = 1 + self.random.below(record.newest + 2);
            let got = self.world.is_acknowledged(device, epoch, seq).await;
            assert_eq!(got, record.has_acknowledged(seq), "{seq}\n{}", self.story.join("\n"));
        }
    }

    /// Lets time go by, from one deadline of the model to the next.
    async fn pass(&mut self) {
        let at_most = self.random.one_of(&[10, 3_000, 3_000, 20_000, 100_000]);
        let until = self.model.now + self.random.below(at_most) + 1;
        self.story.push(format!("pass until {until}"));
        while let Some(deadline) = self.model.next_deadline().filter(|at| *at <= until) {
            self.pass_until(deadline).await;
            self.compare().await;
        }
        self.pass_until(until).await;
    }

    async fn pass_until(&mut self, at: Millis) {
        self.world.pass(Duration::from_millis(at - self.model.now)).await;
        self.model.come_to(at);
    }

    /// Whether what happened in the step is what the model says.
    async fn compare(&mut self) {
        let news = self.world.news().await;
        let expected = std::mem::take(&mut self.model.news);
        let numbers: Vec<_> = news.iter().map(|event| event.n).collect();
        let mut got: Vec<_> = news.iter().map(said).collect();
        // What ends at the same moment on two devices is in no order.
        let by_device = |one: &Said, other: &Said| one.device.cmp(&other.device);
        let mut sorted = expected.clone();
        got.sort_by(by_device);
        sorted.sort_by(by_device);
        assert_eq!(got, sorted, "{}", self.story.join("\n"));
        for event in &news {
            self.met.insert(kind(&event.data).to_owned());
            self.witness.happened(event);
            self.model.keep(event);
        }
        let events = self.world.events(0, usize::MAX).await;
        assert_eq!((events.oldest, events.next), self.model.ends(), "{}", self.story.join("\n"));
        assert!(numbers.iter().zip(&numbers[numbers.len().min(1)..]).all(|(a, b)| a + 1 == *b));
        assert_eq!(self.world.endings(), std::mem::take(&mut self.model.endings));
    }

    /// Everybody comes back and everything is delivered; then the books must balance.
    async fn come_to_rest(&mut self) {
        for device in DEVICES {
            self.world.release_all().await;
            self.model.release(u64::MAX);
            self.open(device).await;
            self.compare().await;
            while self.clients[device].said < self.clients[device].unaccepted.len() {
                self.say(device).await;
                self.compare().await;
            }
            self.hear_accepted(device);
            while !self.model.records[device].outbox.is_empty() {
                self.read(device).await;
                self.acknowledge(device).await;
                self.compare().await;
            }
        }
        self.witness.the_books_balance();
    }
}

/// An event but for its number and time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    device: Arc<str>,
    connection: Option<ConnectionId>,
    data: EventData,
}

fn said(event: &Event) -> Said {
    let Event { device, connection, data, .. } = event.clone();
    Said { device, connection, data }
}

/// What operator and prospects were promised, whatever the model says.
#[derive(Default)]
struct Witness {
    /// What the operator was told is queued, by epoch and number.
    sent: BTreeMap<(String, u64), String>,
    processed: BTreeSet<(String, u64)>,
    /// The last number that was processed, by epoch.
    last: BTreeMap<String, u64>,
    acknowledged: BTreeSet<(String, u64)>,
    expired: BTreeSet<(String, u64)>,
    /// The ids that each prospect said, in order.
    said: BTreeMap<&'static str, Vec<String>>,
    /// The ids that each prospect was told are accepted.
    accepted: BTreeMap<&'static str, BTreeSet<String>>,
    /// The ids of each device that the operator read, in order.
    read: BTreeMap<String, Vec<String>>,
    last_event: u64,
    /// The open connection of each device, as the operator reads it.
    open: BTreeMap<String, String>,
}

impl Witness {
    fn processed(&mut self, epoch: &str, seq: u64, data: &str) {
        let message = (epoch.to_owned(), seq);
        assert_eq!(self.sent.get(&message).map(String::as_str), Some(data), "as it was sent");
        assert!(!self.expired.contains(&message), "nothing is delivered after it expired");
        let before = self.last.insert(epoch.to_owned(), seq).unwrap_or_default();
        assert!(before < seq, "in order");
        self.processed.insert(message);
    }

    fn acknowledged(&mut self, epoch: &str, seq: u64) {
        for seq in 1..=seq {
            let message = (epoch.to_owned(), seq);
            if !self.expired.contains(&message) {
                self.acknowledged.insert(message);
            }
        }
    }

    fn happened(&mut self, event: &Event) {
        assert_eq!(event.n, self.last_event + 1, "numbered by one");
        self.last_event = event.n;
        let device = event.device.to_string();
        let connection = event.connection.as_ref().map(|it| it.0.to_string()).unwrap_or_default();
        match &event.data {
            EventData::Connected { .. } => {
                assert_eq!(self.open.insert(device, connection), None, "one socket at a time");
            }
            EventData::Disconnected { .. } => {
                assert_eq!(self.open.remove(&device), Some(connection), "the open one ends");
            }
            EventData::Message { id, .. } => {
                assert_eq!(self.open.get(&device), Some(&connection), "said on the open socket");
                self.read.entry(device).or_default().push(id.to_string());
            }
            EventData::Expired { epoch, seq } => {
                let message = (epoch.to_string(), *seq);
                assert!(!self.acknowledged.contains(&message), "acknowledged is not expired");
                assert!(self.sent.contains_key(&message), "only what was sent expires");
                assert!(self.expired.insert(message), "once");
            }
        }
    }

    fn the_books_balance(&self) {
        for message in self.sent.keys() {
            let delivered = self.acknowledged.contains(message);
            assert!(!delivered || self.processed.contains(message), "{message:?} was lost");
            assert_ne!(delivered, self.expired.contains(message), "{message:?} has one end");
        }
        for (device, said) in &self.said {
            let read = self.read.get(*device).cloned().unwrap_or_default();
            let once: BTreeSet<_> = read.iter().collect();
            assert_eq!(once.len(), read.len(), "nothing is doubled");
            let in_order: Vec<_> = said.iter().filter(|id| once.contains(id)).cloned().collect();
            assert_eq!(read, in_order, "in the order that they were said");
            let accepted = self.accepted.get(device).cloned().unwrap_or_default();
            let lost: Vec<_> = accepted.iter().filter(|id| !once.contains(id)).collect();
            assert!(lost.is_empty(), "accepted and lost: {lost:?}");
        }
    }
}

/// The rules of the engine, as plainly as they can be said.
struct Model {
    now: Millis,
    records: BTreeMap<&'static str, Record>,
    /// Number, device, bytes and time of every event that is kept.
    kept: Vec<(u64, String, usize, Millis)>,
    next: u64,
    /// What happened in this step.
    news: Vec<Said>,
    endings: Vec<(String, EndReason)>,
}

#[derive(Default)]
struct Record {
    /// As soon as it was heard of.
    epoch: Option<Arc<str>>,
    socket: Option<(String, Millis)>,
    /// Number, data and deadline.
    outbox: Vec<(u64, String, Millis)>,
    newest: u64,
    acknowledged: u64,
    /// What ran out of time, the oldest first.
    expired: Vec<u64>,
    /// The oldest first.
    accepted: Vec<String>,
    keys: Vec<Used>,
}

struct Used {
    key: u64,
    body: u64,
    seq: u64,
    connected: bool,
    until: Millis,
}

impl Record {
    fn has_acknowledged(&self, seq: u64) -> bool {
        seq <= self.acknowledged && !self.expired.contains(&seq)
    }

    fn socket(&self) -> Option<String> {
        self.socket.as_ref().map(|(connection, _)| connection.clone())
    }

    fn holds(&self, name: &str) -> bool {
        self.socket.as_ref().is_some_and(|(connection, _)| connection == name)
    }
}

impl Model {
    fn new(now: Millis) -> Self {
        Self {
            now,
            records: DEVICES.map(|device| (device, Record::default())).into(),
            kept: Vec::new(),
            next: 1,
            news: Vec::new(),
            endings: Vec::new(),
        }
    }

    fn record(&mut self, device: &str) -> &mut Record {
        self.records.get_mut(device).expect("every device has one")
    }

    /// The record of which this connection is the socket.
    fn of(&mut self, device: &str, name: &str) -> Result<&mut Record, SocketError> {
        let record = self.record(device);
        if record.holds(name) { Ok(record) } else { Err(SocketError::Stale) }
    }

    /// The record's epoch, which is this one if none was heard of yet.
    fn epoch_is(&mut self, device: &str, heard: &Arc<str>) -> Arc<str> {
        let known = self.records.values().filter_map(|record| record.epoch.clone());
        let known: Vec<_> = known.collect();
        let record = self.record(device);
        if record.epoch.is_none() {
            assert!(!known.contains(heard), "every record has an epoch of its own");
        }
        Arc::clone(record.epoch.get_or_insert_with(|| Arc::clone(heard)))
    }

    fn wait(&self, until: impl Iterator<Item = Millis>) -> Duration {
        Duration::from_millis(until.min().unwrap_or(self.now) - self.now)
    }

    /// The message's number, and whether the device has a socket and has acknowledged.
    fn send(
        &mut self,
        device: &str,
        data: &str,
        ttl: Duration,
        key: Option<(u64, u64)>,
    ) -> Result<(u64, bool, bool), SendError> {
        let now = self.now;
        let record = &self.records[device];
        if let Some((key, body)) = key {
            match record.keys.iter().find(|known| known.key == key) {
                Some(known) if known.body != body => return Err(SendError::KeyReused),
                Some(known) => {
                    return Ok((known.seq, known.connected, record.has_acknowledged(known.seq)));
                }
                None if record.keys.len() == settings().idempotency_keys => {
                    let wait = self.wait(record.keys.iter().map(|key| key.until));
                    return Err(SendError::KeysFull(wait));
                }
                None => {}
            }
        }
        let bytes: usize = record.outbox.iter().map(|(_, data, _)| data.len()).sum();
        if record.outbox.len() == settings().outbox_messages
            || bytes + data.len() > settings().outbox_bytes
        {
            let wait = self.wait(record.outbox.iter().map(|(_, _, until)| *until));
            return Err(SendError::OutboxFull(wait));
        }
        let record = self.record(device);
        record.newest += 1;
        let (seq, connected) = (record.newest, record.socket.is_some());
        record.outbox.push((seq, data.to_owned(), now + millis(ttl)));
        if let Some((key, body)) = key {
            let until = now + millis(settings().idempotency_memory);
            record.keys.push(Used { key, body, seq, connected, until });
        }
        Ok((seq, connected, false))
    }

    fn outbox(
        &mut self,
        device: &str,
        name: &str,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        let mut batch: Vec<Message> = Vec::new();
        let mut total = 0;
        for (seq, data, _) in &self.of(device, name)?.outbox {
            if *seq <= after {
                continue;
            }
            total += data.len();
            if !batch.is_empty() && total > bytes {
                break;
            }
            batch.push(Message { seq: *seq, data: data.as_str().into() });
        }
        Ok(batch)
    }

    fn acknowledge(&mut self, device: &str, name: &str, seq: u64) -> Result<(), SocketError> {
        let record = self.of(device, name)?;
        record.acknowledged = record.acknowledged.max(seq);
        record.outbox.retain(|(waiting, ..)| *waiting > seq);
        Ok(())
    }

    fn accept(
        &mut self,
        device: &str,
        name: &str,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        if self.of(device, name)?.accepted.iter().any(|accepted| accepted == id) {
            return Ok(());
        }
        if self.is_full(device) {
            return Err(SocketError::EventsFull);
        }
        let record = self.record(device);
        record.accepted.push(id.to_owned());
        let forgotten = record.accepted.len().saturating_sub(settings().remembered_ids);
        record.accepted.drain(..forgotten);
        let data = EventData::Message { id: id.into(), data: data.into() };
        self.happened(device, Some(name), data);
        Ok(())
    }

    /// Whether it opened.
    fn open(&mut self, device: &str, name: &str) -> bool {
        if self.is_full(device) {
            return false;
        }
        let socket = (name.to_owned(), self.now);
        if let Some((older, _)) = self.record(device).socket.replace(socket) {
            let cause = DisconnectCause::Engine(EndReason::Superseded);
            self.disconnected(device, &older, Some(cause));
            self.endings.push((older, EndReason::Superseded));
        }
        self.happened(device, Some(name), EventData::Connected { linkinjected: None });
        true
    }

    fn close(&mut self, device: &str, name: &str, code: Option<u16>) {
        let record = self.record(device);
        if record.holds(name) {
            record.socket = None;
            self.disconnected(device, name, code.map(DisconnectCause::Gateway));
        }
    }

    fn forget(&mut self, device: &str) {
        let record = std::mem::take(self.record(device));
        if let Some((connection, _)) = record.socket {
            let cause = DisconnectCause::Engine(EndReason::Revoked);
            self.disconnected(device, &connection, Some(cause));
            self.endings.push((connection, EndReason::Revoked));
        }
        for (seq, ..) in record.outbox {
            self.expired(device, record.epoch.as_ref(), seq);
        }
    }

    fn disconnected(&mut self, device: &str, name: &str, cause: Option<DisconnectCause>) {
        self.happened(device, Some(name), EventData::Disconnected { cause });
    }

    fn expired(&mut self, device: &str, epoch: Option<&Arc<str>>, seq: u64) {
        let epoch = Arc::clone(epoch.expect("a message was sent in an epoch"));
        self.happened(device, None, EventData::Expired { epoch, seq });
    }

    fn happened(&mut self, device: &str, name: Option<&str>, data: EventData) {
        let connection = name.map(connection);
        self.news.push(Said { device: device.into(), connection, data });
    }

    fn device(&self, device: &str) -> DeviceState {
        let record = &self.records[device];
        let socket = record.socket.as_ref().map(|(name, since)| SocketState {
            connection: connection(name),
            since: *since,
            linkinjected: None,
        });
        DeviceState { device: device.into(), socket, unacknowledged: record.outbox.len() }
    }

    fn connected(&self) -> Vec<DeviceState> {
        let devices = self.records.keys().map(|device| self.device(device));
        devices.filter(|state| state.socket.is_some()).collect()
    }

    fn is_full(&self, device: &str) -> bool {
        let bytes: usize = self.kept.iter().map(|(_, _, bytes, _)| bytes).sum();
        bytes >= settings().event_bytes || self.is_full_of(device)
    }

    fn is_full_of(&self, device: &str) -> bool {
        let of_device = self.kept.iter().filter(|(_, its, ..)| its == device);
        let bytes: usize = of_device.map(|(_, _, bytes, _)| bytes).sum();
        bytes >= settings().event_bytes_per_device
    }

    /// Takes over an event that is as it should be.
    fn keep(&mut self, event: &Event) {
        self.kept.push((event.n, event.device.to_string(), event.size(), self.now));
        self.next = event.n + 1;
    }

    /// The first event that is kept and the next to come.
    fn ends(&self) -> (u64, u64) {
        (self.kept.first().map_or(self.next, |(n, ..)| *n), self.next)
    }

    fn release(&mut self, through: u64) {
        self.kept.retain(|(n, ..)| *n > through);
    }

    fn next_deadline(&self) -> Option<Millis> {
        let messages = self.records.values().flat_map(|record| &record.outbox);
        let messages = messages.map(|(_, _, until)| *until);
        let keys = self.records.values().flat_map(|record| &record.keys).map(|key| key.until);
        let events = self.kept.iter().map(|(.., at)| at + millis(settings().event_ttl));
        messages.chain(keys).chain(events).filter(|at| *at > self.now).min()
    }

    /// It is now `at`, and no deadline was passed over.
    fn come_to(&mut self, at: Millis) {
        self.now = at;
        for device in DEVICES {
            let record = self.record(device);
            record.keys.retain(|key| key.until > at);
            let due = |(_, _, until): &mut (u64, String, Millis)| *until <= at;
            let due: Vec<_> = record.outbox.extract_if(.., due).collect();
            let epoch = record.epoch.clone();
            for (seq, ..) in due {
                let expired = &mut self.record(device).expired;
                expired.push(seq);
                let forgotten = expired.len().saturating_sub(settings().outbox_messages);
                expired.drain(..forgotten);
                self.expired(device, epoch.as_ref(), seq);
            }
        }
        self.kept.retain(|(.., kept_at)| kept_at + millis(settings().event_ttl) > at);
    }
}
