//! Prospects and an operator that follow the rules and keep books, whatever becomes of the gateway
//! meanwhile: who gets no answer asks again, and who loses a connection comes back.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, client::IntoClientRequest};
use ureq::Agent;

use crate::{Answer, Call, Event, half_ref, prospect::Received, socket};

/// Messages that a client has unaccepted at the most.
const WINDOW: usize = 16;

/// How long until who got no answer asks again.
const BACK_OFF: Duration = Duration::from_millis(20);

/// How long a whole day of business may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// A device whose opening ends the operator's day.
const LAST: &str = "the-last-one";

/// Where the gateway is, or will be again.
#[derive(Clone)]
struct Site {
    authority: String,
    operator_key: String,
    deadline: Instant,
}

/// What is lost with a connection: nothing that the books would have to know.
struct Gone;

impl Site {
    fn call(&self, method: &str, path: &str) -> Call {
        Call::new(method, &format!("http://{}{path}", self.authority))
    }

    fn operator(&self, method: &str, path: &str) -> Call {
        let key = format!("Bearer {}", self.operator_key);
        self.call(method, path).header("authorization", &key)
    }

    fn wait(&self) {
        assert!(Instant::now() < self.deadline, "the day does not end");
        thread::sleep(BACK_OFF);
    }

    /// The answer to a call that may be repeated, when it has this status.
    fn insist(&self, status: u16, call: impl Fn() -> Call) -> Answer {
        loop {
            match call().try_send() {
                Ok(answer) if answer.status == status => return answer,
                Ok(answer) => assert!(
                    matches!(answer.status, 429 | 503),
                    "{} {}",
                    answer.status,
                    answer.text()
                ),
                Err(_) => {}
            }
            self.wait();
        }
    }

    /// Opens a device's socket, as often as it takes.
    fn open(&self, token: &str, device: &str) -> WebSocket<TcpStream> {
        loop {
            if let Ok(socket) = self.try_open(token, device) {
                return socket;
            }
            self.wait();
        }
    }

    fn try_open(&self, token: &str, device: &str) -> Result<WebSocket<TcpStream>, Gone> {
        let half_ref = half_ref();
        self.insist(200, || {
            self.call("POST", "/prospect/connectsocket")
                .header("token", token)
                .json(&json!({"halfRef": half_ref, "deviceTag": device}))
        });
        let mut request = format!("ws://{}/prospect/socket", self.authority)
            .into_client_request()
            .expect("a URL");
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(half_ref);
        let protocols = format!("prospect.v1, halfref.{encoded}");
        socket::set(&mut request, "sec-websocket-protocol", &protocols);
        let stream = TcpStream::connect(&self.authority).map_err(|_| Gone)?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let (socket, _) = tungstenite::client(request, stream).map_err(|_| Gone)?;
        Ok(socket)
    }
}

/// A day of business: each device gets so many messages and says as many.
pub struct Books {
    site: Site,
    messages: u64,
    devices: Vec<String>,
    /// How many messages have arrived, both ways together.
    arrived: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Client>>,
    senders: Vec<JoinHandle<()>>,
    reader: JoinHandle<Vec<Event>>,
}

impl Books {
    /// Begins the day: claims the devices, and everybody starts to talk.
    ///
    /// # Panics
    /// When the gateway at `authority` does not give tokens to these devices.
    #[must_use]
    pub fn open(authority: &str, operator_key: &str, devices: u64, messages: u64) -> Self {
        let site = Site {
            authority: authority.to_owned(),
            operator_key: operator_key.to_owned(),
            deadline: Instant::now() + PATIENCE,
        };
        let names: Vec<_> = (1..=devices).map(|n| format!("device-{n}")).collect();
        let arrived = Arc::new(AtomicU64::new(0));
        let clients = names.iter().zip(1..).map(|(device, seed)| {
            let mut client = Client {
                site: site.clone(),
                token: claim(&site, device),
                device: device.clone(),
                messages,
                dice: Dice(seed),
                arrived: Arc::clone(&arrived),
                begun: 0,
                unaccepted: VecDeque::new(),
                epoch: String::new(),
                heard: Vec::new(),
                received: 0,
                sockets: 0,
            };
            thread::spawn(move || {
                client.work();
                client
            })
        });
        let clients = clients.collect();
        let senders = names.iter().map(|device| {
            let (site, device) = (site.clone(), device.clone());
            thread::spawn(move || send_all(&site, &device, messages))
        });
        let senders = senders.collect();
        let reader = {
            let (site, arrived) = (site.clone(), Arc::clone(&arrived));
            thread::spawn(move || read_all(&site, &arrived))
        };
        Self { site, messages, devices: names, arrived, clients, senders, reader }
    }

    /// Waits until this part of everything has arrived, in hundredths.
    ///
    /// # Panics
    /// When it does not.
    pub fn progress_to(&self, percent: u64) {
        let all = 2 * self.devices.len() as u64 * self.messages;
        while self.arrived.load(Ordering::Relaxed) * 100 < percent * all {
            self.site.wait();
        }
    }

    /// Waits for the end of the day and balances the books; says how many sockets it took.
    ///
    /// # Panics
    /// When a message is lost, doubled or out of order.
    #[must_use]
    pub fn balance(self) -> u32 {
        let Self { site, messages, devices, clients, senders, reader, .. } = self;
        for sender in senders {
            sender.join().expect("a sender that is done");
        }
        let everything: Vec<_> = (0..messages).collect();
        let mut sockets = 0;
        for client in clients {
            let client = client.join().expect("a client that is done");
            assert_eq!(client.heard, everything, "what {} heard", client.device);
            sockets += client.sockets;
        }
        // What came after everything was read would be doubled.
        let _last = site.open(&claim(&site, LAST), LAST);
        let events = reader.join().expect("a reader that is done");
        for device in &devices {
            let of_device: Vec<_> =
                events.iter().filter(|event| event.device() == *device).collect();
            let said = of_device.iter().filter(|event| event.kind == "message");
            let said: Vec<u64> =
                said.map(|event| event.said().parse().expect("a number")).collect();
            assert_eq!(said, everything, "what {device} said");
            sockets_come_one_after_another(&of_device);
        }
        sockets
    }
}

fn claim(site: &Site, device: &str) -> String {
    let body = json!({"channel": "browser", "deviceTag": device});
    site.insist(200, || site.call("PUT", "/token").json(&body)).token()
}

/// Every socket that opened has ended before the next opens, and says nothing before or after.
fn sockets_come_one_after_another(events: &[&Event]) {
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

/// Sends every message to a device, under a key of its own.
fn send_all(site: &Site, device: &str, messages: u64) {
    let path = format!("/operator/prospects/{device}/messages");
    let mut epoch = Value::Null;
    for message in 0..messages {
        let answer = site.insist(202, || {
            site.operator("POST", &path)
                .header("idempotency-key", &format!("message-{message}"))
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

/// Reads the event stream until the last device opens its socket; releases some on the way.
fn read_all(site: &Site, arrived: &AtomicU64) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or("0", |event| &event.id).to_owned();
        if let Some(stream) = stream(site, &after) {
            for event in stream {
                assert_ne!(event.kind, "gap", "{event:?}");
                if let Some(last) = events.last() {
                    assert_eq!(event.stream(), last.stream());
                    assert_eq!(event.number(), last.number() + 1);
                }
                arrived.fetch_add(u64::from(event.kind == "message"), Ordering::Relaxed);
                let last = event.kind == "connected" && event.device() == LAST;
                if event.number().is_multiple_of(50) {
                    let path = format!("/operator/events?through={}", event.id);
                    // It may be lost: a later one does for both.
                    let _ = site.operator("DELETE", &path).try_send();
                }
                events.push(event);
                if last {
                    return events;
                }
            }
        }
        site.wait();
    }
}

/// The events after this one, for as long as the connection holds.
fn stream(site: &Site, after: &str) -> Option<impl Iterator<Item = Event>> {
    let agent: Agent =
        Agent::config_builder().timeout_recv_response(Some(Duration::from_secs(20))).build().into();
    let answer = agent
        .get(format!("http://{}/operator/events", site.authority))
        .header("authorization", format!("Bearer {}", site.operator_key))
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

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    /// True once in so many times.
    fn one_in(&mut self, sides: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11).is_multiple_of(sides)
    }
}

/// A prospect that follows the rules.
struct Client {
    site: Site,
    token: String,
    device: String,
    messages: u64,
    dice: Dice,
    arrived: Arc<AtomicU64>,
    /// Messages that it has begun to say.
    begun: u64,
    /// Of these, the ones that are not accepted, the oldest first.
    unaccepted: VecDeque<u64>,
    epoch: String,
    /// What the operator said, as it was processed: number `n` is at place `n - 1`.
    heard: Vec<u64>,
    /// The highest number that came on the present socket.
    received: u64,
    sockets: u32,
}

impl Client {
    fn work(&mut self) {
        loop {
            let mut socket = self.site.open(&self.token, &self.device);
            self.sockets += 1;
            self.received = 0;
            if self.talk(&mut socket).is_ok() {
                return;
            }
        }
    }

    /// Says and hears everything; or as much as the socket lets it.
    fn talk(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<(), Gone> {
        for message in self.unaccepted.clone() {
            say(socket, message)?;
        }
        while self.begun < self.messages
            || !self.unaccepted.is_empty()
            || (self.heard.len() as u64) < self.messages
        {
            if self.begun < self.messages && self.unaccepted.len() < WINDOW {
                self.unaccepted.push_back(self.begun);
                self.begun += 1;
                say(socket, self.begun - 1)?;
            } else {
                self.hear(socket)?;
            }
            if self.dice.one_in(200) {
                return Err(Gone);
            }
        }
        // What comes again, because its acknowledgement was lost, comes before the first pong; the
        // second comes after the acknowledgement was taken.
        self.hear_all(socket)?;
        self.acknowledge(socket)?;
        self.hear_all(socket)
    }

    fn hear_all(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<(), Gone> {
        send(socket, &json!({"type": "ping"}))?;
        while self.hear(socket)? != "pong" {}
        Ok(())
    }

    /// Acknowledges what came on this socket.
    fn acknowledge(&self, socket: &mut WebSocket<TcpStream>) -> Result<(), Gone> {
        if self.received > 0 {
            send(socket, &json!({"type": "ack", "seq": self.received}))?;
        }
        Ok(())
    }

    /// Takes one frame; says which.
    fn hear(&mut self, socket: &mut WebSocket<TcpStream>) -> Result<String, Gone> {
        let text = match socket.read().map_err(|_| Gone)? {
            Message::Text(text) => text,
            Message::Ping(_) => return Ok("a websocket ping".to_owned()),
            Message::Close(_) => return Err(Gone),
            other => panic!("{other:?}"),
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        let kind = frame["type"].as_str().expect("a type").to_owned();
        match kind.as_str() {
            "hello" => {
                let epoch = frame["epoch"].as_str().expect("an epoch");
                assert!(
                    self.epoch.is_empty() || self.epoch == epoch,
                    "{} has another",
                    self.device
                );
                epoch.clone_into(&mut self.epoch);
            }
            "accepted" => {
                let oldest = self.unaccepted.pop_front().expect("something is unaccepted");
                assert_eq!(frame["id"], format!("message-{oldest}"));
            }
            "message" => {
                let Received { epoch, seq, data } = Received::read(&text).expect("a message");
                assert_eq!(epoch, self.epoch);
                let processed = self.heard.len() as u64;
                if seq > processed {
                    assert_eq!(seq, processed + 1, "{} lost a message", self.device);
                    self.heard.push(data.parse().expect("a number"));
                    self.arrived.fetch_add(1, Ordering::Relaxed);
                }
                self.received = seq;
                if self.dice.one_in(3) {
                    self.acknowledge(socket)?;
                }
            }
            "bye" => {
                let code = frame["code"].as_u64().expect("a code");
                assert!(matches!(code, 4103 | 4200), "{} is told {code}", self.device);
            }
            "pong" => {}
            other => panic!("{other}: {text}"),
        }
        Ok(kind)
    }
}

fn say(socket: &mut WebSocket<TcpStream>, message: u64) -> Result<(), Gone> {
    send(socket, &json!({"type": "message", "id": format!("message-{message}"), "data": message}))
}

fn send(socket: &mut WebSocket<TcpStream>, frame: &Value) -> Result<(), Gone> {
    socket.send(Message::text(frame.to_string())).map_err(|_| Gone)
}
