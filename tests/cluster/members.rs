//! Engines of several gateways on one Redis, with one clock that only the test moves. Secrets and
//! connections go by short names.

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
    EventData, Limits, Millis, Opened, Outgoing, Requester, Sent, millis,
    redis::{Redis, RedisOptions},
};
use redis::cmd;
use tests::{RedisServer, gateway::PATIENCE};
use tokio::time::sleep;

/// How long a gateway that is not heard of is not taken for gone.
pub const LEASE: Duration = Duration::from_secs(10);

/// Ends with the test run: see [`RedisServer`].
pub static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

/// A clock that stands still until it is moved.
pub struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a gateway's sockets were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    End(String, EndReason),
    Queued(String),
    Acknowledged(String),
    Happened,
    Missed,
}

/// Remembers what it was told, in order.
#[derive(Default)]
struct Recorder(Mutex<Vec<Told>>);

impl Recorder {
    fn told(&self) -> MutexGuard<'_, Vec<Told>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl EngineListener for Recorder {
    fn end(&self, connection: &ConnectionId, ending: EndReason) {
        self.told().push(Told::End(connection.0.to_string(), ending));
    }

    fn message_queued(&self, connection: &ConnectionId) {
        self.told().push(Told::Queued(connection.0.to_string()));
    }

    fn messages_acknowledged(&self, device: &str) {
        self.told().push(Told::Acknowledged(device.to_owned()));
    }

    fn events_appended(&self) {
        self.told().push(Told::Happened);
    }

    fn notifications_missed(&self) {
        self.told().push(Told::Missed);
    }
}

/// The digest of the secret with this name.
pub fn secret(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The connection with this name.
pub fn connection(name: &str) -> ConnectionId {
    ConnectionId(name.into())
}

/// One Redis with nobody on it yet.
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
    sockets: Arc<Recorder>,
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
        let mut settings = RedisOptions::new(url).expect("a URL");
        settings.lease = LEASE;
        settings.timeout = self.timeout;
        self.join_with(settings).await
    }

    /// One more gateway, with settings of its own.
    pub async fn join_with(&self, settings: RedisOptions) -> Member {
        let member = self.start(settings);
        // A machine that has much to do may need more than one try.
        let begun = Instant::now();
        while member.engine.ready().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "no link to Redis");
        }
        member.told();
        member
    }

    /// One more gateway, which may find no Redis.
    pub fn start(&self, mut settings: RedisOptions) -> Member {
        let sockets = Arc::new(Recorder::default());
        settings.prefix.clone_from(&self.prefix);
        let clock: Arc<dyn Clock> = self.clock.clone();
        let engine = Redis::start(&self.limits, settings, Some(clock), sockets.clone());
        Member { engine: Arc::new(engine), sockets }
    }

    /// Lets time go by, in which only these gateways do their housekeeping.
    pub async fn pass(&self, time: Duration, living: &[&Member]) {
        // As often as a gateway does, seen from its lease.
        let (end, step) = (self.clock.now() + millis(time), millis(LEASE / 10));
        while self.clock.now() < end {
            let left = end - self.clock.now();
            self.clock.0.fetch_add(left.min(step), Ordering::SeqCst);
            for member in living {
                member.engine.expire().await.expect("the engine is here");
            }
        }
    }

    /// Lets time go by in which nobody does anything.
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
        self.engine.request_token(device, Requester::Claim(None), &token).await.expect("a token");
    }

    /// Has a socket wait for a `halfRef`.
    pub async fn authorise(&self, device: &str, half_ref: &str) {
        let authorisation = Authorisation {
            token: &secret(&format!("token of {device}")),
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
        let ttl = Duration::from_hours(1);
        let message = Outgoing { device, data, ttl, idempotency: None };
        self.engine.send(message).await.expect("sent")
    }

    /// The numbers of all that waits in the outbox.
    pub async fn waiting(&self, device: &str, name: &str) -> Vec<u64> {
        let batch = self.engine.outbox(device, &connection(name), 0, usize::MAX).await;
        batch.expect("it is the socket").into_iter().map(|message| message.seq).collect()
    }

    /// Every event that is kept: device, kind, connection and code.
    pub async fn events(&self) -> Vec<String> {
        let events = self.engine.events(0, usize::MAX).await.expect("the engine is here").events;
        let told = events.iter().map(|event| {
            let (kind, said) = match &event.data {
                EventData::Connected { .. } => ("connected", None),
                EventData::Message { id, .. } => ("message", Some(id.to_string())),
                EventData::Disconnected { cause } => {
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
            words.into_iter().chain(connection).chain(said).collect::<Vec<_>>()
        });
        told.map(|words| words.join(" ")).collect()
    }

    /// What its sockets were told since this was last asked.
    pub fn told(&self) -> Vec<Told> {
        mem::take(&mut self.sockets.told())
    }

    /// Waits until its sockets were told this.
    pub async fn is_told(&self, expected: &Told) {
        let heard = async {
            while !self.sockets.told().contains(expected) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, heard).await;
        assert!(waited.is_ok(), "{expected:?} was not told, but {:?}", self.told());
    }
}
