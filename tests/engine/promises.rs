//! The conversation as a state machine: whatever the order of things, nothing acknowledged is lost
//! or doubled, and order is kept. What goes wrong is told in as few steps as it takes.

use std::{collections::VecDeque, thread, time::Duration};

use engine::{EventData, Limits, Message};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::world::{Make, World};

const DEVICES: [&str; 2] = ["phone", "tablet"];

/// A client has at most so many messages that were not accepted yet.
const UNACCEPTED: usize = 4;

/// One thing that can happen.
#[derive(Debug, Clone)]
enum Step {
    /// The operator sends a message; sometimes twice, because the answer was lost.
    Send { device: &'static str, twice: bool },
    /// The prospect opens a socket.
    Open { device: &'static str },
    /// The socket is lost; the gateway notices, or does not.
    Lose { device: &'static str, noticed: bool },
    /// The prospect reads messages, up to so many bytes.
    Receive { device: &'static str, bytes: usize },
    /// The prospect acknowledges what it received, or all but a few.
    Acknowledge { device: &'static str, but: u64 },
    /// The prospect says something, and hears that it was accepted, or does not.
    Say { device: &'static str, heard: bool },
    /// The operator reads events, up to so many, and releases them, or does not.
    Read { events: usize, release: bool },
    /// Time goes by.
    Pass { seconds: u64 },
    /// The gateway ends, as if killed or in good order, and begins again.
    Restart { in_good_order: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let device = || select(&DEVICES[..]);
    prop_oneof![
        5 => (device(), any::<bool>()).prop_map(|(device, twice)| Step::Send { device, twice }),
        4 => device().prop_map(|device| Step::Open { device }),
        2 => (device(), any::<bool>()).prop_map(|(device, noticed)| Step::Lose { device, noticed }),
        4 => (device(), 0_usize..12).prop_map(|(device, bytes)| Step::Receive { device, bytes }),
        4 => (device(), 0_u64..3).prop_map(|(device, but)| Step::Acknowledge { device, but }),
        6 => (device(), any::<bool>()).prop_map(|(device, heard)| Step::Say { device, heard }),
        3 => (0_usize..8, any::<bool>()).prop_map(|(events, release)| Step::Read { events, release }),
        1 => (1_u64..20).prop_map(|seconds| Step::Pass { seconds }),
        2 => any::<bool>().prop_map(|in_good_order| Step::Restart { in_good_order }),
    ]
}

pub async fn nothing_is_lost_or_doubled_whatever_the_order_of_things(
    make: impl Make + Copy + Send + Sync,
) {
    hold(async || World::with(make, settings()).await);
}

pub fn nothing_is_lost_or_doubled_over_restarts() {
    hold(async || World::lasting(settings()).await);
}

fn settings() -> Limits {
    Limits {
        open_authorisations: 1000,
        authorisations_per_second: 1000,
        remembered_ids: UNACCEPTED,
        ..Limits::default()
    }
}

/// Tries many orders of things: the same ones in every run.
fn hold(world: impl AsyncFn() -> World + Sync) {
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    // A runtime does not run inside another.
    let tried = thread::scope(|scope| {
        let trying = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            runner.run(&vec(step(), 1..150), |steps| {
                runtime.block_on(async {
                    let mut business = Business::new(world().await).await;
                    for step in &steps {
                        business.take(step).await;
                    }
                    business.come_to_rest().await;
                });
                Ok(())
            })
        });
        trying.join().expect("it was tried")
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// What the operator and one prospect have said to each other.
#[derive(Default)]
struct Prospect {
    epoch: String,
    /// Its socket, as far as it knows.
    socket: Option<String>,
    /// How many messages the operator has sent: the message says its number.
    sent: u64,
    /// What the prospect has processed.
    processed: Vec<u64>,
    /// The highest number that came on the present socket.
    received: u64,
    acknowledged: u64,
    /// How many messages it has begun to say.
    begun: u64,
    /// Of these, what it has not heard to be accepted, the oldest first.
    unaccepted: VecDeque<u64>,
    /// How many of the unaccepted it has said on this socket.
    said: usize,
    /// What the operator has read of it.
    read: Vec<u64>,
}

struct Business {
    world: World,
    prospects: [Prospect; 2],
    sockets: usize,
    last_event: u64,
}

impl Business {
    async fn new(world: World) -> Self {
        let mut prospects = [Prospect::default(), Prospect::default()];
        for (device, prospect) in DEVICES.into_iter().zip(&mut prospects) {
            world.issue(device, &format!("token of {device}")).await.expect("a token");
            let sent = world.send(device, "0").await.expect("queued");
            (prospect.epoch, prospect.sent) = (sent.epoch.to_string(), 1);
        }
        Self { world, prospects, sockets: 0, last_event: 0 }
    }

    fn prospect(&mut self, device: &str) -> &mut Prospect {
        let place = DEVICES.iter().position(|name| *name == device).expect("one of them");
        &mut self.prospects[place]
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Send { device, twice } => self.send(device, twice).await,
            Step::Open { device } => self.open(device).await,
            Step::Lose { device, noticed } => self.lose(device, noticed).await,
            Step::Receive { device, bytes } => self.receive(device, bytes).await,
            Step::Acknowledge { device, but } => self.acknowledge(device, but).await,
            Step::Say { device, heard } => self.say(device, heard).await,
            Step::Read { events, release } => self.read(events, release).await,
            Step::Pass { seconds } => self.world.pass(Duration::from_secs(seconds)).await,
            Step::Restart { in_good_order } if self.world.lasts() => {
                self.world.restart(in_good_order).await;
                for prospect in &mut self.prospects {
                    prospect.socket = None;
                }
            }
            Step::Restart { .. } => {}
        }
    }

    async fn send(&mut self, device: &str, twice: bool) {
        let number = self.prospect(device).sent;
        let key = format!("key {number}");
        for _ in 0..=usize::from(twice) {
            let sent = self.world.send_once(device, &number.to_string(), &key).await;
            let sent = sent.expect("queued");
            assert_eq!((&*sent.epoch, sent.seq), (&*self.prospect(device).epoch, number + 1));
        }
        self.prospect(device).sent += 1;
    }

    async fn open(&mut self, device: &str) {
        self.sockets += 1;
        let name = format!("socket {}", self.sockets);
        let opened = self.world.open(&format!("token of {device}"), device, &name).await;
        let prospect = self.prospect(device);
        assert_eq!(*opened.epoch, *prospect.epoch);
        (prospect.socket, prospect.received, prospect.said) = (Some(name), 0, 0);
    }

    async fn lose(&mut self, device: &str, noticed: bool) {
        let socket = self.prospect(device).socket.take();
        if let Some(socket) = socket.filter(|_| noticed) {
            self.world.close(device, &socket).await;
        }
    }

    async fn receive(&mut self, device: &str, bytes: usize) {
        let prospect = self.prospect(device);
        let Some(socket) = prospect.socket.clone() else { return };
        let (after, sent) = (prospect.received.max(prospect.acknowledged), prospect.sent);
        let received = prospect.received;
        let messages = self.world.outbox(device, &socket, received, bytes).await.expect("mine");
        assert_eq!(messages.is_empty(), after == sent, "all that waits comes");
        let prospect = self.prospect(device);
        for (Message { seq, data }, expected) in messages.into_iter().zip(after + 1..) {
            assert_eq!(seq, expected, "in order, and none left out");
            assert_eq!(*data, (seq - 1).to_string(), "as it was sent");
            prospect.received = seq;
            if seq > prospect.processed.len() as u64 {
                prospect.processed.push(seq - 1);
            }
        }
    }

    async fn acknowledge(&mut self, device: &str, but: u64) {
        let prospect = self.prospect(device);
        let Some(socket) = prospect.socket.clone() else { return };
        let seq = prospect.received.saturating_sub(but);
        prospect.acknowledged = prospect.acknowledged.max(seq);
        self.world.acknowledge(device, &socket, seq).await.expect("mine");
    }

    /// Says what was not said on this socket yet, the oldest first, and only then something new.
    async fn say(&mut self, device: &str, heard: bool) {
        let prospect = self.prospect(device);
        let Some(socket) = prospect.socket.clone() else { return };
        if prospect.said == prospect.unaccepted.len() {
            if prospect.said == UNACCEPTED {
                return;
            }
            prospect.unaccepted.push_back(prospect.begun);
            prospect.begun += 1;
        }
        let number = prospect.unaccepted[prospect.said];
        prospect.said += 1;
        let id = format!("id {number}");
        self.world.accept(device, &socket, &id, &number.to_string()).await.expect("mine");
        let prospect = self.prospect(device);
        if heard {
            // Who hears of this has heard of all before it.
            prospect.unaccepted.drain(..prospect.said);
            prospect.said = 0;
        }
    }

    async fn read(&mut self, events: usize, release: bool) {
        let news = self.world.events(self.last_event + 1, events).await.events;
        for event in news {
            assert_eq!(event.n, self.last_event + 1, "numbered by one");
            self.last_event = event.n;
            if let EventData::Message { data, .. } = event.data {
                let number = data.parse().expect("a number");
                self.prospect(&event.device).read.push(number);
            }
        }
        if release {
            self.world.release(self.last_event).await;
        }
    }

    /// Everybody comes back and hears everything; then the books must balance.
    async fn come_to_rest(&mut self) {
        for device in DEVICES {
            self.open(device).await;
            while self.prospect(device).said < self.prospect(device).unaccepted.len() {
                self.say(device, false).await;
            }
            self.receive(device, usize::MAX).await;
            self.acknowledge(device, 0).await;
            let state = self.world.device(device).await.expect("it is known");
            assert_eq!(state.unacknowledged, 0);
        }
        self.read(usize::MAX, false).await;
        for prospect in &self.prospects {
            assert!(prospect.processed.iter().copied().eq(0..prospect.sent), "to the prospect");
            assert!(prospect.read.iter().copied().eq(0..prospect.begun), "from the prospect");
        }
    }
}
