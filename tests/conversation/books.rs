//! Both sides keep books over many reconnects: nothing is lost, nothing doubled, order kept.

use std::{
    collections::{HashMap, VecDeque},
    thread,
};

use serde_json::json;
use tests::{Event, Gateway, Operator, Prospect, prospect::Received};

use crate::patient;

const DEVICES: [&str; 5] = ["phone", "tablet", "laptop", "watch", "car"];

/// Messages of each device, each way.
const MESSAGES: u64 = 100;

/// Messages that a client has unaccepted at the most.
const WINDOW: usize = 16;

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// True once in so many times.
    fn one_in(&mut self, sides: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11).is_multiple_of(sides)
    }
}

/// What a client knows that follows the rules.
#[derive(Default)]
struct Client {
    /// Messages that were begun.
    begun: u64,
    /// Messages that are not accepted, the oldest first.
    unaccepted: VecDeque<u64>,
    /// The numbering, and the last number that was processed of it.
    epoch: String,
    processed: u64,
    /// What the operator said, as it was processed.
    heard: Vec<u64>,
    sockets: u32,
}

impl Client {
    fn is_done(&self) -> bool {
        self.begun == MESSAGES && self.unaccepted.is_empty() && self.processed == MESSAGES
    }

    fn say(prospect: &mut Prospect, message: u64) {
        prospect.say(&format!("m-{message}"), &message.to_string());
    }

    /// Opens a socket and says again what was not accepted.
    fn connect(&mut self, gateway: &Gateway, token: &str, device: &str) -> Prospect {
        let mut prospect = Prospect::open_with(gateway, token, device);
        self.sockets += 1;
        for message in &self.unaccepted {
            Self::say(&mut prospect, *message);
        }
        prospect
    }

    /// Takes one frame.
    fn hear(&mut self, prospect: &mut Prospect, dice: &mut Dice) {
        let text = prospect.socket.text();
        let Some(Received { epoch, seq, data }) = Received::read(&text) else {
            let oldest = self.unaccepted.pop_front().expect("something is unaccepted");
            let accepted = json!({"type": "accepted", "id": format!("m-{oldest}")});
            let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(frame, accepted);
            return;
        };
        if self.epoch.is_empty() {
            self.epoch.clone_from(&epoch);
        }
        assert_eq!(self.epoch, epoch);
        if seq > self.processed {
            assert_eq!(seq, self.processed + 1, "a message was lost");
            self.processed = seq;
            self.heard.push(data.parse().expect("a number"));
        }
        if dice.one_in(3) || self.processed == MESSAGES {
            prospect.ack(self.processed);
        }
    }

    /// Says and hears everything, over as many sockets as it takes.
    fn run(gateway: &Gateway, device: &str, mut dice: Dice) -> Self {
        let token = gateway.claim(device);
        let mut client = Self::default();
        let mut prospect = client.connect(gateway, &token, device);
        while !client.is_done() {
            if dice.one_in(12) {
                drop(prospect);
                prospect = client.connect(gateway, &token, device);
            }
            let may_say = client.begun < MESSAGES && client.unaccepted.len() < WINDOW;
            let may_hear = !client.unaccepted.is_empty() || client.begun == MESSAGES;
            if may_say && (!may_hear || dice.one_in(2)) {
                Self::say(&mut prospect, client.begun);
                client.unaccepted.push_back(client.begun);
                client.begun += 1;
            } else {
                client.hear(&mut prospect, &mut dice);
            }
        }
        // The last acknowledgement may have gone down with a socket.
        prospect = client.connect(gateway, &token, device);
        let operator = Operator::of(gateway);
        for _ in 0..operator.unacknowledged(device) {
            client.hear(&mut prospect, &mut dice);
        }
        assert!(prospect.has_read_all());
        assert_eq!(operator.unacknowledged(device), 0);
        client
    }
}

/// Reads what the prospects say, over as many streams as it takes.
fn read_all(gateway: &Gateway, mut dice: Dice) -> Vec<Event> {
    let operator = Operator::of(gateway);
    let mut stream = operator.events_after("0");
    let mut events: Vec<Event> = Vec::new();
    let mut said = 0;
    while said < DEVICES.len() as u64 * MESSAGES {
        let event = stream.event();
        if let Some(last) = events.last() {
            assert_eq!(event.number(), last.number() + 1, "{}", event.kind);
        }
        said += u64::from(event.kind == "message");
        if dice.one_in(20) {
            operator.release_through(&event);
        }
        if dice.one_in(20) {
            stream = operator.events_after(&event.id);
        }
        events.push(event);
    }
    events
}

#[test]
fn nothing_is_lost_or_doubled_in_either_direction() {
    let gateway = patient();
    let (clients, mut events) = thread::scope(|scope| {
        let gateway = &gateway;
        let reading = scope.spawn(|| read_all(gateway, Dice::new(99)));
        let clients = DEVICES.map(|device| {
            let dice = Dice::new(device.len() as u64 + u64::from(device.as_bytes()[0]));
            let client = scope.spawn(move || Client::run(gateway, device, dice));
            scope.spawn(move || {
                let operator = Operator::of(gateway);
                tests::gateway::eventually("the device is known", || {
                    operator.prospect(device).status == 200
                });
                for message in 0..MESSAGES {
                    assert_eq!(operator.queue(device, &message.to_string()), message + 1);
                }
            });
            client
        });
        let clients = clients.map(|client| client.join().expect("a client that is done"));
        (clients, reading.join().expect("a reader that is done"))
    });

    let everything: Vec<_> = (0..MESSAGES).collect();
    for client in clients {
        assert_eq!(client.heard, everything);
        assert!(client.sockets > 5, "there were only {} sockets", client.sockets);
    }

    // What came after the reader had counted everything would be doubled.
    let last = events.last().expect("an event").id.clone();
    let _later = Prospect::open(&gateway, "later");
    events.extend(
        Operator::of(&gateway).events_after(&last).until(|event| event.device() == "later"),
    );
    let mut said: HashMap<String, Vec<u64>> = HashMap::new();
    for event in events.iter().filter(|event| event.kind == "message") {
        let message = event.said().parse().expect("a number");
        assert_eq!(event.json()["id"], format!("m-{message}"));
        said.entry(event.device()).or_default().push(message);
    }
    assert_eq!(said, DEVICES.map(|device| (device.to_owned(), everything.clone())).into());
}
