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
        self.add_token(place, token, None);
        if self.records[place].tokens.len() > self.limits.test_tokens {
            let oldest = self.records[place].tokens.remove(0);
            self.end_bound_to(place, &oldest.name, EndReason::Revoked);
        }
        Ok(())
    }

    /// A claim or a renewal, with the token that the device showed and an idempotency key.
    pub fn claim(
        &mut self,
        device: &str,
        shown: Option<&str>,
        key: Option<&str>,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        let Some(place) = self.claimed(device) else {
            return self.first_claim(device, token, key);
        };
        let tokens = &mut self.records[place].tokens;
        // A repeated request: the response with the token was lost.
        if key.is_some()
            && let Some(lost) = tokens.iter().position(|token| token.key.as_deref() == key)
        {
            tokens.remove(lost);
            self.add_token(place, token, key);
            if lost == 0 {
                self.records[place].tokens.rotate_right(1);
            }
            self.bind_to_newest(place);
            return Ok(());
        }
        if !tokens.iter().any(|token| Some(token.name.as_str()) == shown) {
            return Err(RequestTokenError::DeviceClaimed);
        }
        self.use_token(place, shown.expect("it was just found"));
        self.add_token(place, token, key);
        if self.records[place].tokens.len() > 1 + self.limits.unused_tokens {
            self.records[place].tokens.remove(1);
        }
        self.bind_to_newest(place);
        Ok(())
    }

    pub fn issue(&mut self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        let Some(place) = self.claimed(device) else {
            return self.first_claim(device, token, None);
        };
        // The first is the one that the device is known to have.
        self.records[place].tokens.truncate(1);
        self.add_token(place, token, None);
        self.bind_to_newest(place);
        Ok(())
    }

    /// Whether an unused token of a claim was requested with this key.
    pub fn has_key(&self, device: &str, key: &str) -> bool {
        let mut tokens = self.record(device).into_iter().flat_map(|record| &record.tokens);
        tokens.any(|token| token.key.as_deref() == Some(key))
    }

    fn claimed(&self, device: &str) -> Option<usize> {
        self.place(device).filter(|place| self.records[*place].claimed)
    }

    fn first_claim(
        &mut self,
        device: &str,
        token: &str,
        key: Option<&str>,
    ) -> Result<(), RequestTokenError> {
        self.disconnect(device);
        let place = self.new_record(device, true)?;
        self.add_token(place, token, key);
        Ok(())
    }

    /// Keeps what a request says of a device: that it was there, where it asks itself, and what it says
    /// of itself.
    pub fn granted(&mut self, device: &str, asks: bool, data: Option<&str>) {
        let place = self.place(device).expect("who has a token has a record");
        if asks {
            self.records[place].last_seen = Some(self.now);
        }
        if let Some(data) = data {
            self.records[place].device_data = Some(data.to_owned());
        }
    }

    fn new_record(&mut self, device: &str, claimed: bool) -> Result<usize, RequestTokenError> {
        let records = self.records.iter();
        let sharing = records.filter(|record| self.share_partition(&record.device, device));
        if sharing.count() == self.limits.devices {
            return Err(RequestTokenError::DevicesFull);
        }
        self.made += 1;
        self.records.push(Record {
            number: self.made,
            device: device.to_owned(),
            epoch: None,
            claimed,
            device_data: None,
            last_seen: None,
            tokens: Vec::new(),
            socket: None,
            conversation: Conversation::default(),
            ends: self.now,
        });
        Ok(self.records.len() - 1)
    }

    fn add_token(&mut self, place: usize, name: &str, key: Option<&str>) {
        let expires = self.after(self.limits.token_ttl);
        let (name, key) = (name.to_owned(), key.map(str::to_owned));
        self.records[place].tokens.push(Token { name, key, expires });
        self.keep_record_after(place, expires);
    }

    /// The socket and the open authorisations of a claim end with its newest token.
    fn bind_to_newest(&mut self, place: usize) {
        let record = &mut self.records[place];
        let newest = &record.tokens.last().expect("a claim has a token").name;
        if let Some(socket) = &mut record.socket {
            newest.clone_into(&mut socket.token);
        }
        for half_ref in self.half_refs.values_mut() {
            if half_ref.device == record.device
                && let HalfRefState::Open { token, .. } = &mut half_ref.state
            {
                newest.clone_into(token);
            }
        }
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

    /// The first use of an unused token of a claim ends the others, and what it is used for ends
    /// with the newest. Returns the token that it ends with.
    pub(super) fn use_token(&mut self, place: usize, token: &str) -> String {
        let record = &mut self.records[place];
        if !record.claimed {
            return token.to_owned();
        }
        if record.tokens[0].name != token {
            record.tokens.retain(|other| other.name == token);
        }
        for used in record.tokens.iter_mut().filter(|used| used.name == token) {
            used.key = None;
        }
        self.bind_to_newest(place);
        self.records[place].tokens.last().expect("a claim has a token").name.clone()
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
