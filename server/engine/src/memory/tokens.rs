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
        token: Digest,
        now: Millis,
    ) -> Result<(), RequestTokenError> {
        let expires = now + millis(self.limits.token_ttl);
        let claim = match self.records.get(device).map(|record| &record.holder) {
            Some(Holder::Claim { newest, previous }) => Some((*newest, *previous)),
            Some(Holder::Test(_)) | None => None,
        };
        match (requester, claim) {
            (Requester::Test, None) => {
                let device = self.ensure_record(device, || Holder::Test(Vec::new()), now)?;
                self.add_test_token(&device, token, now);
                self.add_token(&device, token, expires);
            }
            (Requester::Claim(_) | Requester::Operator, None) => {
                self.delete_record(device, now);
                let holder = || Holder::Claim { newest: token, previous: None };
                let device = self.ensure_record(device, holder, now)?;
                self.add_token(&device, token, expires);
            }
            // While there is a previous token, the newest may never have reached the device; the
            // previous one has, so it stays good.
            (Requester::Operator, Some((newest, previous))) => {
                let (previous, replaced) = match previous {
                    Some(previous) => (previous, Some(newest)),
                    None => (newest, None),
                };
                self.renew(device, token, previous, replaced, expires);
            }
            (Requester::Claim(Some(shown)), Some((newest, previous))) if *shown == newest => {
                self.renew(device, token, newest, previous, expires);
            }
            // The response with the newest was lost, so the device still has the previous one.
            (Requester::Claim(Some(shown)), Some((newest, Some(previous))))
                if *shown == previous =>
            {
                self.renew(device, token, previous, Some(newest), expires);
            }
            (Requester::Test | Requester::Claim(_), Some(_)) => {
                return Err(RequestTokenError::DeviceClaimed);
            }
        }
        Ok(())
    }

    fn add_token(&mut self, device: &Arc<str>, token: Digest, expires: Millis) {
        self.tokens.insert(token, Token { device: Arc::clone(device), expires });
        self.deadlines.tokens.insert((expires, token));
        self.extend_record(device, expires);
    }

    fn add_test_token(&mut self, device: &str, token: Digest, now: Millis) {
        let Some(Holder::Test(tokens)) = self.records.get_mut(device).map(|r| &mut r.holder) else {
            return;
        };
        tokens.push(token);
        if tokens.len() > self.limits.test_tokens {
            let oldest = tokens.remove(0);
            self.remove_token(&oldest);
            self.end_sessions_of(device, &oldest, EndReason::Revoked, now);
        }
    }

    /// Makes `token` the newest of the claim and `previous` the one before it, and drops
    /// `replaced`. Socket and authorisations move to the newest.
    fn renew(
        &mut self,
        device: &str,
        token: Digest,
        previous: Digest,
        replaced: Option<Digest>,
        expires: Millis,
    ) {
        let Some((device, _)) = self.records.get_key_value(device) else {
            return;
        };
        let device = Arc::clone(device);
        if let Some(replaced) = replaced {
            self.remove_token(&replaced);
        }
        if let Some(record) = self.records.get_mut(&device) {
            record.holder = Holder::Claim { newest: token, previous: Some(previous) };
            if let Some(socket) = &mut record.socket {
                socket.token = token;
            }
            for half_ref in &record.pending {
                if let Some(HalfRef { state: HalfRefState::Pending { token: its, .. }, .. }) =
                    self.half_refs.get_mut(half_ref)
                {
                    *its = token;
                }
            }
        }
        self.add_token(&device, token, expires);
    }

    /// Records a use of a live token: the first use of a claim's newest token ends the previous
    /// one. Returns the token that sessions of this use belong to, a claim's newest.
    pub(super) fn use_token(&mut self, device: &str, token: Digest) -> Digest {
        let Some(Holder::Claim { newest, previous }) =
            self.records.get(device).map(|record| &record.holder)
        else {
            return token;
        };
        let (newest, previous) = (*newest, *previous);
        if newest == token
            && let Some(previous) = previous
            && let Some(record) = self.records.get_mut(device)
        {
            record.holder = Holder::Claim { newest, previous: None };
            self.remove_token(&previous);
        }
        newest
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
            Holder::Test(_) | Holder::Claim { .. } => self.delete_record(&device, now),
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
