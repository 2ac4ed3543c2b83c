//! Who gets a token, and how tokens end.

use engine::{EndReason, RequestTokenError, TokenError};

use super::{HalfRefState, Model, Record, Token, conversation::Conversation};

impl Model {
    pub fn request_test_token(
        &mut self,
        device: &str,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        let place = match self.place(device) {
            Some(place) if self.records[place].claimed => {
                return Err(RequestTokenError::DeviceClaimed);
            }
            Some(place) => place,
            None => self.new_record(device, false)?,
        };
        self.add_token(place, token);
        if self.records[place].tokens.len() > self.limits.test_tokens {
            let oldest = self.records[place].tokens.remove(0);
            self.end_bound_to(place, &oldest.name, EndReason::Revoked);
        }
        Ok(())
    }

    pub fn claim(
        &mut self,
        device: &str,
        shown: Option<&str>,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        let Some(place) = self.claimed(device) else { return self.first_claim(device, token) };
        let mut tokens = self.records[place].tokens.iter();
        let shown = tokens.find(|known| Some(known.name.as_str()) == shown);
        let kept = shown.ok_or(RequestTokenError::DeviceClaimed)?.name.clone();
        self.renew(place, &kept, token);
        Ok(())
    }

    pub fn issue(&mut self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        let Some(place) = self.claimed(device) else { return self.first_claim(device, token) };
        // The previous one, while it is kept: that is the one that the device has used.
        let kept = self.records[place].tokens[0].name.clone();
        self.renew(place, &kept, token);
        Ok(())
    }

    fn claimed(&self, device: &str) -> Option<usize> {
        self.place(device).filter(|place| self.records[*place].claimed)
    }

    fn first_claim(&mut self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        self.disconnect(device);
        let place = self.new_record(device, true)?;
        self.add_token(place, token);
        Ok(())
    }

    fn new_record(&mut self, device: &str, claimed: bool) -> Result<usize, RequestTokenError> {
        if self.records.len() == self.limits.devices {
            return Err(RequestTokenError::DevicesFull);
        }
        self.made += 1;
        self.records.push(Record {
            number: self.made,
            device: device.to_owned(),
            epoch: None,
            claimed,
            tokens: Vec::new(),
            socket: None,
            conversation: Conversation::default(),
            ends: self.now,
        });
        Ok(self.records.len() - 1)
    }

    fn add_token(&mut self, place: usize, name: &str) {
        let expires = self.after(self.limits.token_ttl);
        self.records[place].tokens.push(Token { name: name.to_owned(), expires });
        self.keep_record_after(place, expires);
    }

    /// `token` becomes the newest; `kept`, which the device is known to have, stays beside it.
    fn renew(&mut self, place: usize, kept: &str, token: &str) {
        let record = &mut self.records[place];
        record.tokens.retain(|token| token.name == kept);
        if let Some(socket) = &mut record.socket {
            token.clone_into(&mut socket.token);
        }
        for half_ref in self.half_refs.values_mut() {
            if half_ref.device == record.device
                && let HalfRefState::Open { token: bound, .. } = &mut half_ref.state
            {
                token.clone_into(bound);
            }
        }
        self.add_token(place, token);
    }

    /// The place of the record and the token that have a token's name.
    pub fn token(&self, name: &str) -> Option<(usize, &Token)> {
        self.records.iter().enumerate().find_map(|(place, record)| {
            let token = record.tokens.iter().find(|token| token.name == name)?;
            Some((place, token))
        })
    }

    pub fn check_token(&self, token: &str) -> Result<(), TokenError> {
        match self.token(token) {
            None => Err(TokenError::Unknown),
            Some((_, token)) if token.expires <= self.now => Err(TokenError::Expired),
            Some(_) => Ok(()),
        }
    }

    /// The first use of a claim's newest token ends the previous one, and every use binds to the
    /// newest. Returns the token to bind to.
    pub(super) fn use_token(&mut self, place: usize, token: &str) -> String {
        let record = &mut self.records[place];
        if !record.claimed {
            return token.to_owned();
        }
        let newest = record.tokens.last().expect("a claim has a newest token").name.clone();
        if token == newest {
            record.tokens.retain(|token| token.name == newest);
        }
        newest
    }

    pub fn revoke(&mut self, token: &str) {
        let Some((place, _)) = self.token(token) else { return };
        let record = &mut self.records[place];
        if record.claimed || record.tokens.len() == 1 {
            return self.end_record(place);
        }
        record.tokens.retain(|other| other.name != token);
        self.end_bound_to(place, token, EndReason::Revoked);
    }

    /// The newest live token of a device.
    pub fn live_token(&self, device: &str) -> Option<String> {
        let newest = self.record(device)?.tokens.last()?;
        (newest.expires > self.now).then(|| newest.name.clone())
    }
}
