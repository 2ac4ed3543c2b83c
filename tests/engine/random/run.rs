//! One run: an engine and its model take the same operations and must answer alike.

use std::{collections::BTreeSet, fmt::Debug, mem, time::Duration};

use engine::{
    Acknowledgement, Event, EventData, Idempotency, Message, Millis, Opened, Outgoing, RedeemError,
    SocketError, millis,
};

use super::{
    client::{Clients, Next},
    invariants::Invariants,
    model::{Erased, Model, conversation},
    operation::{Choice, DEVICES, Device, Operation, Requester},
};
use crate::harness::{TestEngine, secret};

/// The state of a run.
pub struct Run {
    engine: TestEngine,
    model: Model,
    invariants: Invariants,
    clients: Clients,
    /// Every token that was issued, with its device.
    tokens: Vec<(String, Device)>,
    /// Every connection that opened, with its device.
    connections: Vec<(String, Device)>,
    /// How many names were made up.
    names: usize,
    /// The clock moved and the engine was not told: it may end what is due at any moment, so events
    /// and notifications are compared after the next sweep.
    unswept: bool,
    /// What was acknowledged since: only the events will say which of it had expired before.
    acknowledged_unswept: Vec<(String, u64)>,
    /// The outcomes that the run met.
    pub met: BTreeSet<String>,
}

impl Run {
    pub fn new(engine: TestEngine) -> Self {
        Self {
            model: Model::new(engine.now(), engine.limits.clone(), engine.inner.partitions()),
            invariants: Invariants::new(millis(engine.limits.half_ref_memory)),
            engine,
            clients: Clients::new(),
            tokens: Vec::new(),
            connections: Vec::new(),
            names: 0,
            unswept: false,
            acknowledged_unswept: Vec::new(),
            met: BTreeSet::new(),
        }
    }

    pub async fn take(&mut self, operation: &Operation) {
        match *operation {
            Operation::RequestToken { device, requester, token, key, data } => {
                self.request_token(device, requester, token, key, data).await;
            }
            Operation::CheckToken(token) => {
                let (token, _) = self.token(token);
                let answer = self.engine.check_token(&token).await;
                let _ = self.same("check", answer, &self.model.check_token(&token));
            }
            Operation::RevokeToken(token) => {
                let (token, _) = self.token(token);
                self.engine.revoke(&token).await;
                self.model.revoke(&token);
            }
            Operation::Authorise { token, device, half_ref, link } => {
                let (token, its_device) = self.token(token);
                self.authorise(&token, device.unwrap_or(its_device), half_ref, link).await;
            }
            Operation::Redeem { half_ref } => self.redeem(half_ref).await,
            Operation::Connect(device) => self.connect(device).await,
            Operation::Lose { device, reported, code } => {
                if let Some(name) = self.clients.of(device).connection.take()
                    && reported
                {
                    self.close(device, &name, code).await;
                }
            }
            Operation::Close { connection, device } => {
                if let Some((name, its_device)) = newest(&self.connections, connection) {
                    self.close(device.unwrap_or(its_device), &name, None).await;
                }
            }
            Operation::UseStale { connection } => self.use_stale(connection).await,
            Operation::Send { device, large, ttl, key, body } => {
                self.send(device, large, ttl, key, body).await;
            }
            Operation::Read { device, from_start, bytes } => {
                self.read(device, from_start, bytes).await;
            }
            Operation::Acknowledge { device, less } => self.acknowledge(device, less).await,
            Operation::Say { device, answered } => self.say(device, answered).await,
            Operation::Repeat { device, id } => self.repeat(device, id).await,
            Operation::Release { but } => self.release(but).await,
            Operation::Disconnect(device) => {
                self.engine.disconnect(device).await;
                self.model.disconnect(device);
            }
            Operation::Erase(device) => self.erase(device).await,
            Operation::Inspect { device, seq } => self.inspect(device, seq).await,
            Operation::Advance { time, swept } => self.advance(time, swept).await,
            Operation::Restart { clean } => self.restart(clean).await,
        }
        if !self.unswept {
            self.compare().await;
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind} {}", self.names)
    }

    /// A token and its device.
    fn token(&self, choice: Choice) -> (String, Device) {
        let token = match choice {
            Choice::Newest(place) => newest(&self.tokens, place),
            Choice::Oldest(place) => self.tokens.get(place).cloned(),
            Choice::Invented => None,
        };
        token.unwrap_or_else(|| ("invented".to_owned(), DEVICES[0]))
    }

    /// Asserts that engine and model answer alike, and records the outcome. Returns the answer.
    fn same<T: PartialEq + Debug, E: PartialEq + Debug>(
        &mut self,
        operation: &str,
        answer: Result<T, E>,
        expected: &Result<T, E>,
    ) -> Result<T, E> {
        assert_eq!(answer, *expected, "{operation}");
        let outcome = match &answer {
            Ok(_) => "Ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        // Without how long to wait.
        let outcome =
            outcome.split_once("Full(").map_or(outcome.clone(), |(it, _)| it.to_owned() + "Full");
        let swept = if self.unswept { "unswept " } else { "" };
        self.met.insert(format!("{swept}{operation} {outcome}"));
        answer
    }

    async fn request_token(
        &mut self,
        device: Device,
        requester: Requester,
        choice: Choice,
        key: Option<u8>,
        data: Option<&str>,
    ) {
        let token = self.name("token");
        let (shown, its_device) = self.token(choice);
        let device = if let Requester::Renew = requester { its_device } else { device };
        let (engine, model) = (&self.engine, &mut self.model);
        let key = key.map(|key| format!("request key {key}"));
        let key = key.as_deref();
        if key.is_some_and(|key| model.has_key(device, key)) {
            self.met.insert("claim with key repeated".to_owned());
        }
        let (operation, expected) = match requester {
            Requester::Test => ("test", model.request_test_token(device, &token)),
            Requester::Operator => ("issue", model.issue(device, &token)),
            Requester::Claim => (
                if key.is_some() { "claim with key" } else { "claim" },
                model.claim(device, None, key, &token),
            ),
            Requester::Renew | Requester::RenewOther => {
                ("renew", model.claim(device, Some(&shown), key, &token))
            }
        };
        let (shown, key) = (secret(&shown), key.map(secret));
        let requester = match requester {
            Requester::Test => engine::Requester::Test,
            Requester::Operator => engine::Requester::Operator,
            Requester::Claim => engine::Requester::Claim { shown: None, key: key.as_ref() },
            Requester::Renew | Requester::RenewOther => {
                engine::Requester::Claim { shown: Some(&shown), key: key.as_ref() }
            }
        };
        let answer = engine.request_token(device, requester, data, &token).await;
        if self.same(operation, answer, &expected).is_ok() {
            let asks = !matches!(requester, engine::Requester::Operator);
            self.model.granted(device, asks, data);
            self.tokens.push((token, device));
        }
    }

    async fn authorise(
        &mut self,
        token: &str,
        device: Device,
        half_ref: &str,
        link: Option<&str>,
    ) -> bool {
        let answer = self.engine.authorise_with_link(token, device, half_ref, link).await;
        let expected = self.model.authorise(token, device, half_ref, link);
        let authorised = self.same("authorise", answer, &expected).is_ok();
        if authorised {
            if self.model.replaced {
                self.met.insert("authorise replaced".to_owned());
            }
            self.invariants.authorised(half_ref, device);
        }
        authorised
    }

    async fn redeem(&mut self, half_ref: &str) {
        if let Some(device) = self.model.half_refs.get(half_ref).map(|it| it.device.clone()) {
            self.settle_room(&device).await;
        }
        let name = self.name("connection");
        let answer = self.engine.redeem(half_ref, &name).await;
        let expected = self.model.redeem(half_ref, &name);
        let record = expected.as_ref().map(|opened| opened.record).unwrap_or_default();
        let comparable = answer.clone().map(|Opened { device, linkinjected, .. }| {
            (device.to_string(), linkinjected.map(|link| link.to_string()))
        });
        let expected = expected.map(|opened| (opened.device, opened.linkinjected));
        match self.same("redeem", comparable, &expected) {
            Ok((device, _)) => {
                let opened = answer.expect("it was just compared");
                self.epoch_answered(record, &opened.epoch);
                self.invariants.opened(half_ref, &name, &opened, self.model.now);
                self.clients.of(&device).opened(&name, &opened.epoch);
                let device = DEVICES.into_iter().find(|it| **it == device).expect("one of them");
                self.connections.push((name, device));
            }
            Err(RedeemError::EventsFull) => {
                let device = &self.model.half_refs[half_ref].device;
                let of_one = self.model.is_stream_full_of(device, &name);
                let which = if of_one { "one device" } else { "all devices" };
                self.met.insert(format!("stream full of {which}"));
            }
            Err(_) => {}
        }
    }

    fn epoch_answered(&mut self, record: usize, epoch: &std::sync::Arc<str>) {
        assert_eq!(self.model.epoch(record, epoch), *epoch, "the epoch of the record");
        self.invariants.epoch_answered(record, epoch);
    }

    async fn connect(&mut self, device: Device) {
        if self.model.live_token(device).is_none() {
            self.request_token(device, Requester::Operator, Choice::Invented, None, None).await;
        }
        let Some(token) = self.model.live_token(device) else { return };
        let half_ref = self.name("half ref");
        if self.authorise(&token, device, &half_ref, None).await {
            self.redeem(&half_ref).await;
        }
    }

    async fn close(&mut self, device: Device, name: &str, code: Option<u16>) {
        let closes = self.model.record(device).is_some_and(|record| record.is_connection(name));
        self.engine.close_with(device, name, code).await;
        self.model.close(device, name, code);
        if closes {
            self.invariants.closed(name);
        }
    }

    async fn use_stale(&mut self, place: usize) {
        let Some((name, device)) = newest(&self.connections, place) else { return };
        if self.model.record(device).is_some_and(|record| record.is_connection(&name)) {
            return;
        }
        let stale = SocketError::Stale;
        let answer = self.engine.outbox(device, &name, 0, 10).await;
        let _ = self.same("outbox", answer, &Err(stale));
        let answer = self.engine.acknowledge(device, &name, 1_000_000).await;
        let _ = self.same("acknowledge", answer, &Err(stale));
        let answer = self.engine.accept(device, &name, "stale", "1").await;
        let _ = self.same("accept", answer, &Err(stale));
        self.engine.close_with(device, &name, Some(1000)).await;
    }

    async fn send(
        &mut self,
        device: Device,
        large: bool,
        ttl: Duration,
        key: Option<u8>,
        body: u8,
    ) {
        self.settle_room(device).await;
        let number = self.name("").trim().to_owned();
        let data = if large { format!("\"{number:x>28}\"") } else { number };
        let key = key.map(|key| format!("key {key}"));
        let body = format!("body {body}");
        let idempotency =
            key.as_ref().map(|key| Idempotency { key: secret(key), body: secret(&body) });
        let answer =
            self.engine.inner.send(Outgoing { device, data: &data, ttl, idempotency }).await;
        let key = key.as_ref().map(|key| (key.as_str(), body.as_str()));
        let outgoing = conversation::Outgoing { data: &data, ttl, key };
        let expected = self.model.send(device, &outgoing);

        let record = expected.as_ref().map(|sent| sent.record).unwrap_or_default();
        let repeated = expected.as_ref().is_ok_and(|sent| sent.repeated);
        let comparable = answer.clone().map(|sent| (sent.seq, sent.connected, sent.acknowledged));
        let expected = expected.map(|sent| (sent.seq, sent.connected, sent.acknowledged));
        if self.same("send", comparable, &expected).is_ok() {
            let sent = answer.expect("it was just compared");
            self.epoch_answered(record, &sent.epoch);
            self.invariants.sent(&sent.epoch, sent.seq, data);
        }
        if repeated {
            self.met.insert("send repeated".to_owned());
        }
    }

    async fn read(&mut self, device: Device, from_start: bool, bytes: usize) {
        let client = self.clients.of(device);
        let Some(name) = client.connection.clone() else { return };
        let after = if from_start { 0 } else { client.processed };
        let answer = self.engine.outbox(device, &name, after, bytes).await;
        let expected = self.model.outbox(device, &name, after, bytes);
        let Ok(messages) = self.same("outbox", answer, &expected) else {
            self.clients.of(device).connection = None;
            return;
        };
        let client = self.clients.of(device);
        for Message { seq, data } in messages {
            if seq > client.processed {
                client.processed = seq;
                self.invariants.processed(&client.epoch, seq, &data);
            }
        }
    }

    async fn acknowledge(&mut self, device: Device, less: u64) {
        let client = self.clients.of(device);
        let Some(name) = client.connection.clone() else { return };
        let (epoch, seq) = (client.epoch.clone(), client.processed.saturating_sub(less));
        let answer = self.engine.acknowledge(device, &name, seq).await;
        let expected = self.model.acknowledge(device, &name, seq);
        if self.same("acknowledge", answer, &expected).is_err() {
            self.clients.of(device).connection = None;
        } else if self.unswept {
            self.acknowledged_unswept.push((epoch, seq));
        } else {
            self.invariants.acknowledged(&epoch, seq);
        }
    }

    async fn say(&mut self, device: Device, answered: bool) {
        let (id, data) = (self.name("id"), self.names.to_string());
        let client = self.clients.of(device);
        let Some(name) = client.connection.clone() else { return };
        let (id, data) = match client.next() {
            Next::Again(id, data) => (id, data),
            Next::New => {
                client.unaccepted.push((id.clone(), data.clone()));
                self.invariants.said(device, id.clone());
                (id, data)
            }
            Next::Wait => return self.know_accepted(device),
        };
        if self.accept("accept", device, &name, &id, &data).await {
            self.clients.of(device).sent += 1;
            if answered {
                self.know_accepted(device);
            }
        }
    }

    /// The client gets the answers to all that it sent on this socket.
    fn know_accepted(&mut self, device: Device) {
        let client = self.clients.of(device);
        for (id, _) in client.unaccepted.drain(..client.sent) {
            self.invariants.accepted(device, id);
        }
        client.sent = 0;
    }

    async fn repeat(&mut self, device: Device, id: usize) {
        let Some(name) = self.clients.of(device).connection.clone() else { return };
        let Some(record) = self.model.record(device) else { return };
        let Some(id) = record.conversation.accepted.get(id).cloned() else { return };
        self.accept("repeat", device, &name, &id, "1").await;
    }

    /// Whether the message was accepted.
    async fn accept(
        &mut self,
        operation: &str,
        device: Device,
        name: &str,
        id: &str,
        data: &str,
    ) -> bool {
        self.settle_room(device).await;
        let answer = self.engine.accept(device, name, id, data).await;
        let expected = self.model.accept(device, name, id, data);
        let answer = self.same(operation, answer, &expected);
        if answer == Err(SocketError::Stale) {
            self.clients.of(device).connection = None;
        }
        answer.is_ok()
    }

    async fn release(&mut self, but: usize) {
        self.settle().await;
        let kept = &self.model.stream.kept;
        let through = kept.iter().rev().nth(but).map_or(0, |event| event.n);
        self.engine.release(through).await;
        self.model.stream.release(through);
    }

    async fn erase(&mut self, device: Device) {
        if self.engine.inner.partitions() > 1 {
            return;
        }
        self.settle().await;
        self.engine.erase(device).await;
        let Erased { unseen_events, outbox, events, half_refs } = self.model.erase(device);
        self.invariants.erased(device, unseen_events, outbox);
        for (was_met, what) in [(events, "erased events"), (half_refs, "erased half refs")] {
            if was_met {
                self.met.insert(what.to_owned());
            }
        }
    }

    async fn inspect(&mut self, device: Device, seq: u64) {
        assert_eq!(self.engine.device(device).await, self.model.device(device), "device");
        for link in [None, Some("one"), Some("two"), Some("none")] {
            let connected = self.engine.inner.connected(link, "", 10).await;
            assert_eq!(connected, Ok(self.model.connected(link)), "connected with {link:?}");
        }
        let Some(record) = self.model.record(device) else { return };
        if let Some(epoch) = &record.epoch {
            let seq = record.conversation.newest.saturating_sub(seq) + 2;
            let found = self.engine.acknowledgement(device, epoch, seq).await;
            let expected = record.conversation.acknowledgement(seq);
            // Where more messages expired than are remembered, it may not be known of an old one.
            let remembered = self.model.limits.outbox_messages;
            let is_certain = record.conversation.remembers_all_expired(remembered);
            if found != Acknowledgement::Never || is_certain {
                assert_eq!(found, expected, "{seq}");
            }
        }
    }

    async fn advance(&mut self, time: Duration, swept: bool) {
        self.settle().await;
        let mut until = self.model.now + millis(time);
        if !swept {
            if !self.engine.expires_unswept
                && let Some(end) = self.model.next_end_by_sweep()
            {
                until = until.min(end - 1);
            }
            self.engine.advance_unswept(Duration::from_millis(until - self.model.now));
            self.model.expire(until);
            self.unswept = true;
            return;
        }
        while let Some(deadline) = self.model.next_deadline().filter(|at| *at <= until) {
            self.advance_to(deadline).await;
            self.compare().await;
        }
        self.advance_to(until).await;
    }

    async fn advance_to(&mut self, at: Millis) {
        self.engine.advance(Duration::from_millis(at - self.model.now)).await;
        self.model.expire(at);
    }

    /// Has the engine sweep, if it did not since the clock moved, and compares.
    async fn settle(&mut self) {
        if self.unswept {
            self.engine.sweep().await;
            self.compare().await;
        }
    }

    /// Whether the stream is full may depend on what a sweep appends and drops: then it comes first.
    async fn settle_room(&mut self, device: &str) {
        if self.unswept && !self.model.is_room_certain(device) {
            self.settle().await;
        }
    }

    async fn restart(&mut self, clean: bool) {
        if !self.engine.has_journal() {
            return;
        }
        self.settle().await;
        self.engine.restart(clean).await;
        self.clients.lose_all();
        for name in self.model.restart() {
            self.invariants.closed(&name);
        }
    }

    /// Compares events and notifications with the model's.
    async fn compare(&mut self) {
        let unswept = mem::take(&mut self.unswept);
        let events = self.engine.new_events().await;
        let expected = self.model.stream.take_appended();
        assert_eq!(
            comparable(&events, unswept),
            comparable(&expected, unswept),
            "the events of the operation"
        );
        for event in events {
            self.met.insert(format!("event {}", kind(&event.data)));
            self.invariants.event(&event);
            self.model.stream.keep(event);
        }
        self.model.check_bounds();
        for (epoch, seq) in mem::take(&mut self.acknowledged_unswept) {
            self.invariants.acknowledged(&epoch, seq);
        }
        let stream = self.engine.events(0, 0).await;
        assert_eq!(
            (stream.oldest, stream.next),
            self.model.stream.ends(),
            "the ends of the stream"
        );

        let mut ended = self.engine.take_ended();
        ended.sort_by(|one, other| one.0.cmp(&other.0));
        let mut expected = mem::take(&mut self.model.ended);
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(ended, expected, "the connections that had to end");
        for (name, reason) in ended {
            self.met.insert(format!("end {reason:?}"));
            self.invariants.closed(&name);
        }
        self.invariants.no_device_has_two_sockets();
        assert_eq!(self.engine.notified_of_messages(), mem::take(&mut self.model.queued));
    }

    /// Every prospect that has a record comes back and gets and sends everything that is left.
    pub async fn come_to_rest(&mut self) {
        // Open authorisations expire, so that there is room for another.
        let time = self.engine.limits.authorisation_ttl;
        self.advance(time, true).await;
        self.compare().await;
        for device in DEVICES {
            if self.model.record(device).is_none() {
                continue;
            }
            self.release(0).await;
            self.connect(device).await;
            self.compare().await;
            assert!(self.clients.of(device).connection.is_some(), "{device} comes back");
            while let Next::Again(..) = self.clients.of(device).next() {
                self.say(device, false).await;
                self.compare().await;
            }
            self.know_accepted(device);
            self.read(device, false, usize::MAX).await;
            self.acknowledge(device, 0).await;
            self.compare().await;
            let unacknowledged = self.model.device(device).map(|state| state.unacknowledged);
            assert_eq!(unacknowledged, Some(0), "everything is delivered");
        }
        self.invariants.nothing_lost_or_doubled();
    }
}

/// What is this many places before the newest.
fn newest<T: Clone>(all: &[T], place: usize) -> Option<T> {
    all.iter().rev().nth(place).cloned()
}

fn kind(data: &EventData) -> &'static str {
    match data {
        EventData::Connected { .. } => "connected",
        EventData::Message { .. } => "message",
        EventData::Disconnected { .. } => "disconnected",
        EventData::Expired { .. } => "expired",
    }
}

/// Events without their numbers, device by device: only within one is their order a promise. What
/// expired before a sweep has no order with what happened meanwhile.
fn comparable(events: &[Event], unswept: bool) -> Vec<Event> {
    let mut events: Vec<_> = events.iter().map(|event| Event { n: 0, ..event.clone() }).collect();
    events.sort_by_key(|event| {
        let expired = match &event.data {
            EventData::Expired { epoch, seq } if unswept => Some((epoch.to_string(), *seq)),
            _ => None,
        };
        (event.device.to_string(), expired)
    });
    events
}
