//! Three gateways behind a plain TCP proxy are restarted one after the other while everybody talks.
//! Prospects and operator keep books of their own: nothing is lost, nothing doubled, order kept.
//!
//! The clients here follow the contract, reconnect as it says, and share no code with the server.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::{Gateway, Proxy, RedisServer, gateway::eventually};
use tungstenite::{Error, Message, WebSocket, client::IntoClientRequest};
use ureq::Agent;

use crate::gateways::{KEY, builder, start};

const DEVICES: [&str; 4] = ["phone", "tablet", "watch", "car"];

/// Messages that a client has unaccepted at the most.
const WINDOW: usize = 16;

/// How long any of the clients goes on trying.
const PATIENCE: Duration = Duration::from_mins(2);

/// How the gateways are reached, and how far everybody is.
struct Service {
    port: u16,
    agent: Agent,
    /// From now on nobody says anything new.
    over: AtomicBool,
    /// The operator has sent everything.
    all_sent: AtomicBool,
    began: Instant,
}

impl Service {
    fn new(port: u16) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            // Each request takes its chance with whatever gateway the proxy picks.
            .max_idle_connections(0)
            .build();
        let (over, all_sent) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { port, agent: agent.into(), over, all_sent, began: Instant::now() }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn still_patient(&self, who: &str) {
        assert!(self.began.elapsed() < PATIENCE, "{who} does not come to an end");
    }

    /// Asks once; `None` where no answer comes.
    fn ask(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Option<(u16, Value)> {
        let mut request = self.agent.post(format!("http://127.0.0.1:{}{path}", self.port));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.content_type("application/json").send(body.to_string()).ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        Some((answer.status().as_u16(), serde_json::from_str(&text).ok()?))
    }
}

/// A prospect's client.
struct Client<'a> {
    service: &'a Service,
    device: &'static str,
    token: String,
    sockets: u64,
    /// How many messages were begun.
    begun: u64,
    /// Those that are not accepted, the oldest first, and how many of them this socket was told.
    unaccepted: VecDeque<u64>,
    epoch: String,
    processed: u64,
    /// What the operator said, as it was processed.
    heard: Vec<u64>,
}

type Socket = WebSocket<TcpStream>;

impl<'a> Client<'a> {
    fn new(service: &'a Service, device: &'static str, token: String) -> Self {
        Self {
            service,
            device,
            token,
            sockets: 0,
            begun: 0,
            unaccepted: VecDeque::new(),
            epoch: String::new(),
            processed: 0,
            heard: Vec::new(),
        }
    }

    /// Authorises and opens a socket, trying until there is one; says again what was not accepted.
    fn connect(&mut self) -> Socket {
        loop {
            self.service.still_patient(self.device);
            if let Some(socket) = self.try_connect() {
                return socket;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_connect(&mut self) -> Option<Socket> {
        self.sockets += 1;
        let half_ref = format!("{}-{}-{}", self.device, self.sockets, "x".repeat(32));
        let body = json!({"halfRef": half_ref, "deviceTag": self.device});
        let headers = [("token", self.token.as_str())];
        let (status, answer) = self.service.ask("/prospect/connectsocket", &headers, &body)?;
        assert!(status == 200 || status == 503, "{answer}");
        if status == 503 {
            return None;
        }
        let stream = TcpStream::connect(("127.0.0.1", self.service.port)).ok()?;
        // Silence is no end: then the client looks whether all is over, on another socket.
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let url = format!("ws://127.0.0.1:{}/prospect/socket", self.service.port);
        let mut request = url.into_client_request().expect("a URL");
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(half_ref);
        let protocols = format!("prospect.v1, halfref.{encoded}").parse().expect("a value");
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        let (mut socket, _) = tungstenite::client(request, stream).ok()?;
        for message in &self.unaccepted {
            say(&mut socket, *message).ok()?;
        }
        Some(socket)
    }

    /// Takes one frame; an error where the socket is no more.
    fn hear(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let text = match socket.read()? {
            Message::Text(text) => text,
            Message::Close(close) => {
                let code = close.map_or(0, |close| u16::from(close.code));
                // A client that keeps to the contract is told to come back, or is cut off.
                assert!(matches!(code, 0 | 1001 | 1006 | 4001 | 4002 | 4103 | 4200), "{code}");
                return Err(Error::ConnectionClosed);
            }
            _ => return Ok(()),
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        match frame["type"].as_str() {
            Some("accepted") => {
                let id = frame["id"].as_str().expect("an id");
                let oldest = self.unaccepted.pop_front().expect("something is unaccepted");
                assert_eq!(id, format!("m-{oldest}"), "accepted in order");
            }
            Some("message") => {
                let (epoch, seq) = (&frame["epoch"], frame["seq"].as_u64().expect("a number"));
                let epoch = epoch.as_str().expect("an epoch");
                if self.epoch.is_empty() {
                    epoch.clone_into(&mut self.epoch);
                }
                assert_eq!(self.epoch, epoch, "nothing was lost, so the numbering stays");
                if seq > self.processed {
                    assert_eq!(seq, self.processed + 1, "a message was lost");
                    self.processed = seq;
                    self.heard.push(frame["data"].as_u64().expect("a number"));
                }
                let ack = json!({"type": "ack", "seq": self.processed});
                socket.send(Message::text(ack.to_string()))?;
            }
            Some("hello" | "bye") => {}
            _ => panic!("{frame}"),
        }
        Ok(())
    }

    fn talk(&mut self, socket: &mut Socket, to_hear: &AtomicU64) -> Result<(), Error> {
        loop {
            let over = self.service.is_over();
            if over
                && self.unaccepted.is_empty()
                && self.processed == to_hear.load(Ordering::SeqCst)
            {
                return Ok(());
            }
            if !over && self.unaccepted.len() < WINDOW {
                let message = self.begun;
                self.begun += 1;
                self.unaccepted.push_back(message);
                say(socket, message)?;
                thread::sleep(Duration::from_millis(2));
            }
            self.hear(socket)?;
        }
    }

    /// Talks over as many sockets as it takes, until everybody stops and all is delivered.
    fn run(mut self, to_hear: &AtomicU64) -> Self {
        let mut socket = self.connect();
        while self.talk(&mut socket, to_hear).is_err() {
            socket = self.connect();
        }
        self
    }
}

fn say(socket: &mut Socket, message: u64) -> Result<(), Error> {
    let id = format!("m-{message}");
    let frame = json!({"type": "message", "id": id, "data": message});
    socket.send(Message::text(frame.to_string()))
}

/// The operator sends numbered messages to a device, each again and again until it is queued.
fn send_all(service: &Service, device: &str, sent: &AtomicU64) {
    let authorization = format!("Bearer {KEY}");
    for message in 0.. {
        let key = format!("{device}-{message}");
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", &key)];
        let path = format!("/operator/prospects/{device}/messages");
        // Who has begun a message ends it, also when all is over.
        loop {
            service.still_patient("the operator");
            match service.ask(&path, &headers, &json!({"data": message})) {
                Some((202, answer)) => {
                    assert_eq!(answer["seq"], message + 1, "each message once");
                    break;
                }
                Some((503, _)) | None => thread::sleep(Duration::from_millis(20)),
                Some((_, answer)) => panic!("{answer}"),
            }
        }
        sent.store(message + 1, Ordering::SeqCst);
        if service.is_over() {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// What the operator read: number, kind and data of each event.
type Read = Mutex<Vec<(u64, String, Value)>>;

/// The operator reads events over as many streams as it takes, for as long as others talk.
fn read_all(service: &Service, read: &Read, done: &AtomicBool) {
    let mut last = "0".to_owned();
    while !done.load(Ordering::SeqCst) {
        let _ = read_some(service, read, &mut last);
        service.still_patient("the reader");
        thread::sleep(Duration::from_millis(5));
    }
}

fn read_some(service: &Service, read: &Read, last: &mut String) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", service.port)).ok()?;
    // Chunks come with lines of their own, which are no fields of events.
    let head = format!(
        "GET /operator/events HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\n\
         last-event-id: {last}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let (mut id, mut kind) = (String::new(), String::new());
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        if let Some(found) = line.strip_prefix("id: ") {
            found.clone_into(&mut id);
        } else if let Some(found) = line.strip_prefix("event: ") {
            found.clone_into(&mut kind);
        } else if let Some(data) = line.strip_prefix("data: ") {
            // One that breaks off is read again on the next stream.
            let data: Value = serde_json::from_str(data).ok()?;
            assert_ne!(kind, "gap", "{data}");
            let n = id.rsplit_once('-').and_then(|(_, n)| n.parse().ok())?;
            read.lock().expect("whole").push((n, kind.clone(), data));
            last.clone_from(&id);
        }
    }
    Some(())
}

/// The gateways, each on a port that stays its own.
struct Gateways {
    url: String,
    running: Vec<(u16, Gateway)>,
}

impl Gateways {
    fn start(server: &RedisServer) -> Self {
        let url = server.url();
        let running = (0..3).map(|_| {
            let gateway = start(builder(&url));
            let port = gateway.authority().rsplit(':').next().and_then(|port| port.parse().ok());
            (port.expect("a port"), gateway)
        });
        Self { running: running.collect(), url }
    }

    /// Ends a gateway by a signal and starts it again.
    fn restart(&mut self, which: usize, signal: &str) {
        let (port, gateway) = &mut self.running[which];
        gateway.signal(signal);
        gateway.ended();
        *gateway = start(builder(&self.url).flag("--listen", &format!("127.0.0.1:{port}")));
    }
}

/// Everybody talks while the gateways are restarted with these signals, one after the other; then
/// the books are compared.
fn talk_through_restarts(signals: &[&str]) {
    let server = RedisServer::durable();
    let mut gateways = Gateways::start(&server);
    let ports: Vec<_> = gateways.running.iter().map(|(port, _)| *port).collect();
    let proxy = Proxy::to(&ports);
    let service = Service::new(proxy.port());
    let tokens = DEVICES.map(|device| gateways.running[0].1.claim(device));
    let sent = DEVICES.map(|_| AtomicU64::new(0));
    let (read, done) = (Read::default(), AtomicBool::new(false));

    let clients = thread::scope(|scope| {
        let (service, read, done) = (&service, &read, &done);
        scope.spawn(move || read_all(service, read, done));
        let mut senders = Vec::new();
        let mut prospects = Vec::new();
        for ((device, token), sent) in DEVICES.into_iter().zip(tokens).zip(&sent) {
            senders.push(scope.spawn(move || send_all(service, device, sent)));
            let client = Client::new(service, device, token);
            prospects.push(scope.spawn(move || client.run(sent)));
        }
        for (turn, signal) in signals.iter().enumerate() {
            gateways.restart(turn % 3, signal);
        }
        service.over.store(true, Ordering::SeqCst);
        for sender in senders {
            sender.join().expect("all is sent");
        }
        service.all_sent.store(true, Ordering::SeqCst);
        let clients: Vec<_> =
            prospects.into_iter().map(|client| client.join().expect("all is delivered")).collect();
        let said: u64 = clients.iter().map(|client| client.begun).sum();
        eventually("the operator has read all", || {
            let read = read.lock().expect("whole");
            read.iter().filter(|(_, kind, _)| kind == "message").count() as u64 >= said
        });
        done.store(true, Ordering::SeqCst);
        clients
    });

    let read = read.into_inner().expect("whole");
    let numbers: Vec<_> = read.iter().map(|(n, ..)| *n).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "each event once");
    let mut said: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (_, kind, data) in &read {
        if kind == "message" {
            let message = data["data"].as_u64().expect("a number");
            assert_eq!(data["id"], format!("m-{message}"));
            said.entry(data["deviceTag"].as_str().expect("a device")).or_default().push(message);
        }
    }
    let sockets: u64 = clients.iter().map(|client| client.sockets).sum();
    assert!(sockets > DEVICES.len() as u64, "nobody had to come back");
    for (client, sent) in clients.iter().zip(&sent) {
        let sent = sent.load(Ordering::SeqCst);
        assert!(sent > 10 && client.begun > 10, "too little was said to show anything");
        assert_eq!(client.heard, (0..sent).collect::<Vec<_>>(), "{}", client.device);
        let begun: Vec<_> = (0..client.begun).collect();
        assert_eq!(said[client.device], begun, "{}", client.device);
    }
    // A socket is written down as opened before it is written down as ended, one at a time.
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    for (_, kind, data) in &read {
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let (device, connection) = (text("deviceTag"), text("connectionId"));
        match kind.as_str() {
            "connected" => assert_eq!(open.insert(device, connection), None),
            "disconnected" => assert_eq!(open.remove(&device), Some(connection)),
            _ => assert_eq!(open.get(&device), Some(&connection)),
        }
    }
}

#[test]
#[ignore = "needs redis-server"]
fn nothing_is_lost_or_doubled_in_a_rolling_restart() {
    talk_through_restarts(&["TERM"; 6]);
}

#[test]
#[ignore = "needs redis-server"]
fn nothing_is_lost_or_doubled_where_gateways_are_killed() {
    talk_through_restarts(&["KILL", "TERM", "KILL"]);
}
