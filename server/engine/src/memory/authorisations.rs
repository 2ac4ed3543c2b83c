//! The steps of authorisations: a `halfRef` waits, is redeemed once, and is remembered for a while.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        Authorisation, AuthoriseError, ConnectionId, Digest, DisconnectCause, EndReason, EventData,
        Millis, Opened, RedeemError, millis,
    },
    state::{HalfRef, HalfRefState, Socket, State},
};

impl State {
    pub(crate) fn authorise(
        &mut self,
        authorisation: Authorisation<'_>,
        now: Millis,
    ) -> Result<(), AuthoriseError> {
        let Authorisation { token, device, half_ref, linkinjected } = authorisation;
        let found = self.live_token(token, now).map_err(AuthoriseError::Token)?;
        if &*found.device != device {
            return Err(AuthoriseError::DeviceMismatch);
        }
        let device = Arc::clone(&found.device);
        let token = self.used(&device, *token);
        self.count_authorisation(&device, now)?;

        match self.half_refs.get(half_ref) {
            Some(known) if known.device != device => return Err(AuthoriseError::HalfRefForeign),
            Some(HalfRef { state: HalfRefState::Dead(RedeemError::Spent), .. }) => {
                return Err(AuthoriseError::HalfRefSpent);
            }
            Some(HalfRef { state: HalfRefState::Waiting { .. }, .. }) => {}
            Some(HalfRef { state: HalfRefState::Dead(_), .. }) | None => {
                self.room_to_wait(&device, now)?;
            }
        }
        self.forget(half_ref);
        let until = now + millis(self.settings.authorisation_ttl);
        let state = HalfRefState::Waiting { token, linkinjected: linkinjected.map(Into::into) };
        self.due.waiting.insert((until, *half_ref));
        if let Some(record) = self.records.get_mut_untouched(&device) {
            record.waiting.push(*half_ref);
        }
        self.half_refs.insert(*half_ref, HalfRef { device, state, until });
        Ok(())
    }

    /// The device's rate, by the generic cell rate algorithm with a burst of one second.
    pub(crate) fn count_authorisation(
        &mut self,
        device: &str,
        now: Millis,
    ) -> Result<(), AuthoriseError> {
        let Some(record) = self.records.get_mut_untouched(device) else {
            return Ok(());
        };
        let now = now * 1000;
        let interval = 1_000_000 / u64::from(self.settings.authorisations_per_second.max(1));
        let ahead = record.rate.saturating_sub(now);
        let burst = 1_000_000 - interval;
        if ahead > burst {
            return Err(AuthoriseError::TooMany(Duration::from_micros(ahead - burst)));
        }
        record.rate = record.rate.max(now) + interval;
        Ok(())
    }

    pub(crate) fn room_to_wait(&self, device: &str, now: Millis) -> Result<(), AuthoriseError> {
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

    pub(crate) fn redeem(
        &mut self,
        half_ref: &Digest,
        connection: &ConnectionId,
        now: Millis,
    ) -> Result<Opened, RedeemError> {
        let known = self.half_refs.get(half_ref).ok_or(RedeemError::Unknown)?;
        let (token, linkinjected) = match &known.state {
            HalfRefState::Dead(why) => return Err(*why),
            HalfRefState::Waiting { token, linkinjected } => (*token, linkinjected.clone()),
        };
        let device = Arc::clone(&known.device);
        if self.events.is_full(&device, &self.settings) {
            return Err(RedeemError::EventsFull);
        }
        self.end_waiting(half_ref, RedeemError::Spent, now);

        let record = self.records.get_mut(&device).ok_or(RedeemError::Unknown)?;
        let socket = Socket {
            connection: connection.clone(),
            since: now,
            linkinjected: linkinjected.clone(),
            token,
        };
        let older = record.socket.replace(socket);
        let epoch = Arc::clone(&record.epoch);
        if let Some(older) = older {
            let cause = DisconnectCause::Engine(EndReason::Superseded);
            self.socket_ended(&device, &older, Some(cause), now);
            self.calls.end(&older.connection, EndReason::Superseded);
        }
        self.connected.insert(Arc::clone(&device));
        let data = EventData::Connected { linkinjected: linkinjected.clone() };
        self.happened(&device, Some(connection), data, now);
        Ok(Opened { device, epoch, linkinjected })
    }

    /// The `halfRef` waits no longer; it is remembered for a while, so that a replay can be told
    /// from a stranger.
    pub(crate) fn end_waiting(&mut self, half_ref: &Digest, why: RedeemError, now: Millis) {
        let Some(known) = self.half_refs.get_mut(half_ref) else {
            return;
        };
        self.due.waiting.remove(&(known.until, *half_ref));
        known.state = HalfRefState::Dead(why);
        known.until = now + millis(self.settings.half_ref_memory);
        self.due.remembered.insert((known.until, *half_ref));
        if let Some(record) = self.records.get_mut_untouched(&known.device) {
            record.waiting.retain(|waiting| waiting != half_ref);
        }
        if self.due.remembered.len() > self.settings.remembered_half_refs
            && let Some((_, oldest)) = self.due.remembered.pop_first()
        {
            self.half_refs.remove(&oldest);
        }
    }

    pub(crate) fn forget(&mut self, half_ref: &Digest) {
        let Some(known) = self.half_refs.remove(half_ref) else {
            return;
        };
        self.due.waiting.remove(&(known.until, *half_ref));
        self.due.remembered.remove(&(known.until, *half_ref));
        if let Some(record) = self.records.get_mut_untouched(&known.device) {
            record.waiting.retain(|waiting| waiting != half_ref);
        }
    }
}
