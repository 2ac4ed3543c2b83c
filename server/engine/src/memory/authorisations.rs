//! The operations on authorisations: a `halfRef` is pending, is redeemed once, and is remembered for
//! a while.

use std::sync::Arc;

use super::{
    record::{HalfRef, HalfRefState, Socket},
    state::State,
};
use crate::{
    Authorisation, AuthoriseError, ConnectionId, Digest, DisconnectCause, EndReason, EventData,
    Millis, Opened, RedeemError, millis,
};

impl State {
    pub fn authorise(
        &mut self,
        authorisation: Authorisation<'_>,
        now: Millis,
    ) -> Result<(), AuthoriseError> {
        let Authorisation { token, device, half_ref, linkinjected } = authorisation;
        let found = self.live_token(&token.digest, now).map_err(AuthoriseError::Token)?;
        if &*found.device != device {
            return Err(AuthoriseError::DeviceMismatch);
        }
        let device = Arc::clone(&found.device);
        let token = self.use_token(&device, token.digest);
        self.count_authorisation(&device, now)?;

        match self.half_refs.get(half_ref) {
            Some(known) if known.device != device => return Err(AuthoriseError::HalfRefForeign),
            Some(HalfRef { state: HalfRefState::Ended(RedeemError::Spent), .. }) => {
                return Err(AuthoriseError::HalfRefSpent);
            }
            Some(_) | None => {}
        }
        self.remove_half_ref(half_ref);
        self.replace_oldest(&device, now);
        let expires = now + millis(self.limits.authorisation_ttl);
        let state = HalfRefState::Pending { token, linkinjected: linkinjected.map(Into::into) };
        self.deadlines.pending.insert((expires, *half_ref));
        if let Some(record) = self.records.get_mut_clean(&device) {
            record.pending.push(*half_ref);
        }
        let order = self.next_order;
        self.next_order += 1;
        self.half_refs.insert(*half_ref, HalfRef { device, state, expires, order });
        Ok(())
    }

    /// Counts an authorisation against the device's rate.
    fn count_authorisation(&mut self, device: &str, now: Millis) -> Result<(), AuthoriseError> {
        let Some(record) = self.records.get_mut_clean(device) else {
            return Ok(());
        };
        let rate = self.limits.authorisation_rate();
        record.authorisations.try_count(rate, now * 1000).map_err(AuthoriseError::TooMany)
    }

    /// Makes room for one more pending `halfRef`: the oldest ends as if it had expired.
    fn replace_oldest(&mut self, device: &str, now: Millis) {
        while let Some(record) = self.records.get(device)
            && record.pending.len() >= self.limits.open_authorisations.max(1)
        {
            let oldest = record.pending[0];
            self.end_half_ref(&oldest, RedeemError::Expired, now);
        }
    }

    pub fn redeem(
        &mut self,
        half_ref: &Digest,
        connection: &ConnectionId,
        now: Millis,
    ) -> Result<Opened, RedeemError> {
        let known = self.half_refs.get(half_ref).ok_or(RedeemError::Unknown)?;
        let (token, linkinjected) = match &known.state {
            HalfRefState::Ended(why) => return Err(*why),
            HalfRefState::Pending { token, linkinjected } => (*token, linkinjected.clone()),
        };
        let device = Arc::clone(&known.device);
        let record = self.records.get(&device).ok_or(RedeemError::Unknown)?;
        let connected = EventData::Connected {
            linkinjected: linkinjected.clone(),
            device_data: record.device_data.clone(),
        };
        let socket = Socket {
            connection: connection.clone(),
            since: self.wall(now),
            linkinjected: linkinjected.clone(),
            token,
        };
        let disconnected_size = socket.disconnected_size(&device);
        let size = connected.size(&device, Some(connection)) + disconnected_size;
        if !self.events.has_room(&device, record.reserved(&device), size, &self.limits) {
            return Err(RedeemError::EventsFull);
        }
        self.end_half_ref(half_ref, RedeemError::Spent, now);

        let record = self.records.get_mut(&device).ok_or(RedeemError::Unknown)?;
        let older = record.socket.replace(socket);
        let epoch = Arc::clone(&record.epoch);
        if let Some(older) = older {
            let cause = DisconnectCause::Engine(EndReason::Superseded);
            self.socket_ended(&device, &older, Some(cause), now);
            self.notifications.end(&older.connection, EndReason::Superseded);
        }
        self.connected.insert(Arc::clone(&device));
        if let Some(link) = &linkinjected {
            self.linked.insert((Arc::clone(link), Arc::clone(&device)));
        }
        self.events.reserve(disconnected_size);
        self.append_event(&device, Some(connection), connected, now);
        Ok(Opened { device, epoch, linkinjected })
    }

    /// Ends a pending `halfRef`. It is remembered for a while, so that a replay gets another answer
    /// than an unknown one.
    pub(super) fn end_half_ref(&mut self, half_ref: &Digest, why: RedeemError, now: Millis) {
        let Some(known) = self.half_refs.get_mut(half_ref) else {
            return;
        };
        self.deadlines.pending.remove(&(known.expires, *half_ref));
        known.state = HalfRefState::Ended(why);
        known.expires = now + millis(self.limits.half_ref_memory);
        self.deadlines.remembered.insert((known.expires, *half_ref));
        if let Some(record) = self.records.get_mut_clean(&known.device) {
            record.remove_pending(half_ref);
        }
        if self.deadlines.remembered.len() > self.limits.remembered_half_refs
            && let Some((_, oldest)) = self.deadlines.remembered.pop_first()
        {
            self.half_refs.remove(&oldest);
        }
    }

    /// Removes a `halfRef` altogether.
    pub(super) fn remove_half_ref(&mut self, half_ref: &Digest) {
        let Some(known) = self.half_refs.remove(half_ref) else {
            return;
        };
        self.deadlines.pending.remove(&(known.expires, *half_ref));
        self.deadlines.remembered.remove(&(known.expires, *half_ref));
        if let Some(record) = self.records.get_mut_clean(&known.device) {
            record.remove_pending(half_ref);
        }
    }
}
