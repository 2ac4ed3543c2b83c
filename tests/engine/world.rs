//! An engine with a clock that only the test moves, and with sockets that only remember.
//!
//! Tokens, `halfRef`s and connections go by short names here: the name of a secret stands for the
//! secret, and the engine sees its digest.

use std::{
    mem,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::{
    Authorisation, AuthoriseError, Clock, ConnectionId, DeviceState, Digest, DisconnectCause,
    Durability, EndReason, Engine, EngineListener, Event, EventData, Events, Idempotency, Limits,
    Message, Millis, Opened, Outgoing, RedeemError, RequestTokenError, Requester, SendError, Sent,
    SocketError, TokenError, embedded::Embedded, millis,
};
use tempfile::TempDir;

/// The smallest step of time.
pub const MOMENT: Duration = Duration::from_millis(1);

/// The lifetime of an authorisation, unless a test says otherwise.
pub const AUTHORISATION: Duration = Duration::from_secs(30);

/// How long a dead `halfRef` is remembered, unless a test says otherwise.
pub const MEMORY: Duration = Duration::from_mins(10);

/// The lifetime of a token, and of a record without one, unless a test says otherwise.
pub const DAY: Duration = Duration::from_hours(24);

/// The lifetime of a message, unless a test says otherwise.
pub const MESSAGE: Duration = Duration::from_hours(1);

/// The last moment before this much time has gone by.
pub fn just_before(time: Duration) -> Duration {
    time.saturating_sub(MOMENT)
}

/// Makes an engine.
pub trait Make:
    AsyncFn(Limits, Arc<dyn Clock>, Arc<dyn EngineListener>) -> Arc<dyn Engine>
{
}

impl<T> Make for T where
    T: AsyncFn(Limits, Arc<dyn Clock>, Arc<dyn EngineListener>) -> Arc<dyn Engine>
{
}

/// The engine of one gateway.
pub async fn make_embedded(
    settings: Limits,
    clock: Arc<dyn Clock>,
    sockets: Arc<dyn EngineListener>,
) -> Arc<dyn Engine> {
    Arc::new(Embedded::new(settings, clock, sockets))
}

/// The engine of one gateway with a journal that nobody comes back to: its folder goes with the
/// test's last use of it.
pub async fn make_journaled(
    settings: Limits,
    clock: Arc<dyn Clock>,
    sockets: Arc<dyn EngineListener>,
) -> Arc<dyn Engine> {
    let folder = tempfile::tempdir().expect("a folder");
    open_journal(&folder, settings, clock, sockets)
}

/// So short that the journal is written anew all the time.
const REWRITE_AT: usize = 2000;

fn open_journal(
    folder: &TempDir,
    settings: Limits,
    clock: Arc<dyn Clock>,
    sockets: Arc<dyn EngineListener>,
) -> Arc<dyn Engine> {
    try_open_journal(folder, Durability::Process, settings, clock, sockets)
        .expect("the journal is good")
}

fn try_open_journal(
    folder: &TempDir,
    durability: Durability,
    settings: Limits,
    clock: Arc<dyn Clock>,
    sockets: Arc<dyn EngineListener>,
) -> Result<Arc<dyn Engine>, String> {
    let engine = Embedded::open(settings, clock, sockets, folder.path(), durability, REWRITE_AT)?;
    Ok(Arc::new(engine))
}

/// A clock that stands still until it is moved.
struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// Remembers what it was told, in order.
#[derive(Default)]
struct Recorder(Mutex<Told>);

#[derive(Default)]
struct Told {
    endings: Vec<(ConnectionId, EndReason)>,
    queued: Vec<ConnectionId>,
    acknowledged: Vec<String>,
    happened: bool,
}

impl Recorder {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl EngineListener for Recorder {
    fn end(&self, connection: &ConnectionId, ending: EndReason) {
        self.told().endings.push((connection.clone(), ending));
    }

    fn message_queued(&self, connection: &ConnectionId) {
        self.told().queued.push(connection.clone());
    }

    fn messages_acknowledged(&self, device: &str) {
        self.told().acknowledged.push(device.to_owned());
    }

    fn events_appended(&self) {
        self.told().happened = true;
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

/// The name of an event's kind.
pub const fn kind(data: &EventData) -> &'static str {
    match data {
        EventData::Connected { .. } => "connected",
        EventData::Message { .. } => "message",
        EventData::Disconnected { .. } => "disconnected",
        EventData::Expired { .. } => "expired",
    }
}

/// An event in one line: device, kind, connection and the fields of the kind but for the epoch.
fn told(event: &Event) -> String {
    let mut words = vec![event.device.to_string(), kind(&event.data).to_owned()];
    words.extend(event.connection.as_ref().map(|connection| connection.0.to_string()));
    match &event.data {
        EventData::Connected { linkinjected } => {
            words.extend(linkinjected.as_ref().map(ToString::to_string));
        }
        EventData::Message { id, data } => words.extend([id.to_string(), data.to_string()]),
        EventData::Disconnected { cause: None } => {}
        EventData::Disconnected { cause: Some(DisconnectCause::Engine(reason)) } => {
            words.push(format!("{reason:?}"));
        }
        EventData::Disconnected { cause: Some(DisconnectCause::Gateway(code)) } => {
            words.push(code.to_string());
        }
        EventData::Expired { seq, .. } => words.push(seq.to_string()),
    }
    words.join(" ")
}

/// An engine under test.
pub struct World {
    pub engine: Arc<dyn Engine>,
    clock: Arc<ManualClock>,
    sockets: Arc<Recorder>,
    /// The number of the first event that the test has not asked for yet.
    unread: AtomicU64,
    /// What the engine was made with, and what the next one gets.
    pub settings: Limits,
    /// The folder of the journal, if the engine outlives its end.
    folder: Option<TempDir>,
}

impl World {
    /// With the limits that a gateway has by default.
    pub async fn new(make: impl Make) -> Self {
        Self::with(make, Limits::default()).await
    }

    /// With limits of its own.
    pub async fn with(make: impl Make, settings: Limits) -> Self {
        let clock = Arc::new(ManualClock(AtomicU64::new(1_700_000_000_000)));
        let sockets = Arc::new(Recorder::default());
        let engine = make(settings.clone(), clock.clone(), sockets.clone()).await;
        Self { engine, clock, sockets, unread: AtomicU64::new(1), settings, folder: None }
    }

    /// With a journal to come back to.
    pub async fn lasting(settings: Limits) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let make = async |settings, clock, sockets| open_journal(&folder, settings, clock, sockets);
        let world = Self::with(make, settings).await;
        Self { folder: Some(folder), ..world }
    }

    /// Whether the engine can be killed and begin again.
    pub fn lasts(&self) -> bool {
        self.folder.is_some()
    }

    /// Ends the engine, as a kill would or in good order, and has it begin again.
    pub async fn restart(&mut self, in_good_order: bool) {
        if in_good_order {
            self.engine.end().await;
        }
        self.kill().await;
        self.begin(Durability::Process).expect("the journal is good");
    }

    /// Ends the engine as a kill would; gives the folder of its journal.
    pub async fn kill(&mut self) -> &Path {
        let settings = self.settings.clone();
        self.engine = make_embedded(settings, self.clock.clone(), self.sockets.clone()).await;
        self.folder.as_ref().expect("there is something to come back to").path()
    }

    /// Has an engine that was killed begin again.
    pub fn begin(&mut self, durability: Durability) -> Result<(), String> {
        let folder = self.folder.as_ref().expect("there is something to come back to");
        let settings = self.settings.clone();
        let (clock, sockets) = (self.clock.clone(), self.sockets.clone());
        self.engine = try_open_journal(folder, durability, settings, clock, sockets)?;
        Ok(())
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
        self.engine.request_token(device, requester, &secret(token)).await
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
        self.request(device, Requester::Claim(Some(&shown)), token).await
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
        self.engine.revoke_token(&secret(token)).await.expect("the engine is here");
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
        self.engine.redeem(&secret(half_ref), &connection(name)).await
    }

    /// Opens a socket with a `halfRef` of its own.
    pub async fn open(&self, token: &str, device: &str, name: &str) -> Opened {
        let half_ref = format!("half ref of {name}");
        self.authorise(token, device, &half_ref).await.expect("authorised");
        self.redeem(&half_ref, name).await.expect("opened")
    }

    /// Says that a connection is gone.
    pub async fn close(&self, device: &str, name: &str) {
        self.close_with(device, name, None).await;
    }

    /// Says that a connection is gone, and which code it was closed with.
    pub async fn close_with(&self, device: &str, name: &str, code: Option<u16>) {
        self.engine.close(device, &connection(name), code).await.expect("the engine is here");
    }

    /// Sends a message.
    pub async fn send(&self, device: &str, data: &str) -> Result<Sent, SendError> {
        self.send_for(device, data, MESSAGE).await
    }

    /// Sends a message with a lifetime of its own.
    pub async fn send_for(
        &self,
        device: &str,
        data: &str,
        ttl: Duration,
    ) -> Result<Sent, SendError> {
        self.engine.send(Outgoing { device, data, ttl, idempotency: None }).await
    }

    /// Sends a message that may be sent again under the same key.
    pub async fn send_once(&self, device: &str, data: &str, key: &str) -> Result<Sent, SendError> {
        let idempotency = Some(Idempotency { key: secret(key), body: secret(data) });
        self.engine.send(Outgoing { device, data, ttl: MESSAGE, idempotency }).await
    }

    /// Whether a message is acknowledged.
    pub async fn is_acknowledged(&self, device: &str, epoch: &str, seq: u64) -> bool {
        self.engine.is_acknowledged(device, epoch, seq).await.expect("the engine is here")
    }

    /// Reads a batch of messages from the outbox.
    pub async fn outbox(
        &self,
        device: &str,
        name: &str,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        self.engine.outbox(device, &connection(name), after, bytes).await
    }

    /// The numbers of a batch of messages in the outbox.
    pub async fn batch(&self, device: &str, name: &str, after: u64, bytes: usize) -> Vec<u64> {
        let messages = self.outbox(device, name, after, bytes).await.expect("it is the socket");
        messages.into_iter().map(|message| message.seq).collect()
    }

    /// The numbers of all that waits in the outbox.
    pub async fn waiting(&self, device: &str, name: &str) -> Vec<u64> {
        self.batch(device, name, 0, usize::MAX).await
    }

    /// Says that the prospect has processed all up to a number.
    pub async fn acknowledge(&self, device: &str, name: &str, seq: u64) -> Result<(), SocketError> {
        self.engine.acknowledge(device, &connection(name), seq).await
    }

    /// Says what the prospect said.
    pub async fn accept(
        &self,
        device: &str,
        name: &str,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        self.engine.accept(device, &connection(name), id, data).await
    }

    /// Looks at a device.
    pub async fn device(&self, device: &str) -> Option<DeviceState> {
        self.engine.device(device).await.expect("the engine is here")
    }

    /// The names of the connected devices.
    pub async fn connected(&self, after: &str, limit: usize) -> Vec<String> {
        let devices = self.engine.connected(after, limit).await.expect("the engine is here");
        devices.into_iter().map(|state| state.device.to_string()).collect()
    }

    /// Ends all that is kept for a device.
    pub async fn forget(&self, device: &str) {
        self.engine.disconnect(device).await.expect("the engine is here");
    }

    /// Reads the event stream.
    pub async fn events(&self, from: u64, limit: usize) -> Events {
        self.engine.events(from, limit).await.expect("the engine is here")
    }

    /// Releases events.
    pub async fn release(&self, through: u64) {
        self.engine.release(through).await.expect("the engine is here");
    }

    /// Releases all events.
    pub async fn release_all(&self) {
        self.release(self.events(0, 0).await.next - 1).await;
    }

    /// What happened since this was last asked.
    pub async fn news(&self) -> Vec<Event> {
        let from = self.unread.load(Ordering::SeqCst);
        let Events { next, events, .. } = self.events(from, usize::MAX).await;
        self.unread.store(next, Ordering::SeqCst);
        events
    }

    /// Whether exactly this happened since this was last asked; see [`told`] for how it is told.
    pub async fn happened(&self, expected: &[&str]) {
        let news: Vec<_> = self.news().await.iter().map(told).collect();
        assert_eq!(news, expected);
    }

    /// Which connections were ended since this was last asked, and why.
    pub fn endings(&self) -> Vec<(String, EndReason)> {
        let endings = mem::take(&mut self.sockets.told().endings);
        endings.into_iter().map(|(connection, ending)| (connection.0.to_string(), ending)).collect()
    }

    /// Which connections were told of something new in the outbox since this was last asked.
    pub fn told_of_messages(&self) -> Vec<String> {
        let queued = mem::take(&mut self.sockets.told().queued);
        queued.into_iter().map(|connection| connection.0.to_string()).collect()
    }

    /// Which devices were said to have acknowledged since this was last asked.
    pub fn told_of_acknowledgements(&self) -> Vec<String> {
        mem::take(&mut self.sockets.told().acknowledged)
    }

    /// Whether the readers of events were told of new ones since this was last asked.
    pub fn told_of_events(&self) -> bool {
        mem::take(&mut self.sockets.told().happened)
    }

    /// Whether exactly these connections were ended since this was last asked.
    pub fn ended(&self, expected: &[(&str, EndReason)]) {
        let endings = self.endings();
        let endings: Vec<_> =
            endings.iter().map(|(name, ending)| (name.as_str(), *ending)).collect();
        assert_eq!(endings, expected);
    }
}
