//! How a `halfRef` is authorised and redeemed.

use engine::{AuthoriseError, DisconnectCause, EndReason, RedeemError};

use super::{HalfRef, HalfRefState, Model, Socket};

/// What redeeming a `halfRef` opened.
pub struct Opened {
    /// The device.
    pub device: String,
    /// The number of its record.
    pub record: usize,
    pub linkinjected: Option<String>,
}

impl Model {
    pub fn authorise(
        &mut self,
        token: &str,
        device: &str,
        half_ref: &str,
        linkinjected: Option<&str>,
    ) -> Result<(), AuthoriseError> {
        self.check_token(token).map_err(AuthoriseError::Token)?;
        let (place, _) = self.token(token).expect("a live token has a record");
        if self.records[place].device != device {
            return Err(AuthoriseError::DeviceMismatch);
        }
        let bound = self.use_token(place, token);

        match self.half_refs.get(half_ref) {
            Some(known) if known.device != device => return Err(AuthoriseError::HalfRefForeign),
            Some(HalfRef { state: HalfRefState::Closed(RedeemError::Spent), .. }) => {
                return Err(AuthoriseError::HalfRefSpent);
            }
            _ => {}
        }
        self.half_refs.remove(half_ref);
        self.replace_oldest(device);
        let authorised = HalfRef {
            device: device.to_owned(),
            state: HalfRefState::Open {
                token: bound,
                linkinjected: linkinjected.map(str::to_owned),
            },
            until: self.after(self.limits.authorisation_ttl),
            order: self.next_order(),
        };
        self.half_refs.insert(half_ref.to_owned(), authorised);
        Ok(())
    }

    fn replace_oldest(&mut self, device: &str) {
        self.replaced = false;
        let until = self.after(self.limits.half_ref_memory);
        let of_device = self.half_refs.values_mut().filter(|known| known.device == device);
        let mut open: Vec<_> = of_device.filter(|known| known.is_open()).collect();
        open.sort_by_key(|known| known.order);
        let replaced = (open.len() + 1).saturating_sub(self.limits.open_authorisations);
        for oldest in open.into_iter().take(replaced) {
            oldest.state = HalfRefState::Closed(RedeemError::Expired);
            oldest.until = until;
            self.replaced = true;
        }
    }

    fn next_order(&mut self) -> u64 {
        self.authorised += 1;
        self.authorised
    }

    pub fn redeem(&mut self, half_ref: &str, connection: &str) -> Result<Opened, RedeemError> {
        let known = self.half_refs.get(half_ref).ok_or(RedeemError::Unknown)?;
        let device = known.device.clone();
        let (token, linkinjected) = match known.state.clone() {
            HalfRefState::Closed(why) => return Err(why),
            HalfRefState::Open { token, linkinjected } => (token, linkinjected),
        };
        if !self.has_room_for_socket(&device, connection, linkinjected.as_deref()) {
            return Err(RedeemError::EventsFull);
        }
        let until = self.after(self.limits.half_ref_memory);
        let spent = HalfRefState::Closed(RedeemError::Spent);
        let spent = HalfRef { device: device.clone(), state: spent, until, order: 0 };
        self.half_refs.insert(half_ref.to_owned(), spent);

        let place = self.place(&device).expect("an open authorisation has a record");
        self.end_socket(place, Some(DisconnectCause::Engine(EndReason::Superseded)));
        let since = self.now;
        let name = connection.to_owned();
        let socket = Socket { connection: name, since, linkinjected: linkinjected.clone(), token };
        self.records[place].socket = Some(socket);
        let event = self.connected_event(&device, linkinjected.as_deref());
        self.append(&device, Some(connection), event);
        Ok(Opened { device, record: self.records[place].number, linkinjected })
    }
}
