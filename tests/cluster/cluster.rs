//! Engines of several gateways on one Redis, with a clock that only the test moves. Secrets and
//! connections are given by short names.

use std::{
    mem,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use engine::{
    Authorisation, Clock, ConnectionId, Digest, DisconnectCause, EndReason, Engine, EngineListener,
    EventData, Home, Limits, Millis, Opened, Outgoing, Requester, SendError, Sent, TokenId, millis,
    redis::{Redis, RedisOptions},
};
use redis::cmd;
use tests::{RedisServer, gateway::PATIENCE};
use tokio::time::sleep;

/// How long Redis may miss a gateway's heartbeat before the gateway counts as dead.
pub const LEASE: Duration = Duration::from_secs(10);

/// Ends with the test run: see [`RedisServer`].
pub static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

/// Waits for `happened` to be true.
pub async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened().await {
        assert!(Instant::now() < deadline, "did not happen: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A clock that stands still until it is moved.
pub struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a gateway's listener was notified of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    End(String, EndReason),
    MessageQueued(String),
    MessagesSettled(String),
    EventsAppended,
    Missed,
}

/// Records notifications, in order.
#[derive(Default)]
struct Recorder(Mutex<Vec<Notification>>);

impl Recorder {
    fn notifications(&self) -> MutexGuard<'_, Vec<Notification>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl EngineListener for Recorder {
    fn end(&self, connection: &ConnectionId, reason: EndReason) {
        self.notifications().push(Notification::End(connection.0.to_string(), reason));
    }

    fn message_queued(&self, connection: &ConnectionId) {
        self.notifications().push(Notification::MessageQueued(connection.0.to_string()));
    }

    fn messages_settled(&self, device: &str) {
        self.notifications().push(Notification::MessagesSettled(device.to_owned()));
    }

    fn events_appended(&self, _partition: usize) {
        self.notifications().push(Notification::EventsAppended);
    }

    fn notifications_missed(&self, _partition: usize) {
        self.notifications().push(Notification::Missed);
    }
}

/// The digest of the secret with this name.
pub fn secret(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The token with this digest, where there is one partition.
pub fn token_id(digest: Digest) -> TokenId {
    TokenId { digest, home: Home::of_device("") }
}

/// The connection with this name.
pub fn connection(name: &str) -> ConnectionId {
    ConnectionId(name.into())
}

/// The name of a device in one of so many partitions.
pub fn device_of(partition: usize, partitions: usize) -> String {
    let mut names = (0..).map(|number| format!("phone-{number}"));
    let found = names.find(|name| Home::of_device(name).partition(partitions) == partition);
    found.expect("one of many")
}

/// One Redis, and what its gateways have in common.
pub struct Cluster {
    pub url: String,
    pub prefix: String,
    pub clock: Arc<ManualClock>,
    pub limits: Limits,
    /// How long Redis may take to answer.
    pub timeout: Duration,
}

/// The engine of one gateway.
pub struct Member {
    pub engine: Arc<Redis>,
    recorder: Arc<Recorder>,
}

impl Cluster {
    /// On the Redis that the tests share.
    pub fn new() -> Self {
        Self::on(&SERVER.url())
    }

    /// On the Redis at this URL.
    pub fn on(url: &str) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self {
            url: url.to_owned(),
            prefix: format!("cluster-{}:", MADE.fetch_add(1, Ordering::Relaxed)),
            clock: Arc::new(ManualClock(AtomicU64::new(1_700_000_000_000))),
            limits: Limits {
                authorisations_per_second: 1000,
                open_authorisations: 1000,
                ..Limits::default()
            },
            timeout: PATIENCE,
        }
    }

    /// One more gateway.
    pub async fn join(&self) -> Member {
        self.join_by(&self.url).await
    }

    /// One more gateway, which reaches Redis by another URL.
    pub async fn join_by(&self, url: &str) -> Member {
        let mut options = RedisOptions::new(url).expect("a URL");
        options.lease = LEASE;
        options.timeout = self.timeout;
        self.join_with(options).await
    }

    /// One more gateway, with options of its own.
    pub async fn join_with(&self, options: RedisOptions) -> Member {
        let member = self.start(options);
        // A busy machine may need more than one try.
        let begun = Instant::now();
        while member.engine.ready().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "no connection to Redis");
        }
        member.notifications();
        member
    }

    /// One more gateway, without waiting for its connection.
    pub fn start(&self, mut options: RedisOptions) -> Member {
        let recorder = Arc::new(Recorder::default());
        options.prefix.clone_from(&self.prefix);
        let clock: Arc<dyn Clock> = self.clock.clone();
        let engine = Redis::start(&self.limits, options, Some(clock), recorder.clone());
        Member { engine: Arc::new(engine), recorder }
    }

    /// Lets time pass, in which only these gateways send heartbeats.
    pub async fn pass(&self, time: Duration, living: &[&Member]) {
        // As often as a gateway does, relative to its lease.
        let (end, step) = (self.clock.now() + millis(time), millis(LEASE / 10));
        while self.clock.now() < end {
            let left = end - self.clock.now();
            self.clock.0.fetch_add(left.min(step), Ordering::SeqCst);
            for member in living {
                member.engine.expire().await.expect("the engine is here");
            }
        }
    }

    /// Lets time pass without any heartbeat.
    pub fn jump(&self, time: Duration) {
        self.clock.0.fetch_add(millis(time), Ordering::SeqCst);
    }

    /// The keys of the cluster and how long each is kept; `None` is for ever.
    pub fn keys(&self) -> Vec<(String, Option<Duration>)> {
        let mut server = SERVER.connection();
        let keys: Vec<Vec<u8>> =
            cmd("KEYS").arg(format!("{}*", self.prefix)).query(&mut server).expect("keys");
        let mut known = Vec::new();
        for key in keys {
            let left: i64 = cmd("PTTL").arg(&key).query(&mut server).expect("a time");
            let name = String::from_utf8_lossy(&key[self.prefix.len()..]).into_owned();
            known.push((name, u64::try_from(left).ok().map(Duration::from_millis)));
        }
        known
    }
}

impl Member {
    /// Claims a device.
    pub async fn claim(&self, device: &str) {
        let token = secret(&format!("token of {device}"));
        self.engine
            .request_token(device, Requester::Claim { shown: None, key: None }, None, &token)
            .await
            .expect("a token");
    }

    /// Authorises a websocket.
    pub async fn authorise(&self, device: &str, half_ref: &str) {
        let authorisation = Authorisation {
            token: &token_id(secret(&format!("token of {device}"))),
            device,
            half_ref: &secret(half_ref),
            linkinjected: None,
        };
        self.engine.authorise(authorisation).await.expect("authorised");
    }

    /// Opens a socket with a `halfRef` of its own.
    pub async fn open(&self, device: &str, name: &str) -> Opened {
        let half_ref = format!("half ref of {name}");
        self.authorise(device, &half_ref).await;
        self.engine.redeem(&secret(&half_ref), &connection(name)).await.expect("opened")
    }

    /// Sends a message.
    pub async fn send(&self, device: &str, data: &str) -> Sent {
        self.try_send(device, data).await.expect("sent")
    }

    /// Sends a message, or says why it cannot.
    pub async fn try_send(&self, device: &str, data: &str) -> Result<Sent, SendError> {
        let ttl = Duration::from_hours(1);
        let message = Outgoing { device, data, ttl, idempotency: None };
        self.engine.send(message).await
    }

    /// The numbers of the messages in the outbox.
    pub async fn waiting(&self, device: &str, name: &str) -> Vec<u64> {
        let batch = self.engine.outbox(device, &connection(name), 0, usize::MAX).await;
        batch.expect("it is the socket").into_iter().map(|message| message.seq).collect()
    }

    /// Drops events.
    pub async fn release(&self, through: u64) {
        let stream = self.engine.stream(0).await.expect("the engine is here");
        self.engine.release(0, &stream, through).await.expect("released");
    }

    /// Every kept event in a line: device, kind, connection, and cause, id or number.
    pub async fn events(&self) -> Vec<String> {
        let events = self.engine.events(0, 0, usize::MAX).await.expect("the engine is here").events;
        let lines = events.iter().map(|event| {
            let (kind, detail) = match &event.data {
                EventData::Connected { .. } => ("connected", None),
                EventData::Message { id, .. } => ("message", Some(id.to_string())),
                EventData::Disconnected { cause, .. } => {
                    let cause = cause.map(|cause| match cause {
                        DisconnectCause::Engine(reason) => format!("{reason:?}"),
                        DisconnectCause::Gateway(code) => code.to_string(),
                    });
                    ("disconnected", cause)
                }
                EventData::Expired { seq, .. } => ("expired", Some(seq.to_string())),
            };
            let connection = event.connection.as_ref().map(|connection| connection.0.to_string());
            let words = [event.device.to_string(), kind.to_owned()];
            words.into_iter().chain(connection).chain(detail).collect::<Vec<_>>()
        });
        lines.map(|words| words.join(" ")).collect()
    }

    /// The notifications since the last call.
    pub fn notifications(&self) -> Vec<Notification> {
        mem::take(&mut self.recorder.notifications())
    }

    /// Waits for a notification.
    pub async fn is_notified(&self, expected: &Notification) {
        let notified = async {
            while !self.recorder.notifications().contains(expected) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, notified).await;
        assert!(waited.is_ok(), "no {expected:?}, but {:?}", self.notifications());
    }
}
