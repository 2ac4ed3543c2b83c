//! An engine with a clock that only the test moves, and with sockets that only remember.
//!
//! Tokens, `halfRef`s and connections go by short names here: the name of a secret stands for the
//! secret, and the engine sees its digest.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use server::engine::{
    Authorisation, AuthoriseError, Clock, ConnectionId, Digest, Ending, Engine, EngineSettings,
    Millis, Opened, RedeemError, RequestTokenError, Requester, Sockets, TokenError,
    embedded::Embedded, millis,
};

/// The smallest step of time.
pub const MOMENT: Duration = Duration::from_millis(1);

/// The lifetime of an authorisation, unless a test says otherwise.
pub const AUTHORISATION: Duration = Duration::from_secs(30);

/// How long a dead `halfRef` is remembered, unless a test says otherwise.
pub const MEMORY: Duration = Duration::from_mins(10);

/// The lifetime of a token, and of a record without one, unless a test says otherwise.
pub const DAY: Duration = Duration::from_hours(24);

/// The last moment before this much time has gone by.
pub fn just_before(time: Duration) -> Duration {
    time.saturating_sub(MOMENT)
}

/// Makes an engine.
pub trait Make:
    AsyncFn(EngineSettings, Arc<dyn Clock>, Arc<dyn Sockets>) -> Arc<dyn Engine>
{
}

impl<T> Make for T where
    T: AsyncFn(EngineSettings, Arc<dyn Clock>, Arc<dyn Sockets>) -> Arc<dyn Engine>
{
}

/// The engine of one gateway.
pub async fn make_embedded(
    settings: EngineSettings,
    clock: Arc<dyn Clock>,
    sockets: Arc<dyn Sockets>,
) -> Arc<dyn Engine> {
    Arc::new(Embedded::new(settings, clock, sockets))
}

/// A clock that stands still until it is moved.
struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// Remembers what was to end, in order.
#[derive(Default)]
struct Recorder(Mutex<Vec<(ConnectionId, Ending)>>);

impl Sockets for Recorder {
    fn end(&self, connection: &ConnectionId, ending: Ending) {
        let mut endings = self.0.lock().expect("no test panics while it holds this");
        endings.push((connection.clone(), ending));
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

/// An engine under test.
pub struct World {
    pub engine: Arc<dyn Engine>,
    clock: Arc<ManualClock>,
    sockets: Arc<Recorder>,
}

impl World {
    /// With the limits that a gateway has by default.
    pub async fn new(make: impl Make) -> Self {
        Self::with(make, EngineSettings::default()).await
    }

    /// With limits of its own.
    pub async fn with(make: impl Make, settings: EngineSettings) -> Self {
        let clock = Arc::new(ManualClock(AtomicU64::new(1_700_000_000_000)));
        let sockets = Arc::new(Recorder::default());
        Self {
            engine: make(settings, clock.clone(), sockets.clone()).await,
            clock,
            sockets,
        }
    }

    /// Now.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Lets time go by, and has the engine end what is due then.
    pub async fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(millis(time), Ordering::SeqCst);
        self.engine.expire().await.expect("the engine is here");
    }

    async fn request(
        &self,
        device: &str,
        requester: Requester<'_>,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        self.engine
            .request_token(device, requester, &secret(token))
            .await
    }

    /// Asks for a token through the test channel.
    pub async fn test(&self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        self.request(device, Requester::Test, token).await
    }

    /// Asks for a token through a channel that claims, showing none.
    pub async fn claim(&self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        self.request(device, Requester::Claim(None), token).await
    }

    /// Asks for a token through a channel that claims, showing one.
    pub async fn renew(
        &self,
        device: &str,
        shown: &str,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        let shown = secret(shown);
        self.request(device, Requester::Claim(Some(&shown)), token)
            .await
    }

    /// Asks for a token as the operator.
    pub async fn issue(&self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        self.request(device, Requester::Operator, token).await
    }

    /// Looks at a token.
    pub async fn check(&self, token: &str) -> Result<(), TokenError> {
        self.engine.check_token(&secret(token)).await
    }

    /// Ends a token.
    pub async fn revoke(&self, token: &str) {
        self.engine
            .revoke_token(&secret(token))
            .await
            .expect("the engine is here");
    }

    /// Has a socket wait for a `halfRef`.
    pub async fn authorise(
        &self,
        token: &str,
        device: &str,
        half_ref: &str,
    ) -> Result<(), AuthoriseError> {
        self.authorise_linked(token, device, half_ref, None).await
    }

    /// Has a socket wait for a `halfRef`, with a link.
    pub async fn authorise_linked(
        &self,
        token: &str,
        device: &str,
        half_ref: &str,
        linkinjected: Option<&str>,
    ) -> Result<(), AuthoriseError> {
        let authorisation = Authorisation {
            token: &secret(token),
            device,
            half_ref: &secret(half_ref),
            linkinjected,
        };
        self.engine.authorise(authorisation).await
    }

    /// Redeems a `halfRef` for a connection.
    pub async fn redeem(&self, half_ref: &str, name: &str) -> Result<Opened, RedeemError> {
        self.engine
            .redeem(&secret(half_ref), &connection(name))
            .await
    }

    /// Opens a socket with a `halfRef` of its own.
    pub async fn open(&self, token: &str, device: &str, name: &str) -> Opened {
        let half_ref = format!("half ref of {name}");
        self.authorise(token, device, &half_ref)
            .await
            .expect("authorised");
        self.redeem(&half_ref, name).await.expect("opened")
    }

    /// Says that a connection is gone.
    pub async fn close(&self, device: &str, name: &str) {
        self.engine
            .close(device, &connection(name))
            .await
            .expect("the engine is here");
    }

    /// Which connections were ended since this was last asked, and why.
    pub fn endings(&self) -> Vec<(String, Ending)> {
        let mut endings = self
            .sockets
            .0
            .lock()
            .expect("no test panics while it holds this");
        endings
            .drain(..)
            .map(|(connection, ending)| (connection.0.to_string(), ending))
            .collect()
    }

    /// Whether exactly these connections were ended since this was last asked.
    pub fn ended(&self, expected: &[(&str, Ending)]) {
        let endings = self.endings();
        let endings: Vec<_> = endings
            .iter()
            .map(|(name, ending)| (name.as_str(), *ending))
            .collect();
        assert_eq!(endings, expected);
    }
}
