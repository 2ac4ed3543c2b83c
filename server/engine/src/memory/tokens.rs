//! The steps of tokens: who gets one, by the rules of channel and claim, and how each ends.

use std::sync::Arc;

use super::{
    super::{
        Digest, DisconnectCause, EndReason, Millis, RedeemError, RequestTokenError, Requester,
        TokenError, millis,
    },
    state::{HalfRef, HalfRefState, Holder, State, Token},
};

impl State {
    pub(crate) fn request_token(
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
                let holder = || Holder::Claim { newest: token, before: None };
                let device = self.record(device, holder, now)?;
                self.add_token(&device, token, expires);
            }
            // Whether the newest has reached the device is not known while another is kept beside
            // it; the one that the device has used stays good.
            (Requester::Operator, Some((newest, before))) => {
                let (kept, dropped) = match before {
                    Some(before) => (before, Some(newest)),
                    None => (newest, None),
                };
                self.renew(device, token, kept, dropped, expires);
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

    pub(crate) fn add_token(&mut self, device: &Arc<str>, token: Digest, expires: Millis) {
        self.tokens.insert(token, Token { device: Arc::clone(device), expires });
        self.due.tokens.insert((expires, token));
        self.keep_record_after(device, expires);
    }

    pub(crate) fn add_test_token(&mut self, device: &str, token: Digest, now: Millis) {
        let Some(Holder::Test(tokens)) = self.records.get_mut(device).map(|r| &mut r.holder) else {
            return;
        };
        tokens.push(token);
        if tokens.len() > self.settings.test_tokens {
            let oldest = tokens.remove(0);
            self.drop_token(&oldest);
            self.end_bound_to(device, &oldest, EndReason::Revoked, now);
        }
    }

    /// Makes `token` the newest and keeps the one that the device is known to have beside it.
    pub(crate) fn renew(
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
            record.holder = Holder::Claim { newest: token, before: Some(kept) };
            if let Some(socket) = &mut record.socket {
                socket.token = token;
            }
            for half_ref in &record.waiting {
                if let Some(HalfRef { state: HalfRefState::Waiting { token: bound, .. }, .. }) =
                    self.half_refs.get_mut(half_ref)
                {
                    *bound = token;
                }
            }
        }
        self.add_token(&device, token, expires);
    }

    /// The token that a use of `token` counts for. The first use of a claim's newest token ends
    /// the one before it.
    pub(crate) fn used(&mut self, device: &str, token: Digest) -> Digest {
        let Some(Holder::Claim { newest, before }) =
            self.records.get(device).map(|record| &record.holder)
        else {
            return token;
        };
        let (newest, before) = (*newest, *before);
        if newest == token
            && let Some(before) = before
            && let Some(record) = self.records.get_mut(device)
        {
            record.holder = Holder::Claim { newest, before: None };
            self.drop_token(&before);
        }
        newest
    }

    pub(crate) fn live_token(&self, token: &Digest, now: Millis) -> Result<&Token, TokenError> {
        match self.tokens.get(token) {
            None => Err(TokenError::Unknown),
            Some(token) if token.expires <= now => Err(TokenError::Expired),
            Some(token) => Ok(token),
        }
    }

    pub(crate) fn revoke_token(&mut self, token: &Digest, now: Millis) {
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
                self.end_bound_to(&device, token, EndReason::Revoked, now);
            }
            Holder::Test(_) | Holder::Claim { .. } => self.end_record(&device, now),
        }
    }

    pub(crate) fn drop_token(&mut self, token: &Digest) {
        if let Some(Token { expires, .. }) = self.tokens.remove(token) {
            self.due.tokens.remove(&(expires, *token));
        }
    }

    /// Ends what waits or is open by right of `token`.
    pub(crate) fn end_bound_to(
        &mut self,
        device: &str,
        token: &Digest,
        ending: EndReason,
        now: Millis,
    ) {
        let Some(record) = self.records.get_mut(device) else {
            return;
        };
        if let Some(socket) = record.socket.take_if(|socket| socket.token == *token) {
            self.socket_ended(device, &socket, Some(DisconnectCause::Engine(ending)), now);
            self.calls.end(&socket.connection, ending);
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
            EndReason::TokenExpired => RedeemError::Expired,
            EndReason::Revoked | EndReason::Superseded | EndReason::LeaseExpired => {
                RedeemError::Revoked
            }
        };
        for half_ref in ended {
            self.end_waiting(&half_ref, why, now);
        }
    }
}
