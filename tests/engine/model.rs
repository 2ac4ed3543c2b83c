//! Random lives of a few devices, held against a model that keeps lists and looks everything up
//! the slow way, and against what must hold whatever the model says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use engine::{
    AuthoriseError, EndReason, Limits, Millis, Opened, RedeemError, RequestTokenError, TokenError,
    millis,
};

use crate::{
    random::Random,
    world::{Make, World},
};

const SEEDS: u64 = 24;
const STEPS: usize = 1500;

const DEVICES: [&str; 4] = ["phone", "tablet", "watch", "laptop"];
const HALF_REFS: [&str; 7] = ["h1", "h2", "h3", "h4", "h5", "h6", "h7"];

/// So tight that every limit is met and every lifetime lived through.
fn settings() -> Limits {
    Limits {
        token_ttl: Duration::from_secs(100),
        authorisation_ttl: Duration::from_secs(30),
        half_ref_memory: Duration::from_mins(1),
        record_ttl: Duration::from_secs(50),
        devices: 3,
        open_authorisations: 2,
        authorisations_per_second: 1000,
        test_tokens: 2,
        ..Limits::default()
    }
}

/// What the random lives must have met, or they would show too little.
const MET: [&str; 23] = [
    "authorise DeviceMismatch",
    "authorise Full",
    "authorise HalfRefForeign",
    "authorise HalfRefSpent",
    "authorise Ok",
    "authorise Token(Expired)",
    "authorise Token(Unknown)",
    "check Expired",
    "check Ok",
    "check Unknown",
    "claim DeviceClaimed",
    "claim DevicesFull",
    "claim Ok",
    "end Revoked",
    "end Superseded",
    "end TokenExpired",
    "issue Ok",
    "redeem Expired",
    "redeem Ok",
    "redeem Revoked",
    "redeem Spent",
    "redeem Unknown",
    "test Ok",
];

pub async fn random_lives_of_devices_follow_the_model(make: impl Make + Copy) {
    follow(async || World::with(make, settings()).await).await;
}

pub async fn random_lives_of_devices_go_on_after_restarts() {
    follow(async || World::lasting(settings()).await).await;
}

async fn follow(world: impl AsyncFn() -> World) {
    let mut met = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut life = Life::new(world().await, seed);
        for _ in 0..STEPS {
            life.live().await;
        }
        met.append(&mut life.met);
    }
    let missed: Vec<_> = MET.iter().filter(|name| !met.contains(**name)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
}

/// An engine and its model, living through the same steps.
struct Life {
    world: World,
    model: Model,
    witness: Witness,
    random: Random,
    /// Every token and every connection that was ever named, with its device.
    tokens: Vec<(String, &'static str)>,
    connections: Vec<(String, String)>,
    names: usize,
    /// What happened, to be read when a step goes wrong.
    story: Vec<String>,
    met: BTreeSet<String>,
}

impl Life {
    fn new(world: World, seed: u64) -> Self {
        Self {
            model: Model::new(world.now()),
            world,
            witness: Witness::default(),
            random: Random(seed),
            tokens: Vec::new(),
            connections: Vec::new(),
            names: 0,
            story: vec![format!("seed {seed}")],
            met: BTreeSet::new(),
        }
    }

    async fn live(&mut self) {
        match self.random.below(20) {
            0..=4 => self.request_token().await,
            5..=9 => self.authorise().await,
            10..=13 => self.redeem().await,
            14 => self.check().await,
            15 => self.close().await,
            16 if self.random.below(2) == 0 => self.revoke().await,
            _ => self.pass().await,
        }
        self.compare_endings();
        if self.world.lasts() && self.random.below(30) == 0 {
            self.restart().await;
        }
    }

    async fn restart(&mut self) {
        let in_good_order = self.random.below(2) == 0;
        self.story.push(format!("restart, in good order: {in_good_order}"));
        self.world.restart(in_good_order).await;
        for name in self.model.restart() {
            self.witness.gone(&name);
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind} {}", self.names)
    }

    /// Mostly one of the latest tokens; sometimes an old one, or one that was never given.
    fn some_token(&mut self) -> (String, &'static str) {
        let latest = self.tokens.len().saturating_sub(6);
        match self.random.below(12) {
            0 => ("invented".to_owned(), DEVICES[0]),
            1 if latest > 0 => self.random.one_of(&self.tokens[..latest]),
            _ if self.tokens.is_empty() => ("invented".to_owned(), DEVICES[0]),
            _ => self.random.one_of(&self.tokens[latest..]),
        }
    }

    fn same<T: PartialEq + Debug, E: PartialEq + Debug>(
        &mut self,
        action: &str,
        got: &Result<T, E>,
        expected: &Result<T, E>,
    ) {
        assert_eq!(got, expected, "{}", self.story.join("\n"));
        let outcome = match got {
            Ok(_) => "Ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        let outcome = outcome.split_once("Full(").map_or(outcome.as_str(), |_| "Full");
        self.met.insert(format!("{action} {outcome}"));
    }

    async fn request_token(&mut self) {
        let device = self.random.one_of(&DEVICES);
        let token = self.name("token");
        let (shown, its_device) = self.some_token();
        let (action, got, expected) = match self.random.below(8) {
            0..=1 => {
                self.story.push(format!("test {device} {token}"));
                let got = self.world.test(device, &token).await;
                ("test", got, self.model.test(device, &token))
            }
            2..=3 => {
                self.story.push(format!("claim {device} {token}"));
                let got = self.world.claim(device, &token).await;
                ("claim", got, self.model.claim(device, None, &token))
            }
            4 => {
                self.story.push(format!("issue {device} {token}"));
                let got = self.world.issue(device, &token).await;
                ("issue", got, self.model.issue(device, &token))
            }
            number => {
                // Mostly for the device whose token it is.
                let device = if number == 5 { device } else { its_device };
                self.story.push(format!("renew {device} {shown} {token}"));
                let got = self.world.renew(device, &shown, &token).await;
                let expected = self.model.claim(device, Some(&shown), &token);
                if got.is_ok() {
                    self.tokens.push((token, device));
                }
                return self.same("renew", &got, &expected);
            }
        };
        if got.is_ok() {
            self.tokens.push((token, device));
        }
        self.same(action, &got, &expected);
    }

    async fn authorise(&mut self) {
        let (token, its_device) = self.some_token();
        let device = match self.random.below(12) {
            0 => self.random.one_of(&DEVICES),
            _ => its_device,
        };
        let half_ref = self.random.one_of(&HALF_REFS);
        let link = self.random.one_of(&[None, Some("one"), Some("two")]);
        self.story.push(format!("authorise {token} {device} {half_ref} {link:?}"));
        let got = self.world.authorise_linked(&token, device, half_ref, link).await;
        if got.is_ok() {
            self.witness.authorised(half_ref, its_device);
        }
        let expected = self.model.authorise(&token, device, half_ref, link);
        self.same("authorise", &got, &expected);
    }

    async fn redeem(&mut self) {
        let half_ref = self.random.one_of(&HALF_REFS);
        let name = self.name("connection");
        self.story.push(format!("redeem {half_ref} {name}"));
        let got = self.world.redeem(half_ref, &name).await;
        if let Ok(opened) = &got {
            self.witness.opened(half_ref, &name, opened, self.model.now);
            self.connections.push((name.clone(), opened.device.to_string()));
        }
        let epochs = &mut self.witness.epochs;
        let expected = self.model.redeem(half_ref, &name);
        let expected = expected.map(|(device, record, link)| Opened {
            device: device.into(),
            epoch: match &got {
                Ok(opened) => {
                    Arc::clone(epochs.entry(record).or_insert_with(|| opened.epoch.clone()))
                }
                Err(_) => "none".into(),
            },
            linkinjected: link.map(Into::into),
        });
        self.same("redeem", &got, &expected);
        self.witness.every_record_has_an_epoch_of_its_own();
    }

    async fn check(&mut self) {
        let (token, _) = self.some_token();
        self.story.push(format!("check {token}"));
        let got = self.world.check(&token).await;
        let expected = self.model.check(&token);
        self.same("check", &got, &expected);
    }

    async fn close(&mut self) {
        let latest = self.connections.len().saturating_sub(4);
        if self.connections.is_empty() {
            return;
        }
        let (name, its_device) = self.random.one_of(&self.connections[latest..]);
        let device = match self.random.below(6) {
            0 => self.random.one_of(&DEVICES).to_owned(),
            _ => its_device.clone(),
        };
        self.story.push(format!("close {device} {name}"));
        self.world.close(&device, &name).await;
        self.model.close(&device, &name);
        if device == its_device {
            self.witness.gone(&name);
        }
    }

    async fn revoke(&mut self) {
        let (token, _) = self.some_token();
        self.story.push(format!("revoke {token}"));
        self.world.revoke(&token).await;
        self.model.revoke(&token);
    }

    /// Lets time go by, from one deadline of the model to the next.
    async fn pass(&mut self) {
        let at_most = self.random.one_of(&[500, 5_000, 5_000, 30_000, 100_000]);
        let until = self.model.now + self.random.below(at_most) + 1;
        self.story.push(format!("pass until {until}"));
        while let Some(deadline) = self.model.next_deadline().filter(|at| *at <= until) {
            self.pass_until(deadline).await;
            self.compare_endings();
        }
        self.pass_until(until).await;
    }

    async fn pass_until(&mut self, at: Millis) {
        let time = at - self.model.now;
        self.world.pass(Duration::from_millis(time)).await;
        self.model.come_to(at);
    }

    fn compare_endings(&mut self) {
        let mut got = self.world.endings();
        let mut expected = std::mem::take(&mut self.model.endings);
        got.sort_by(|one, other| one.0.cmp(&other.0));
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(got, expected, "{}", self.story.join("\n"));
        for (name, ending) in got {
            self.met.insert(format!("end {ending:?}"));
            self.witness.gone(&name);
        }
        self.witness.no_device_has_two_sockets();
    }
}

/// What must hold whatever the model says.
#[derive(Default)]
struct Witness {
    /// The device of each open connection.
    open: BTreeMap<String, String>,
    /// The device whose token last had a `halfRef` wait.
    authorised: BTreeMap<&'static str, &'static str>,
    /// When a `halfRef` last opened a socket.
    won: BTreeMap<&'static str, Millis>,
    /// The epoch of each record of the model.
    epochs: BTreeMap<usize, Arc<str>>,
}

impl Witness {
    fn authorised(&mut self, half_ref: &'static str, device: &'static str) {
        self.authorised.insert(half_ref, device);
    }

    fn opened(&mut self, half_ref: &'static str, name: &str, opened: &Opened, now: Millis) {
        assert_eq!(
            self.authorised.get(half_ref).copied(),
            Some(&*opened.device),
            "a token opens its own device's socket alone"
        );
        if let Some(before) = self.won.insert(half_ref, now) {
            assert!(before + millis(settings().half_ref_memory) <= now, "a half ref wins once");
        }
        self.open.insert(name.to_owned(), opened.device.to_string());
    }

    fn gone(&mut self, name: &str) {
        self.open.remove(name);
    }

    fn no_device_has_two_sockets(&self) {
        let devices: BTreeSet<_> = self.open.values().collect();
        assert_eq!(devices.len(), self.open.len(), "{:?}", self.open);
    }

    fn every_record_has_an_epoch_of_its_own(&self) {
        let epochs: BTreeSet<_> = self.epochs.values().collect();
        assert_eq!(epochs.len(), self.epochs.len());
    }
}

/// The rules of the engine, as plainly as they can be said.
struct Model {
    now: Millis,
    records: Vec<Record>,
    half_refs: BTreeMap<String, HalfRef>,
    endings: Vec<(String, EndReason)>,
    made: usize,
}

struct Record {
    number: usize,
    device: String,
    claimed: bool,
    /// The oldest first: of a claim, the one before and the newest.
    tokens: Vec<Token>,
    socket: Option<Socket>,
    ends: Millis,
}

struct Token {
    name: String,
    expires: Millis,
}

struct Socket {
    connection: String,
    token: String,
}

struct HalfRef {
    device: String,
    /// The token it waits by right of and its link; or why it waits no longer.
    state: Result<(String, Option<String>), RedeemError>,
    until: Millis,
}

impl Model {
    fn new(now: Millis) -> Self {
        Self { now, records: Vec::new(), half_refs: BTreeMap::new(), endings: Vec::new(), made: 0 }
    }

    /// Every socket ends with the process that held it; these were there.
    fn restart(&mut self) -> Vec<String> {
        let ends = self.after(settings().record_ttl);
        let open = self.records.iter_mut().filter_map(|record| {
            let socket = record.socket.take()?;
            record.ends = record.ends.max(ends);
            Some(socket.connection)
        });
        open.collect()
    }

    fn after(&self, time: Duration) -> Millis {
        self.now + millis(time)
    }

    fn place(&self, device: &str) -> Option<usize> {
        self.records.iter().position(|record| record.device == device)
    }

    /// The record and the token that go by a token's name.
    fn find(&self, name: &str) -> Option<(usize, &Token)> {
        self.records.iter().enumerate().find_map(|(place, record)| {
            let token = record.tokens.iter().find(|token| token.name == name)?;
            Some((place, token))
        })
    }

    fn new_record(&mut self, device: &str, claimed: bool) -> Result<usize, RequestTokenError> {
        if self.records.len() == settings().devices {
            return Err(RequestTokenError::DevicesFull);
        }
        self.made += 1;
        self.records.push(Record {
            number: self.made,
            device: device.to_owned(),
            claimed,
            tokens: Vec::new(),
            socket: None,
            ends: self.now,
        });
        Ok(self.records.len() - 1)
    }

    fn give(&mut self, place: usize, name: &str) {
        let expires = self.after(settings().token_ttl);
        let record = &mut self.records[place];
        record.tokens.push(Token { name: name.to_owned(), expires });
        record.ends = record.ends.max(expires + millis(settings().record_ttl));
    }

    fn test(&mut self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        let place = match self.place(device) {
            Some(place) if self.records[place].claimed => {
                return Err(RequestTokenError::DeviceClaimed);
            }
            Some(place) => place,
            None => self.new_record(device, false)?,
        };
        self.give(place, token);
        if self.records[place].tokens.len() > settings().test_tokens {
            let oldest = self.records[place].tokens.remove(0);
            self.end_what_is_of(place, &oldest.name, EndReason::Revoked);
        }
        Ok(())
    }

    fn claim(
        &mut self,
        device: &str,
        shown: Option<&str>,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        match self.place(device) {
            Some(place) if self.records[place].claimed => {
                let tokens = &self.records[place].tokens;
                let kept = shown
                    .filter(|shown| tokens.iter().any(|token| token.name == *shown))
                    .ok_or(RequestTokenError::DeviceClaimed)?
                    .to_owned();
                self.renew(place, &kept, token);
                Ok(())
            }
            _ => self.first_claim(device, token),
        }
    }

    fn issue(&mut self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        match self.place(device) {
            Some(place) if self.records[place].claimed => {
                // The one before while it is kept: that is the one that the device has used.
                let oldest = self.records[place].tokens.first().expect("a newest token");
                let kept = oldest.name.clone();
                self.renew(place, &kept, token);
                Ok(())
            }
            _ => self.first_claim(device, token),
        }
    }

    fn first_claim(&mut self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        if let Some(place) = self.place(device) {
            self.end_record(place);
        }
        let place = self.new_record(device, true)?;
        self.give(place, token);
        Ok(())
    }

    /// Beside the new token stays the one that the device is known to have.
    fn renew(&mut self, place: usize, kept: &str, token: &str) {
        let record = &mut self.records[place];
        record.tokens.retain(|token| token.name == kept);
        if let Some(socket) = &mut record.socket {
            token.clone_into(&mut socket.token);
        }
        let device = record.device.clone();
        for half_ref in self.half_refs.values_mut() {
            if half_ref.device == device
                && let Ok((bound, _)) = &mut half_ref.state
            {
                token.clone_into(bound);
            }
        }
        self.give(place, token);
    }

    fn check(&self, token: &str) -> Result<(), TokenError> {
        match self.find(token) {
            None => Err(TokenError::Unknown),
            Some((_, token)) if token.expires <= self.now => Err(TokenError::Expired),
            Some(_) => Ok(()),
        }
    }

    fn revoke(&mut self, token: &str) {
        let Some((place, _)) = self.find(token) else {
            return;
        };
        let record = &mut self.records[place];
        if record.claimed || record.tokens.len() == 1 {
            return self.end_record(place);
        }
        record.tokens.retain(|other| other.name != token);
        self.end_what_is_of(place, token, EndReason::Revoked);
    }

    fn authorise(
        &mut self,
        token: &str,
        device: &str,
        half_ref: &str,
        link: Option<&str>,
    ) -> Result<(), AuthoriseError> {
        self.check(token).map_err(AuthoriseError::Token)?;
        let (place, _) = self.find(token).expect("it was just found good");
        if self.records[place].device != device {
            return Err(AuthoriseError::DeviceMismatch);
        }
        let bound = self.used(place, token);

        match self.half_refs.get(half_ref) {
            Some(known) if known.device != device => return Err(AuthoriseError::HalfRefForeign),
            Some(HalfRef { state: Err(RedeemError::Spent), .. }) => {
                return Err(AuthoriseError::HalfRefSpent);
            }
            Some(HalfRef { state: Ok(_), .. }) => {}
            _ => {
                let open = |known: &&HalfRef| known.device == device && known.state.is_ok();
                let waiting = self.half_refs.values().filter(open);
                let ends: Vec<_> = waiting.map(|known| known.until).collect();
                if ends.len() >= settings().open_authorisations {
                    let first = ends.into_iter().min().unwrap_or_default();
                    let wait = Duration::from_millis(first - self.now);
                    return Err(AuthoriseError::Full(wait));
                }
            }
        }
        let waits = HalfRef {
            device: device.to_owned(),
            state: Ok((bound, link.map(Into::into))),
            until: self.after(settings().authorisation_ttl),
        };
        self.half_refs.insert(half_ref.to_owned(), waits);
        Ok(())
    }

    /// Using a claim's newest token ends the one before it, and all uses count for the newest.
    fn used(&mut self, place: usize, token: &str) -> String {
        let record = &mut self.records[place];
        let newest = record.tokens.last().expect("a newest token").name.clone();
        if !record.claimed {
            return token.to_owned();
        }
        if token == newest {
            record.tokens.retain(|token| token.name == newest);
        }
        newest
    }

    /// The device, the number of its record and the link.
    fn redeem(
        &mut self,
        half_ref: &str,
        connection: &str,
    ) -> Result<(String, usize, Option<String>), RedeemError> {
        let until = self.after(settings().half_ref_memory);
        let known = self.half_refs.get_mut(half_ref).ok_or(RedeemError::Unknown)?;
        let (token, link) = known.state.clone()?;
        (known.state, known.until) = (Err(RedeemError::Spent), until);

        let device = known.device.clone();
        let place = self.place(&device).expect("what waits has a record");
        let record = &mut self.records[place];
        let socket = Socket { connection: connection.to_owned(), token };
        if let Some(older) = record.socket.replace(socket) {
            self.endings.push((older.connection, EndReason::Superseded));
        }
        Ok((device, self.records[place].number, link))
    }

    fn close(&mut self, device: &str, connection: &str) {
        let ends = self.after(settings().record_ttl);
        let Some(place) = self.place(device) else {
            return;
        };
        let record = &mut self.records[place];
        if record.socket.take_if(|socket| socket.connection == connection).is_some() {
            record.ends = record.ends.max(ends);
        }
    }

    fn end_what_is_of(&mut self, place: usize, token: &str, ending: EndReason) {
        let ends = self.after(settings().record_ttl);
        let until = self.after(settings().half_ref_memory);
        let record = &mut self.records[place];
        if let Some(socket) = record.socket.take_if(|socket| socket.token == token) {
            self.endings.push((socket.connection, ending));
            record.ends = record.ends.max(ends);
        }
        let why = match ending {
            EndReason::TokenExpired => RedeemError::Expired,
            _ => RedeemError::Revoked,
        };
        for half_ref in self.half_refs.values_mut() {
            if matches!(&half_ref.state, Ok((bound, _)) if bound == token) {
                (half_ref.state, half_ref.until) = (Err(why), until);
            }
        }
    }

    fn end_record(&mut self, place: usize) {
        let names: Vec<_> =
            self.records[place].tokens.iter().map(|token| token.name.clone()).collect();
        for name in names {
            self.end_what_is_of(place, &name, EndReason::Revoked);
        }
        self.records.remove(place);
    }

    fn next_deadline(&self) -> Option<Millis> {
        let tokens = self.records.iter().flat_map(|record| &record.tokens);
        let tokens = tokens.map(|token| token.expires);
        let records = self.records.iter().map(|record| record.ends);
        let half_refs = self.half_refs.values().map(|half_ref| half_ref.until);
        tokens.chain(records).chain(half_refs).filter(|at| *at > self.now).min()
    }

    /// It is now `at`, and no deadline was passed over.
    fn come_to(&mut self, at: Millis) {
        self.now = at;
        for place in 0..self.records.len() {
            let due = |token: &&Token| token.expires == at;
            let expired: Vec<_> = self.records[place]
                .tokens
                .iter()
                .filter(due)
                .map(|token| token.name.clone())
                .collect();
            for name in expired {
                self.end_what_is_of(place, &name, EndReason::TokenExpired);
            }
        }
        let until = self.after(settings().half_ref_memory);
        self.half_refs.retain(|_, known| known.state.is_ok() || known.until > at);
        for known in self.half_refs.values_mut() {
            if known.state.is_ok() && known.until <= at {
                (known.state, known.until) = (Err(RedeemError::Expired), until);
            }
        }
        self.records.retain(|record| record.ends > at);
    }
}
