//! The operations on tokens: who gets one, by the rules of channel and claim, and how each ends.

use std::sync::Arc;

use super::{
    record::{HalfRef, HalfRefState, Holder, Token},
    state::State,
};
use crate::{
    Digest, DisconnectCause, EndReason, Millis, RedeemError, RequestTokenError, Requester,
    TokenError, millis,
};

impl State {
    pub fn request_token(
        &mut self,
        device: &str,
        requester: Requester<'_>,
        device_data: Option<&str>,
        token: Digest,
        now: Millis,
    ) -> Result<(), RequestTokenError> {
        let claim = match self.records.get(device).map(|record| &record.holder) {
            Some(Holder::Claim(tokens)) => Some(tokens.clone()),
            Some(Holder::Test(_)) | None => None,
        };
        let key = match requester {
            Requester::Claim { key, .. } => key.copied(),
            Requester::Test | Requester::Operator => None,
        };
        match (requester, claim) {
            (Requester::Test, None) => {
                let device = self.ensure_record(device, || Holder::Test(Vec::new()), now)?;
                self.add_test_token(&device, token, now);
                self.add_token(&device, token, None, now);
            }
            (Requester::Claim { .. } | Requester::Operator, None) => {
                self.delete_record(device, now);
                let device = self.ensure_record(device, || Holder::Claim(vec![token]), now)?;
                self.add_token(&device, token, key, now);
            }
            // The unused ones may never have reached the device; the first has.
            (Requester::Operator, Some(tokens)) => {
                self.keep_only(device, &tokens[0]);
                self.add_claim_token(device, token, None, now);
            }
            (Requester::Claim { shown, key }, Some(tokens)) => {
                let is_lost = |token: &&Digest| self.has_key(token, key);
                if let Some(lost) = tokens.iter().find(is_lost) {
                    self.replace(device, lost, token, now);
                } else if let Some(shown) = shown.filter(|shown| tokens.contains(shown)) {
                    self.use_token(device, *shown);
                    self.add_claim_token(device, token, key.copied(), now);
                } else {
                    return Err(RequestTokenError::DeviceClaimed);
                }
            }
            (Requester::Test, Some(_)) => return Err(RequestTokenError::DeviceClaimed),
        }
        match requester {
            Requester::Claim { .. } | Requester::Test => self.seen(device, now),
            Requester::Operator => {}
        }
        if let Some(data) = device_data {
            self.describe(device, data);
        }
        Ok(())
    }

    /// Keeps what a device has said of itself, unless that is known.
    fn describe(&mut self, device: &str, data: &str) {
        let Some((device, record)) = self.records.get_key_value(device) else { return };
        if record.device_data.as_deref() == Some(data) {
            return;
        }
        let device = Arc::clone(device);
        if let Some(record) = self.records.get_mut_clean(&device) {
            record.device_data = Some(data.into());
        }
        self.described.push(device);
    }

    fn add_token(&mut self, device: &Arc<str>, token: Digest, key: Option<Digest>, now: Millis) {
        let expires = now + millis(self.limits.token_ttl);
        self.tokens.insert(token, Token { device: Arc::clone(device), expires, key });
        self.deadlines.tokens.insert((expires, token));
        self.extend_record(device, expires);
    }

    fn add_test_token(&mut self, device: &str, token: Digest, now: Millis) {
        let Some(Holder::Test(tokens)) = self.records.get_mut(device).map(|r| &mut r.holder) else {
            return;
        };
        // Most devices have one, so there is no room for more.
        tokens.reserve_exact(1);
        tokens.push(token);
        if tokens.len() > self.limits.test_tokens {
            let oldest = tokens.remove(0);
            self.remove_token(&oldest);
            self.end_sessions_of(device, &oldest, EndReason::Revoked, now);
        }
    }

    /// Whether a token was requested with this idempotency key, and is unused.
    fn has_key(&self, token: &Digest, key: Option<&Digest>) -> bool {
        let its_key = self.tokens.get(token).and_then(|token| token.key.as_ref());
        key.is_some() && key == its_key
    }

    /// Adds an unused token to a claim, as its newest. The oldest unused one makes room for it.
    fn add_claim_token(&mut self, device: &str, token: Digest, key: Option<Digest>, now: Millis) {
        let Some((device, _)) = self.records.get_key_value(device) else {
            return;
        };
        let device = Arc::clone(device);
        self.add_token(&device, token, key, now);
        let unused = self.limits.unused_tokens;
        let Some(tokens) = self.claim_tokens(&device) else { return };
        tokens.push(token);
        let oldest = (tokens.len() > 1 + unused).then(|| tokens.remove(1));
        if let Some(oldest) = oldest {
            self.remove_token(&oldest);
        }
        self.move_sessions_to_newest(&device);
    }

    /// Puts a fresh token in the place of one whose response was lost, under the same key.
    fn replace(&mut self, device: &str, lost: &Digest, token: Digest, now: Millis) {
        let key = self.tokens.get(lost).and_then(|lost| lost.key);
        self.remove_token(lost);
        let Some(tokens) = self.claim_tokens(device) else { return };
        let was_first = tokens[0] == *lost;
        tokens.retain(|token| token != lost);
        self.add_claim_token(device, token, key, now);
        if was_first && let Some(tokens) = self.claim_tokens(device) {
            tokens.rotate_right(1);
            self.move_sessions_to_newest(device);
        }
    }

    /// The tokens of a claim, to be changed.
    fn claim_tokens(&mut self, device: &str) -> Option<&mut Vec<Digest>> {
        match self.records.get_mut(device).map(|record| &mut record.holder) {
            Some(Holder::Claim(tokens)) => Some(tokens),
            Some(Holder::Test(_)) | None => None,
        }
    }

    /// Drops every token of a claim but one.
    fn keep_only(&mut self, device: &str, kept: &Digest) {
        let Some(tokens) = self.claim_tokens(device) else { return };
        let dropped: Vec<_> = tokens.extract_if(.., |token| token != kept).collect();
        for token in dropped {
            self.remove_token(&token);
        }
        self.move_sessions_to_newest(device);
    }

    /// Socket and authorisations of a claim belong to its newest token.
    fn move_sessions_to_newest(&mut self, device: &str) {
        let Some(record) = self.records.get_mut(device) else { return };
        let Holder::Claim(tokens) = &record.holder else { return };
        let Some(newest) = tokens.last().copied() else { return };
        if let Some(socket) = &mut record.socket {
            socket.token = newest;
        }
        for half_ref in &record.pending {
            if let Some(HalfRef { state: HalfRefState::Pending { token, .. }, .. }) =
                self.half_refs.get_mut(half_ref)
            {
                *token = newest;
            }
        }
    }

    /// Records a use of a token, after which no other is given in its place. The first use of an
    /// unused token of a claim ends all others. Returns the token that sessions of this use belong
    /// to, a claim's newest.
    pub(super) fn use_token(&mut self, device: &str, token: Digest) -> Digest {
        let Some(Holder::Claim(tokens)) = self.records.get(device).map(|record| &record.holder)
        else {
            return token;
        };
        let (first, newest) = (tokens.first().copied(), tokens.last().copied());
        if let Some(used) = self.tokens.get_mut(&token)
            && used.key.take().is_some()
        {
            // The record's image in the journal has the key.
            self.records.get_mut(device);
        }
        if first == Some(token) {
            return newest.unwrap_or(token);
        }
        self.keep_only(device, &token);
        token
    }

    pub fn live_token(&self, token: &Digest, now: Millis) -> Result<&Token, TokenError> {
        match self.tokens.get(token) {
            None => Err(TokenError::Unknown),
            Some(token) if token.expires <= now => Err(TokenError::Expired),
            Some(token) => Ok(token),
        }
    }

    pub fn revoke_token(&mut self, token: &Digest, now: Millis) {
        let Some(Token { device, .. }) = self.tokens.get(token) else {
            return;
        };
        let device = Arc::clone(device);
        let Some(record) = self.records.get_mut(&device) else {
            return;
        };
        match &mut record.holder {
            Holder::Test(tokens) if tokens.len() > 1 => {
                tokens.retain(|other| other != token);
                self.remove_token(token);
                self.end_sessions_of(&device, token, EndReason::Revoked, now);
            }
            Holder::Test(_) | Holder::Claim(_) => self.delete_record(&device, now),
        }
    }

    /// Revokes a token that no client has. Where it is its device's only one, no client could renew
    /// it, so the record is deleted; where it is one of several, the others are good and it may stay.
    pub(super) fn revoke_unconfirmed_token(&mut self, token: &Digest, now: Millis) {
        let Some(Token { device, .. }) = self.tokens.get(token) else {
            return;
        };
        let device = Arc::clone(device);
        if self.records.get(&device).is_some_and(|record| record.holder.tokens() == [*token]) {
            self.delete_record(&device, now);
        }
    }

    pub(super) fn remove_token(&mut self, token: &Digest) {
        if let Some(Token { expires, .. }) = self.tokens.remove(token) {
            self.deadlines.tokens.remove(&(expires, *token));
        }
    }

    /// Ends the socket and the pending authorisations that belong to a token.
    pub(super) fn end_sessions_of(
        &mut self,
        device: &str,
        token: &Digest,
        reason: EndReason,
        now: Millis,
    ) {
        let Some(record) = self.records.get_mut(device) else {
            return;
        };
        if let Some(socket) = record.socket.take_if(|socket| socket.token == *token) {
            self.socket_ended(device, &socket, Some(DisconnectCause::Engine(reason)), now);
            self.notifications.end(&socket.connection, reason);
            self.extend_record(device, now);
        }
        let belongs = |half_ref: &Digest| {
            matches!(
                self.half_refs.get(half_ref).map(|half_ref| &half_ref.state),
                Some(HalfRefState::Pending { token: its, .. }) if its == token
            )
        };
        let Some(record) = self.records.get(device) else {
            return;
        };
        let ended: Vec<_> = record.pending.iter().copied().filter(belongs).collect();
        let why = match reason {
            EndReason::TokenExpired => RedeemError::Expired,
            EndReason::Revoked | EndReason::Superseded | EndReason::LeaseExpired => {
                RedeemError::Revoked
            }
        };
        for half_ref in ended {
            self.end_half_ref(&half_ref, why, now);
        }
    }
}
