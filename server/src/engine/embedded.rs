//! The engine of one gateway: everything in memory, each action one step under one lock.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Authorisation, AuthoriseError, Clock, ConnectionId, Digest, Ending, Engine, EngineSettings,
    Millis, Opened, RedeemError, RequestTokenError, Requester, Sockets, TokenError, Unavailable,
    millis,
};
use crate::secret;

/// The embedded engine.
pub struct Embedded {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

impl Embedded {
    /// An engine that knows nothing yet and ends sockets through `sockets`.
    #[must_use]
    pub fn new(settings: EngineSettings, clock: Arc<dyn Clock>, sockets: Arc<dyn Sockets>) -> Self {
        let state = State {
            settings,
            sockets,
            records: HashMap::new(),
            tokens: HashMap::new(),
            half_refs: HashMap::new(),
            due: Deadlines::default(),
        };
        Self {
            state: Mutex::new(state),
            clock,
        }
    }

    /// The state as it is now, and the time. The clock is read under the lock, so that steps see
    /// time in order; what is due has ended before a step begins.
    fn step(&self) -> (MutexGuard<'_, State>, Millis) {
        // No step panics half-way; were one to, the others' devices would still be whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        state.expire(now);
        (state, now)
    }
}

#[async_trait]
impl Engine for Embedded {
    async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        token: &Digest,
    ) -> Result<(), RequestTokenError> {
        let (mut state, now) = self.step();
        state.request_token(device, requester, *token, now)
    }

    async fn check_token(&self, token: &Digest) -> Result<(), TokenError> {
        let (state, now) = self.step();
        state.live_token(token, now).map(|_| ())
    }

    async fn revoke_token(&self, token: &Digest) -> Result<(), Unavailable> {
        let (mut state, now) = self.step();
        state.revoke_token(token, now);
        Ok(())
    }

    async fn authorise(&self, authorisation: Authorisation<'_>) -> Result<(), AuthoriseError> {
        let (mut state, now) = self.step();
        state.authorise(authorisation, now)
    }

    async fn redeem(
        &self,
        half_ref: &Digest,
        connection: &ConnectionId,
    ) -> Result<Opened, RedeemError> {
        let (mut state, now) = self.step();
        state.redeem(half_ref, connection, now)
    }

    async fn close(&self, device: &str, connection: &ConnectionId) -> Result<(), Unavailable> {
        let (mut state, now) = self.step();
        state.close(device, connection, now);
        Ok(())
    }

    async fn expire(&self) -> Result<(), Unavailable> {
        drop(self.step());
        Ok(())
    }

    async fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

struct State {
    settings: EngineSettings,
    sockets: Arc<dyn Sockets>,
    records: HashMap<Arc<str>, Record>,
    /// Every token of every record, live or expired.
    tokens: HashMap<Digest, Token>,
    /// Every `halfRef` that waits or is remembered.
    half_refs: HashMap<Digest, HalfRef>,
    due: Deadlines,
}

/// All that is kept for one device.
struct Record {
    epoch: Arc<str>,
    holder: Holder,
    /// The `halfRef`s that wait to be redeemed.
    waiting: Vec<Digest>,
    socket: Option<Socket>,
    /// The end of the record, but for a socket that is still open then.
    ends_at: Millis,
    /// When the device's rate of authorisations is used up (GCRA: the theoretical arrival time).
    rate: Millis,
}

/// Who may speak for the device.
enum Holder {
    /// Whoever has one of these, the oldest first.
    Test(Vec<Digest>),
    /// Whoever has the newest; `before` is good as well until the newest is first used.
    Claim {
        newest: Digest,
        before: Option<Digest>,
    },
}

impl Holder {
    fn tokens(&self) -> Vec<Digest> {
        match self {
            Self::Test(tokens) => tokens.clone(),
            Self::Claim { newest, before } => [*newest].into_iter().chain(*before).collect(),
        }
    }
}

struct Token {
    device: Arc<str>,
    expires: Millis,
}

struct Socket {
    connection: ConnectionId,
    token: Digest,
}

struct HalfRef {
    device: Arc<str>,
    state: HalfRefState,
    /// When it stops waiting or is forgotten.
    until: Millis,
}

enum HalfRefState {
    Waiting {
        token: Digest,
        linkinjected: Option<Box<str>>,
    },
    Dead(RedeemError),
}

/// What ends when, in order.
#[derive(Default)]
struct Deadlines {
    tokens: BTreeSet<(Millis, Digest)>,
    waiting: BTreeSet<(Millis, Digest)>,
    remembered: BTreeSet<(Millis, Digest)>,
    records: BTreeSet<(Millis, Arc<str>)>,
}

/// Takes out the first entry that is due.
fn pop_due<K: Ord>(deadlines: &mut BTreeSet<(Millis, K)>, now: Millis) -> Option<K> {
    let (at, _) = deadlines.first()?;
    if *at > now {
        return None;
    }
    deadlines.pop_first().map(|(_, key)| key)
}

impl State {
    fn request_token(
        &mut self,
        device: &str,
        requester: Requester<'_>,
        token: Digest,
        now: Millis,
    ) -> Result<(), RequestTokenError> {
        let expires = now + millis(self.settings.token_ttl);
        let claim = match self.records.get(device).map(|record| &record.holder) {
            Some(Holder::Claim { newest, before }) => Some((*newest, *before)),
            Some(Holder::Test(_)) | None => None,
        };
        match (requester, claim) {
            (Requester::Test, None) => {
                let device = self.record(device, || Holder::Test(Vec::new()), now)?;
                self.add_test_token(&device, token, now);
                self.add_token(&device, token, expires);
            }
            (Requester::Claim(_) | Requester::Operator, None) => {
                self.end_record(device, now);
                let holder = || Holder::Claim {
                    newest: token,
                    before: None,
                };
                let device = self.record(device, holder, now)?;
                self.add_token(&device, token, expires);
            }
            (Requester::Operator, Some((newest, before))) => {
                self.renew(device, token, newest, before, expires);
            }
            (Requester::Claim(Some(shown)), Some((newest, before))) if *shown == newest => {
                self.renew(device, token, newest, before, expires);
            }
            // The reply with the newest was lost: the one before it is still what the device has.
            (Requester::Claim(Some(shown)), Some((newest, Some(before)))) if *shown == before => {
                self.renew(device, token, before, Some(newest), expires);
            }
            (Requester::Test | Requester::Claim(_), Some(_)) => {
                return Err(RequestTokenError::DeviceClaimed);
            }
        }
        Ok(())
    }

    /// The name of the device's record, which is made where there is none.
    fn record(
        &mut self,
        device: &str,
        holder: impl FnOnce() -> Holder,
        now: Millis,
    ) -> Result<Arc<str>, RequestTokenError> {
        if let Some((device, _)) = self.records.get_key_value(device) {
            return Ok(Arc::clone(device));
        }
        if self.records.len() >= self.settings.devices {
            return Err(RequestTokenError::DevicesFull);
        }
        let device: Arc<str> = device.into();
        let record = Record {
            epoch: secret::new_id().into(),
            holder: holder(),
            waiting: Vec::new(),
            socket: None,
            ends_at: now,
            rate: 0,
        };
        self.due
            .records
            .insert((record.ends_at, Arc::clone(&device)));
        self.records.insert(Arc::clone(&device), record);
        Ok(device)
    }

    fn add_token(&mut self, device: &Arc<str>, token: Digest, expires: Millis) {
        self.tokens.insert(
            token,
            Token {
                device: Arc::clone(device),
                expires,
            },
        );
        self.due.tokens.insert((expires, token));
        self.keep_record_after(device, expires);
    }

    fn add_test_token(&mut self, device: &str, token: Digest, now: Millis) {
        let Some(Holder::Test(tokens)) = self.records.get_mut(device).map(|r| &mut r.holder) else {
            return;
        };
        tokens.push(token);
        if tokens.len() > self.settings.test_tokens {
            let oldest = tokens.remove(0);
            self.drop_token(&oldest);
            self.end_bound_to(device, &oldest, Ending::Revoked, now);
        }
    }

    /// Makes `token` the newest and keeps the one that the device is known to have beside it.
    fn renew(
        &mut self,
        device: &str,
        token: Digest,
        kept: Digest,
        dropped: Option<Digest>,
        expires: Millis,
    ) {
        let Some((device, _)) = self.records.get_key_value(device) else {
            return;
        };
        let device = Arc::clone(device);
        if let Some(dropped) = dropped {
            self.drop_token(&dropped);
        }
        if let Some(record) = self.records.get_mut(&device) {
            record.holder = Holder::Claim {
                newest: token,
                before: Some(kept),
            };
            if let Some(socket) = &mut record.socket {
                socket.token = token;
            }
            for half_ref in &record.waiting {
                if let Some(HalfRef {
                    state: HalfRefState::Waiting { token: bound, .. },
                    ..
                }) = self.half_refs.get_mut(half_ref)
                {
                    *bound = token;
                }
            }
        }
        self.add_token(&device, token, expires);
    }

    /// The token that a use of `token` counts for. The first use of a claim's newest token ends
    /// the one before it.
    fn used(&mut self, device: &str, token: Digest) -> Digest {
        let Some(record) = self.records.get_mut(device) else {
            return token;
        };
        let Holder::Claim { newest, before } = &mut record.holder else {
            return token;
        };
        let newest = *newest;
        if newest == token
            && let Some(before) = before.take()
        {
            self.drop_token(&before);
        }
        newest
    }

    fn live_token(&self, token: &Digest, now: Millis) -> Result<&Token, TokenError> {
        match self.tokens.get(token) {
            None => Err(TokenError::Unknown),
            Some(token) if token.expires <= now => Err(TokenError::Expired),
            Some(token) => Ok(token),
        }
    }

    fn revoke_token(&mut self, token: &Digest, now: Millis) {
        let Some(Token { device, .. }) = self.tokens.get(token) else {
            return;
        };
        let device = Arc::clone(device);
        let Some(record) = self.records.get_mut(&device) else {
            return;
        };
        match &mut record.holder {
            Holder::Test(tokens) if tokens.len() > 1 => {
                tokens.retain(|kept| kept != token);
                self.drop_token(token);
                self.end_bound_to(&device, token, Ending::Revoked, now);
            }
            Holder::Test(_) | Holder::Claim { .. } => self.end_record(&device, now),
        }
    }

    fn drop_token(&mut self, token: &Digest) {
        if let Some(Token { expires, .. }) = self.tokens.remove(token) {
            self.due.tokens.remove(&(expires, *token));
        }
    }

    /// Ends what waits or is open by right of `token`.
    fn end_bound_to(&mut self, device: &str, token: &Digest, ending: Ending, now: Millis) {
        let Some(record) = self.records.get_mut(device) else {
            return;
        };
        if let Some(socket) = record.socket.take_if(|socket| socket.token == *token) {
            self.sockets.end(&socket.connection, ending);
            self.keep_record_after(device, now);
        }
        let bound = |half_ref: &Digest| {
            matches!(
                self.half_refs.get(half_ref).map(|half_ref| &half_ref.state),
                Some(HalfRefState::Waiting { token: bound, .. }) if bound == token
            )
        };
        let Some(record) = self.records.get(device) else {
            return;
        };
        let ended: Vec<_> = record.waiting.iter().copied().filter(bound).collect();
        let why = match ending {
            Ending::TokenEnded => RedeemError::Expired,
            Ending::Revoked | Ending::Superseded => RedeemError::Revoked,
        };
        for half_ref in ended {
            self.end_waiting(&half_ref, why, now);
        }
    }

    fn authorise(
        &mut self,
        authorisation: Authorisation<'_>,
        now: Millis,
    ) -> Result<(), AuthoriseError> {
        let Authorisation {
            token,
            device,
            half_ref,
            linkinjected,
        } = authorisation;
        let found = self.live_token(token, now).map_err(AuthoriseError::Token)?;
        if &*found.device != device {
            return Err(AuthoriseError::DeviceMismatch);
        }
        let device = Arc::clone(&found.device);
        self.count_authorisation(&device, now)?;
        let token = self.used(&device, *token);

        match self.half_refs.get(half_ref) {
            Some(known) if known.device != device => return Err(AuthoriseError::HalfRefForeign),
            Some(HalfRef {
                state: HalfRefState::Dead(RedeemError::Spent),
                ..
            }) => {
                return Err(AuthoriseError::HalfRefSpent);
            }
            Some(HalfRef {
                state: HalfRefState::Waiting { .. },
                ..
            }) => {}
            Some(HalfRef {
                state: HalfRefState::Dead(_),
                ..
            })
            | None => {
                self.room_to_wait(&device, now)?;
            }
        }
        self.forget(half_ref);
        let until = now + millis(self.settings.authorisation_ttl);
        let state = HalfRefState::Waiting {
            token,
            linkinjected: linkinjected.map(Into::into),
        };
        self.due.waiting.insert((until, *half_ref));
        if let Some(record) = self.records.get_mut(&device) {
            record.waiting.push(*half_ref);
        }
        self.half_refs.insert(
            *half_ref,
            HalfRef {
                device,
                state,
                until,
            },
        );
        Ok(())
    }

    /// The device's rate, by the generic cell rate algorithm with a burst of one second.
    fn count_authorisation(&mut self, device: &str, now: Millis) -> Result<(), AuthoriseError> {
        let Some(record) = self.records.get_mut(device) else {
            return Ok(());
        };
        let interval = 1000 / Millis::from(self.settings.authorisations_per_second.max(1));
        let ahead = record.rate.saturating_sub(now);
        let burst = 1000 - interval;
        if ahead > burst {
            return Err(AuthoriseError::TooMany(Duration::from_millis(
                ahead - burst,
            )));
        }
        record.rate = record.rate.max(now) + interval;
        Ok(())
    }

    fn room_to_wait(&self, device: &str, now: Millis) -> Result<(), AuthoriseError> {
        let Some(record) = self.records.get(device) else {
            return Ok(());
        };
        if record.waiting.len() < self.settings.open_authorisations {
            return Ok(());
        }
        let first = record
            .waiting
            .iter()
            .filter_map(|half_ref| self.half_refs.get(half_ref))
            .map(|half_ref| half_ref.until)
            .min();
        let wait = first.unwrap_or(now).saturating_sub(now);
        Err(AuthoriseError::Full(Duration::from_millis(wait)))
    }

    fn redeem(
        &mut self,
        half_ref: &Digest,
        connection: &ConnectionId,
        now: Millis,
    ) -> Result<Opened, RedeemError> {
        let known = self
            .half_refs
            .get_mut(half_ref)
            .ok_or(RedeemError::Unknown)?;
        let (token, linkinjected) = match &mut known.state {
            HalfRefState::Dead(why) => return Err(*why),
            HalfRefState::Waiting {
                token,
                linkinjected,
            } => (*token, linkinjected.take()),
        };
        let device = Arc::clone(&known.device);
        self.end_waiting(half_ref, RedeemError::Spent, now);

        let record = self.records.get_mut(&device).ok_or(RedeemError::Unknown)?;
        let socket = Socket {
            connection: connection.clone(),
            token,
        };
        if let Some(older) = record.socket.replace(socket) {
            self.sockets.end(&older.connection, Ending::Superseded);
        }
        let epoch = Arc::clone(&record.epoch);
        Ok(Opened {
            device,
            epoch,
            linkinjected,
        })
    }

    fn close(&mut self, device: &str, connection: &ConnectionId, now: Millis) {
        let Some(record) = self.records.get_mut(device) else {
            return;
        };
        if record
            .socket
            .take_if(|socket| socket.connection == *connection)
            .is_some()
        {
            self.keep_record_after(device, now);
        }
    }

    /// The `halfRef` waits no longer; it is remembered for a while, so that a replay can be told
    /// from a stranger.
    fn end_waiting(&mut self, half_ref: &Digest, why: RedeemError, now: Millis) {
        let Some(known) = self.half_refs.get_mut(half_ref) else {
            return;
        };
        self.due.waiting.remove(&(known.until, *half_ref));
        known.state = HalfRefState::Dead(why);
        known.until = now + millis(self.settings.half_ref_memory);
        self.due.remembered.insert((known.until, *half_ref));
        if let Some(record) = self.records.get_mut(&known.device) {
            record.waiting.retain(|waiting| waiting != half_ref);
        }
        if self.due.remembered.len() > self.settings.remembered_half_refs
            && let Some((_, oldest)) = self.due.remembered.pop_first()
        {
            self.half_refs.remove(&oldest);
        }
    }

    fn forget(&mut self, half_ref: &Digest) {
        let Some(known) = self.half_refs.remove(half_ref) else {
            return;
        };
        self.due.waiting.remove(&(known.until, *half_ref));
        self.due.remembered.remove(&(known.until, *half_ref));
        if let Some(record) = self.records.get_mut(&known.device) {
            record.waiting.retain(|waiting| waiting != half_ref);
        }
    }

    /// The record lives on for its full time after `at`.
    fn keep_record_after(&mut self, device: &str, at: Millis) {
        let Some((device, _)) = self.records.get_key_value(device) else {
            return;
        };
        let device = Arc::clone(device);
        let Some(record) = self.records.get_mut(&device) else {
            return;
        };
        let ends_at = at + millis(self.settings.record_ttl);
        if ends_at > record.ends_at {
            self.due
                .records
                .remove(&(record.ends_at, Arc::clone(&device)));
            record.ends_at = ends_at;
            self.due.records.insert((ends_at, device));
        }
    }

    fn end_record(&mut self, device: &str, now: Millis) {
        let Some((device, _)) = self.records.get_key_value(device) else {
            return;
        };
        let device = Arc::clone(device);
        let Some(mut record) = self.records.remove(&device) else {
            return;
        };
        self.due.records.remove(&(record.ends_at, device));
        for token in record.holder.tokens() {
            self.drop_token(&token);
        }
        if let Some(socket) = record.socket.take() {
            self.sockets.end(&socket.connection, Ending::Revoked);
        }
        for half_ref in record.waiting {
            self.end_waiting(&half_ref, RedeemError::Revoked, now);
        }
    }

    /// Ends what is due.
    fn expire(&mut self, now: Millis) {
        // The tokens stay known as expired ones, until their record ends.
        while let Some(token) = pop_due(&mut self.due.tokens, now) {
            let Some(Token { device, .. }) = self.tokens.get(&token) else {
                continue;
            };
            let device = Arc::clone(device);
            self.end_bound_to(&device, &token, Ending::TokenEnded, now);
        }
        while let Some(half_ref) = pop_due(&mut self.due.waiting, now) {
            self.end_waiting(&half_ref, RedeemError::Expired, now);
        }
        while let Some(half_ref) = pop_due(&mut self.due.remembered, now) {
            self.half_refs.remove(&half_ref);
        }
        while let Some(device) = pop_due(&mut self.due.records, now) {
            let Some(record) = self.records.get_mut(&device) else {
                continue;
            };
            if record.socket.is_some() {
                record.ends_at = now + millis(self.settings.record_ttl);
                self.due.records.insert((record.ends_at, device));
            } else {
                self.end_record(&device, now);
            }
        }
    }
}
