//! Traffic in both directions whose every message is accounted for, whatever happens to the gateway
//! meanwhile: clients that follow the contract, repeat a request that got no answer, and reconnect.
//! The clients share no code with the server.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};
use ureq::Agent;

use crate::{
    Event,
    prospect::Received,
    random::Random,
    service::{ConnectionLost, SILENCE, Service},
};

/// The highest number of unaccepted messages that a prospect has at a time.
const WINDOW: usize = 16;

/// What the names of the devices begin with.
const DEVICES: &str = "device-";

/// The device whose `connected` event ends the reading of the event stream.
const LAST_DEVICE: &str = "the-last-one";

/// How much traffic there is, and how often a client drops a connection by itself.
#[derive(Clone, Copy)]
pub struct Load {
    /// How many devices are connected at a time.
    pub devices: u64,
    /// How many messages each device sends, and how many it receives.
    pub messages: u64,
    /// A prospect drops its socket once in so many frames on average, and the operator its event
    /// stream once in so many events.
    pub reconnect_one_in: u64,
    /// Whether other devices are erased meanwhile, so that events leave numbers out.
    pub erasures: bool,
}

impl Load {
    /// Six devices with 200 messages each way that seldom reconnect by themselves.
    pub const RESTARTS: Self =
        Self { devices: 6, messages: 200, reconnect_one_in: 200, erasures: false };
}

/// Traffic that is under way: prospects with their sockets, and an operator that sends to each of
/// them and reads the event stream.
pub struct Bookkeeper {
    service: Service,
    load: Load,
    devices: Vec<String>,
    /// How many messages have arrived, in both directions together.
    arrived: Arc<AtomicU64>,
    prospects: Vec<JoinHandle<Client>>,
    senders: Vec<JoinHandle<()>>,
    reader: JoinHandle<Vec<Event>>,
}

impl Bookkeeper {
    /// Claims the devices and starts the traffic. Devices and messages must be unknown to the
    /// gateway before.
    ///
    /// # Panics
    /// When the gateway at `authority` refuses the devices' tokens.
    #[must_use]
    pub fn start(authority: &str, operator_key: &str, load: Load) -> Self {
        let service = Service::at(authority, operator_key);
        let devices: Vec<_> = (1..=load.devices).map(|n| format!("{DEVICES}{n}")).collect();
        let arrived = Arc::new(AtomicU64::new(0));
        let prospects = devices.iter().zip(1..).map(|(device, seed)| {
            let token = service.claim(device);
            let mut client =
                Client::new(service.clone(), token, device.clone(), load, seed, &arrived);
            thread::spawn(move || {
                client.run();
                client
            })
        });
        let prospects = prospects.collect();
        let senders = devices.iter().map(|device| {
            let (service, device) = (service.clone(), device.clone());
            thread::spawn(move || send_all(&service, &device, load.messages))
        });
        let senders = senders.collect();
        let reader = {
            let (service, arrived) = (service.clone(), Arc::clone(&arrived));
            thread::spawn(move || read_all(&service, load, &arrived))
        };
        Self { service, load, devices, arrived, prospects, senders, reader }
    }

    /// Waits until so many percent of all messages have arrived.
    ///
    /// # Panics
    /// When they do not arrive.
    pub fn progress_to(&self, percent: u64) {
        let all = 2 * self.load.devices * self.load.messages;
        while self.arrived.load(Ordering::Relaxed) * 100 < percent * all {
            self.service.back_off();
        }
    }

    /// Waits for the end of the traffic and checks that each message arrived once and in order;
    /// gives the number of sockets that each device opened.
    ///
    /// # Panics
    /// When a message is lost, doubled or out of order.
    #[must_use]
    pub fn finish(self) -> Vec<u64> {
        let Self { service, load, devices, prospects, senders, reader, .. } = self;
        for sender in senders {
            sender.join().expect("the operator sends everything");
        }
        let everything: Vec<_> = (0..load.messages).collect();
        let mut sockets = Vec::new();
        for prospect in prospects {
            let prospect = prospect.join().expect("a prospect sends and receives everything");
            assert_eq!(prospect.received, everything, "received by {}", prospect.device);
            assert_eq!(service.unacknowledged(&prospect.device), 0, "{}", prospect.device);
            sockets.push(prospect.sockets);
        }
        // A doubled message may come after all the others, but comes before this.
        let _last = service.open_socket(&service.claim(LAST_DEVICE), LAST_DEVICE);
        let events = reader.join().expect("the operator reads everything");
        for device in &devices {
            let events: Vec<_> = events.iter().filter(|event| event.device() == *device).collect();
            assert_eq!(messages(&events), everything, "sent by {device}");
            assert_sockets_do_not_overlap(&events);
        }
        sockets
    }
}

/// What a device sent, as the operator received it.
fn messages(events: &[&Event]) -> Vec<u64> {
    let messages = events.iter().filter(|event| event.kind == "message");
    let number = |event: &&Event| {
        let message = event.message_data().parse().expect("a number");
        assert_eq!(event.json()["id"], message_id(message));
        message
    };
    messages.map(number).collect()
}

/// Every socket of a device ends before the next one opens, and sends only in between.
fn assert_sockets_do_not_overlap(events: &[&Event]) {
    let mut open = String::new();
    for event in events {
        match event.kind.as_str() {
            "connected" => {
                assert_eq!(open, "", "{event:?}");
                open = event.connection();
            }
            "message" => assert_eq!(open, event.connection()),
            "disconnected" => {
                assert_eq!(open, event.connection());
                open.clear();
            }
            other => panic!("{other}: {event:?}"),
        }
    }
}

/// Sends every message to a device, each with its own idempotency key.
fn send_all(service: &Service, device: &str, messages: u64) {
    let path = format!("/operator/prospects/{device}/messages");
    let mut epoch = Value::Null;
    for message in 0..messages {
        let answer = service.repeat_until(202, || {
            service
                .operator_call("POST", &path)
                .header("idempotency-key", &message_id(message))
                .json(&json!({"data": message}))
        });
        let answer = answer.json();
        assert_eq!(answer["seq"], message + 1, "{device}");
        if message == 0 {
            epoch = answer["epoch"].clone();
        }
        assert_eq!(answer["epoch"], epoch, "{device}");
    }
}

/// Reads the event stream until the last device connects, and releases events on the way.
fn read_all(service: &Service, load: Load, arrived: &AtomicU64) -> Vec<Event> {
    let mut random = Random(0);
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or("0", |event| &event.id).to_owned();
        for event in event_stream(service, &after).into_iter().flatten() {
            assert_ne!(event.kind, "gap", "{event:?}");
            if let Some(last) = events.last() {
                assert_eq!(event.stream(), last.stream());
                let next = last.number() + 1;
                assert!(event.number() == next || load.erasures && event.number() > next);
            }
            let is_counted = event.kind == "message" && event.device().starts_with(DEVICES);
            arrived.fetch_add(u64::from(is_counted), Ordering::Relaxed);
            let is_last = event.kind == "connected" && event.device() == LAST_DEVICE;
            if random.one_in(50) {
                let path = format!("/operator/events?through={}", event.id);
                // A lost release is covered by the next one.
                let _ = service.operator_call("DELETE", &path).try_send();
            }
            events.push(event);
            if is_last {
                return events;
            }
            if random.one_in(load.reconnect_one_in) {
                break;
            }
        }
        service.back_off();
    }
}

/// The events after this one, until the connection is lost.
fn event_stream(service: &Service, after: &str) -> Option<impl Iterator<Item = Event>> {
    let agent: Agent = Agent::config_builder().timeout_recv_response(Some(SILENCE)).build().into();
    let answer = agent
        .get(format!("http://{}/operator/events", service.authority))
        .header("authorization", format!("Bearer {}", service.operator_key))
        .header("last-event-id", after)
        .call()
        .ok()?;
    let mut lines = BufReader::new(answer.into_body().into_reader()).lines();
    Some(std::iter::from_fn(move || {
        let mut block = String::new();
        loop {
            let line = lines.next()?.ok()?;
            if !line.is_empty() {
                block.push_str(&line);
                block.push('\n');
            } else if let Some(event) = Event::read(&std::mem::take(&mut block)) {
                return Some(event);
            }
        }
    }))
}

/// A prospect that follows the contract.
struct Client {
    service: Service,
    load: Load,
    device: String,
    token: String,
    random: Random,
    arrived: Arc<AtomicU64>,
    sockets: u64,
    /// How many messages it has sent at least once.
    sent: u64,
    /// Those of them that are not accepted, the oldest first.
    unaccepted: VecDeque<u64>,
    epoch: String,
    /// The operator's messages: the one with `seq` n is at place n - 1.
    received: Vec<u64>,
    /// The highest `seq` that came on the current socket; 0 before the first.
    highest_seq: u64,
}

impl Client {
    fn new(
        service: Service,
        token: String,
        device: String,
        load: Load,
        seed: u64,
        arrived: &Arc<AtomicU64>,
    ) -> Self {
        Self {
            service,
            load,
            device,
            token,
            random: Random(seed),
            arrived: Arc::clone(arrived),
            sockets: 0,
            sent: 0,
            unaccepted: VecDeque::new(),
            epoch: String::new(),
            received: Vec::new(),
            highest_seq: 0,
        }
    }

    /// Sends and receives everything, over as many sockets as it takes.
    fn run(&mut self) {
        loop {
            let mut socket = self.service.open_socket(&self.token, &self.device);
            self.sockets += 1;
            self.highest_seq = 0;
            if self.exchange(&mut socket).is_ok() {
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.sent == self.load.messages
            && self.unaccepted.is_empty()
            && self.received.len() as u64 == self.load.messages
    }

    /// Sends and receives everything that is left, unless the socket is lost before.
    fn exchange(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<(), ConnectionLost> {
        for message in self.unaccepted.clone() {
            send_message(socket, message)?;
        }
        while !self.is_done() {
            let may_send = self.sent < self.load.messages && self.unaccepted.len() < WINDOW;
            let may_receive = !self.unaccepted.is_empty() || self.sent == self.load.messages;
            if may_send && (!may_receive || self.random.one_in(2)) {
                self.unaccepted.push_back(self.sent);
                self.sent += 1;
                send_message(socket, self.sent - 1)?;
            } else {
                self.receive(socket)?;
            }
            if self.random.one_in(self.load.reconnect_one_in) {
                return Err(ConnectionLost);
            }
        }
        // Messages whose acknowledgement was lost come again before the first pong. The second
        // comes after the gateway has handled their acknowledgement.
        self.receive_until_pong(socket)?;
        self.acknowledge(socket)?;
        self.receive_until_pong(socket)
    }

    fn receive_until_pong(
        &mut self,
        socket: &mut WebSocket<TcpStream>,
    ) -> Result<(), ConnectionLost> {
        send(socket, &json!({"type": "ping"}))?;
        while self.receive(socket)? != "pong" {}
        Ok(())
    }

    /// Acknowledges everything that came on this socket.
    fn acknowledge(&self, socket: &mut WebSocket<TcpStream>) -> Result<(), ConnectionLost> {
        if self.highest_seq > 0 {
            send(socket, &json!({"type": "ack", "seq": self.highest_seq}))?;
        }
        Ok(())
    }

    /// Handles one frame and gives its type.
    fn receive(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<String, ConnectionLost> {
        let text = match socket.read().map_err(|_| ConnectionLost)? {
            Message::Text(text) => text,
            Message::Ping(_) => return Ok("a websocket ping".to_owned()),
            Message::Close(close) => {
                // A client that follows the contract is only ever asked to come back.
                let code = close.map_or(1005, |close| close.code.into());
                assert!(
                    matches!(code, 1001 | 1005 | 1006 | 4001 | 4002 | 4103 | 4200),
                    "{} is closed with {code}",
                    self.device
                );
                return Err(ConnectionLost);
            }
            other => panic!("{other:?}"),
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        let kind = frame["type"].as_str().expect("a type").to_owned();
        match kind.as_str() {
            "hello" => {
                let epoch = frame["epoch"].as_str().expect("an epoch");
                let is_first = self.epoch.is_empty();
                assert!(is_first || self.epoch == epoch, "{} has another epoch", self.device);
                epoch.clone_into(&mut self.epoch);
            }
            "accepted" => {
                let oldest = self.unaccepted.pop_front().expect("something is unaccepted");
                assert_eq!(frame["id"], message_id(oldest), "{}", self.device);
            }
            "message" => {
                let Received { epoch, seq, data } = Received::read(&text).expect("a message");
                assert_eq!(epoch, self.epoch, "{}", self.device);
                let last = self.received.len() as u64;
                if seq > last {
                    assert_eq!(seq, last + 1, "{} lost a message", self.device);
                    self.received.push(data.parse().expect("a number"));
                    self.arrived.fetch_add(1, Ordering::Relaxed);
                }
                self.highest_seq = seq;
                if self.random.one_in(3) {
                    self.acknowledge(socket)?;
                }
            }
            "bye" => {
                let code = frame["code"].as_u64().expect("a code");
                assert!(
                    matches!(code, 4001 | 4002 | 4103 | 4200),
                    "{} gets bye {code}",
                    self.device
                );
            }
            "pong" => {}
            other => panic!("{other}: {text}"),
        }
        Ok(kind)
    }
}

fn message_id(message: u64) -> String {
    format!("message-{message}")
}

fn send_message(socket: &mut WebSocket<TcpStream>, message: u64) -> Result<(), ConnectionLost> {
    send(socket, &json!({"type": "message", "id": message_id(message), "data": message}))
}

fn send(socket: &mut WebSocket<TcpStream>, frame: &Value) -> Result<(), ConnectionLost> {
    socket.send(Message::text(frame.to_string())).map_err(|_| ConnectionLost)
}
