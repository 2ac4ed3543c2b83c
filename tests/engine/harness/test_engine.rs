//! An engine under test with its clock, its notifications and, of the journal, its folder.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::{
    Clock, DisconnectCause, Durability, EndReason, Engine, Event, EventData, Events, Home,
    JournalError, Limits, Millis, TokenId, millis,
};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{
    Backend, SECOND,
    backend::{in_memory, on_journal, on_partitions, on_redis},
    merged::Merged,
    notifications::Notifications,
    secret,
};

/// When every test begins: 2023-11-14T22:13:20Z.
pub const START: Millis = 1_700_000_000_000;

/// Clocks that stand still until they are moved.
struct ManualClock {
    now: AtomicU64,
    wall: AtomicU64,
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    fn wall(&self) -> Millis {
        self.wall.load(Ordering::SeqCst)
    }
}

/// An engine under test.
pub struct TestEngine {
    /// The engine itself, for what has no short form here.
    pub inner: Arc<dyn Engine>,
    /// What the engine was made with, and what it gets at its next start.
    pub limits: Limits,
    /// Whether the socket and the open authorisations of an expired token, and a record that ended,
    /// count as ended before a sweep. On Redis these end with the sweep.
    pub expires_unswept: bool,
    pub(super) notifications: Arc<Notifications>,
    clock: Arc<ManualClock>,
    /// The number of the first event that [`Self::new_events`] has not returned yet.
    unread: AtomicU64,
    pub(super) merged: Mutex<Merged>,
    /// The device that each token was last requested for.
    tokens: std::sync::Mutex<HashMap<String, String>>,
    /// The journal's folder.
    folder: Option<TempDir>,
}

impl TestEngine {
    /// An engine with the default limits.
    pub async fn new(backend: Backend) -> Self {
        Self::with_limits(backend, Limits::default()).await
    }

    /// An engine with limits of its own.
    pub async fn with_limits(backend: Backend, limits: Limits) -> Self {
        let clock = Arc::new(ManualClock { now: START.into(), wall: START.into() });
        let notifications = Arc::new(Notifications::default());
        let (time, listener) = (clock.clone(), notifications.clone());
        let folder = (backend == Backend::Journal).then(|| tempfile::tempdir().expect("a folder"));
        let inner = match (backend, &folder) {
            (Backend::Redis, _) => on_redis(&limits, time, listener).await,
            (Backend::Partitions(partitions), _) => {
                on_partitions(partitions, &limits, time, listener).await
            }
            (_, None) => in_memory(limits.clone(), time, listener),
            (_, Some(folder)) => {
                on_journal(folder.path(), Durability::Process, &limits, time, listener)
                    .expect("an empty folder")
            }
        };
        let expires_unswept = matches!(backend, Backend::Memory | Backend::Journal);
        Self {
            inner,
            limits,
            expires_unswept,
            notifications,
            clock,
            unread: AtomicU64::new(1),
            merged: Mutex::default(),
            tokens: std::sync::Mutex::default(),
            folder,
        }
    }

    /// Whether the engine can be restarted.
    pub const fn has_journal(&self) -> bool {
        self.folder.is_some()
    }

    /// Restarts the engine on its journal, after a clean shutdown or as if its process was killed.
    pub async fn restart(&mut self, clean: bool) {
        if clean {
            self.inner.end().await;
        }
        self.kill();
        self.reopen(Durability::Process).expect("the journal can be recovered");
    }

    /// The folder of the journal.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a journal").path()
    }

    /// Drops the engine as if its process was killed, and returns the folder of its journal.
    pub fn kill(&mut self) -> &Path {
        let (clock, listener) = (self.clock.clone(), self.notifications.clone());
        self.inner = in_memory(self.limits.clone(), clock, listener);
        self.folder()
    }

    /// Starts an engine on the journal of one that was killed.
    pub fn reopen(&mut self, durability: Durability) -> Result<(), JournalError> {
        let (clock, listener) = (self.clock.clone(), self.notifications.clone());
        self.inner = on_journal(self.folder(), durability, &self.limits, clock, listener)?;
        Ok(())
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Makes the journal hang after its next commit that appends an event, until this is dropped: that
    /// step and all later ones are not confirmed.
    pub fn hang(&self) -> impl Drop + '_ {
        self.notifications.hold()
    }

    /// The token of this name is requested for a device.
    pub(super) fn knows_token(&self, token: &str, device: &str) {
        let mut tokens = self.tokens.lock().expect("no test panics while it holds this");
        tokens.insert(token.to_owned(), device.to_owned());
    }

    /// The token of this name, with the home that its text would have.
    pub(super) fn token_id(&self, token: &str) -> TokenId {
        let tokens = self.tokens.lock().expect("no test panics while it holds this");
        let device = tokens.get(token).map(String::as_str).unwrap_or_default();
        TokenId { digest: secret(token), home: Home::of_device(device) }
    }

    /// The names of the event streams of all partitions.
    pub async fn streams(&self) -> Vec<Arc<str>> {
        let mut streams = Vec::new();
        for partition in 0..self.inner.partitions() {
            streams.push(self.inner.stream(partition).await.expect("the engine is available"));
        }
        streams
    }

    /// Advances the clock, and has the engine expire what is due then.
    pub async fn advance(&self, time: Duration) {
        self.merged.lock().await.keep_up(&*self.inner).await;
        self.advance_unswept(time);
        self.sweep().await;
    }

    /// Advances the clock alone. A gateway sweeps about every half second; until it does, what is
    /// due counts as expired all the same.
    pub fn advance_unswept(&self, time: Duration) {
        self.clock.now.fetch_add(millis(time), Ordering::SeqCst);
        self.clock.wall.fetch_add(millis(time), Ordering::SeqCst);
    }

    /// Sets the wall clock; no time passes.
    pub fn set_wall_clock(&self, to: Millis) {
        self.clock.wall.store(to, Ordering::SeqCst);
    }

    /// Restarts the clock that counts from the start of the machine. The wall clock stays.
    pub fn restart_clock(&self) {
        self.clock.now.store(millis(SECOND), Ordering::SeqCst);
    }

    /// Has the engine expire what is due.
    pub async fn sweep(&self) {
        self.inner.expire().await.expect("the engine is available");
    }

    /// The events since the last call.
    pub async fn new_events(&self) -> Vec<Event> {
        let from = self.unread.load(Ordering::SeqCst);
        let Events { next, events, .. } = self.events(from, usize::MAX).await;
        self.unread.store(next, Ordering::SeqCst);
        events
    }

    /// Asserts that exactly these events were appended since the last call; each is written as
    /// [`in_words`] has it.
    pub async fn events_are(&self, expected: &[&str]) {
        let events = self.new_events().await;
        let mut events: Vec<_> = events.iter().map(in_words).collect();
        let mut expected = expected.to_vec();
        if self.inner.partitions() > 1 {
            // Only within a device their order is a promise.
            let device = |event: &str| event.split(' ').next().map(ToOwned::to_owned);
            events.sort_by_key(|event| device(event));
            expected.sort_by_key(|event| device(event));
        }
        assert_eq!(events, expected);
    }

    /// The connections that had to end since the last call, with the reasons.
    pub fn take_ended(&self) -> Vec<(String, EndReason)> {
        self.notifications.take_ended()
    }

    /// Asserts that exactly these connections had to end since the last call.
    pub fn ended_are(&self, expected: &[(&str, EndReason)]) {
        let ended = self.take_ended();
        let ended: Vec<_> = ended.iter().map(|(name, reason)| (name.as_str(), *reason)).collect();
        assert_eq!(ended, expected);
    }

    /// The connections that were notified of a message since the last call.
    pub fn notified_of_messages(&self) -> Vec<String> {
        self.notifications.take_queued()
    }

    /// The devices whose messages were notified as acknowledged or expired since the last call.
    pub fn notified_of_settled_messages(&self) -> Vec<String> {
        self.notifications.take_settled()
    }

    /// How many messages were notified as expired since the last call.
    pub fn notified_of_expired_messages(&self) -> u64 {
        self.notifications.take_expired()
    }

    /// Whether there was a notification of events since the last call.
    pub fn notified_of_events(&self) -> bool {
        self.notifications.take_events_appended()
    }
}

/// An event in one line: device, kind and fields, without time and epoch.
fn in_words(event: &Event) -> String {
    let mut words = vec![event.device.to_string()];
    let connection = event.connection.as_ref().map(|connection| connection.0.to_string());
    match &event.data {
        EventData::Connected { linkinjected, .. } => {
            words.push("connected".to_owned());
            words.extend(connection);
            words.extend(linkinjected.as_ref().map(ToString::to_string));
        }
        EventData::Message { id, data } => {
            words.push("message".to_owned());
            words.extend(connection);
            words.extend([id.to_string(), data.to_string()]);
        }
        EventData::Disconnected { cause, .. } => {
            words.push("disconnected".to_owned());
            words.extend(connection);
            words.extend(cause.map(|cause| match cause {
                DisconnectCause::Engine(reason) => format!("{reason:?}"),
                DisconnectCause::Gateway(code) => code.to_string(),
            }));
        }
        EventData::Expired { seq, .. } => {
            words.push("expired".to_owned());
            words.extend(connection);
            words.push(seq.to_string());
        }
    }
    words.join(" ")
}
