//! The changes of the state as the journal has them. A change of this format is a new version of
//! it: see [`super::store::FORMAT`].

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};

use super::{
    super::{Digest, Event, Idempotency, Millis},
    outbox::Conversation,
    state::{HalfRef, Holder, Record, Socket, Token},
};

/// One change.
#[derive(Serialize, Deserialize)]
pub enum Change<'a> {
    /// The event stream's name, and the number of its next event.
    Stream { name: Cow<'a, str>, next: u64 },
    /// What is kept for a device, but for its conversation. Another epoch is another record.
    Record(#[serde(borrow)] RecordImage<'a>),
    /// Nothing is kept for the device any more.
    RecordEnded { device: Cow<'a, str> },
    /// A device's whole conversation.
    Conversation { device: Cow<'a, str>, conversation: Cow<'a, Conversation> },
    /// A message was queued, under an idempotency key that is remembered for a while.
    Queued {
        device: Cow<'a, str>,
        seq: u64,
        until: Millis,
        data: Cow<'a, str>,
        answered: Option<(Idempotency, bool, Millis)>,
    },
    /// The prospect acknowledged all up to a number.
    Acknowledged { device: Cow<'a, str>, seq: u64 },
    /// A message's time ran out.
    MessageExpired { device: Cow<'a, str>, seq: u64 },
    /// A prospect's message of this id was accepted.
    Accepted { device: Cow<'a, str>, id: Cow<'a, str> },
    /// What is known of a `halfRef`.
    HalfRef(Digest, Cow<'a, HalfRef>),
    /// Nothing is known of a `halfRef` any more.
    HalfRefForgotten(Digest),
    /// An event was appended.
    Event(Cow<'a, Event>),
    /// The operator has dealt with the events up to a number.
    Released { through: u64 },
}

/// A device's record but for its conversation.
#[derive(Serialize, Deserialize)]
pub struct RecordImage<'a> {
    pub device: Cow<'a, str>,
    pub epoch: Cow<'a, str>,
    pub claimed: bool,
    /// As [`Holder::tokens`] gives them, with the end of each.
    pub tokens: Vec<(Digest, Millis)>,
    pub socket: Option<Cow<'a, Socket>>,
    pub ends_at: Millis,
}

impl RecordImage<'_> {
    /// Who may speak for the device.
    pub fn holder(&self) -> Option<Holder> {
        let mut tokens = self.tokens.iter().map(|(token, _)| *token);
        if self.claimed {
            Some(Holder::Claim { newest: tokens.next()?, before: tokens.next() })
        } else {
            Some(Holder::Test(tokens.collect()))
        }
    }
}

/// A record as it is to be written down.
pub fn image<'a>(
    tokens: &HashMap<Digest, Token>,
    device: &'a str,
    record: &'a Record,
) -> Change<'a> {
    let end = |token: &Digest| tokens.get(token).map_or(0, |token| token.expires);
    Change::Record(RecordImage {
        device: Cow::Borrowed(device),
        epoch: Cow::Borrowed(&record.epoch),
        claimed: matches!(record.holder, Holder::Claim { .. }),
        tokens: record.holder.tokens().into_iter().map(|token| (token, end(&token))).collect(),
        socket: record.socket.as_ref().map(Cow::Borrowed),
        ends_at: record.ends_at,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::{
        super::{
            super::{ConnectionId, DisconnectCause, EndReason, EventData, RedeemError},
            state::HalfRefState,
        },
        *,
    };

    /// One of each.
    fn changes() -> Vec<Change<'static>> {
        let digest = Digest::of(b"a secret");
        let socket = Socket {
            connection: ConnectionId("connection".into()),
            since: 1,
            linkinjected: Some("link".into()),
            token: digest,
        };
        let half_ref = |state| HalfRef { device: "phone".into(), state, until: 2 };
        let waiting = HalfRefState::Waiting { token: digest, linkinjected: None };
        let mut conversation = Conversation::default();
        conversation.restore(1, 2, "3");
        conversation.restore(2, 3, "4");
        conversation.acknowledge(1);
        conversation.expire(2, 1);
        conversation.accepted("id", 1);
        let request = Idempotency { key: digest, body: digest };
        conversation.remember(request, 1, true, 4);
        let why = [RedeemError::Spent, RedeemError::Expired, RedeemError::Revoked];
        let data = [
            EventData::Connected { linkinjected: None },
            EventData::Connected { linkinjected: Some("link".into()) },
            EventData::Message { id: "id".into(), data: "{}".into() },
            EventData::Disconnected { cause: None },
            EventData::Disconnected { cause: Some(DisconnectCause::Gateway(1001)) },
            EventData::Expired { epoch: "epoch".into(), seq: 16 },
        ];
        let reasons = [
            EndReason::Superseded,
            EndReason::Revoked,
            EndReason::TokenExpired,
            EndReason::LeaseExpired,
        ];
        let ended = reasons
            .map(|reason| EventData::Disconnected { cause: Some(DisconnectCause::Engine(reason)) });
        let mut changes = vec![
            Change::Stream { name: "stream".into(), next: 300 },
            Change::Record(RecordImage {
                device: "phone".into(),
                epoch: "epoch".into(),
                claimed: true,
                tokens: vec![(digest, 5)],
                socket: Some(Cow::Owned(socket)),
                ends_at: 6,
            }),
            Change::RecordEnded { device: "phone".into() },
            Change::Conversation { device: "phone".into(), conversation: Cow::Owned(conversation) },
            Change::Queued {
                device: "phone".into(),
                seq: 7,
                until: 8,
                data: "9".into(),
                answered: Some((request, false, 10)),
            },
            Change::Acknowledged { device: "phone".into(), seq: 11 },
            Change::MessageExpired { device: "phone".into(), seq: 12 },
            Change::Accepted { device: "phone".into(), id: "id".into() },
            Change::HalfRef(digest, Cow::Owned(half_ref(waiting))),
            Change::HalfRefForgotten(digest),
            Change::Released { through: 13 },
        ];
        changes.extend(
            why.map(|why| Change::HalfRef(digest, Cow::Owned(half_ref(HalfRefState::Dead(why))))),
        );
        changes.extend(data.into_iter().chain(ended).map(|data| {
            let connection = match data {
                EventData::Expired { .. } => None,
                _ => Some(ConnectionId("connection".into())),
            };
            Change::Event(Cow::Owned(Event {
                n: 14,
                device: "phone".into(),
                connection,
                at: 15,
                data,
            }))
        }));
        changes
    }

    /// A journal of this format was written by a gateway that is gone: what it wrote has to mean
    /// the same for ever, or the format gets another number.
    #[test]
    fn the_format_is_what_it_was() {
        let written = changes().iter().fold(String::new(), |mut written, change| {
            let bytes = postcard::to_stdvec(change).expect("written");
            let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            let _ = writeln!(written, "{hex}");
            written
        });
        assert_eq!(written, include_str!("format_2.txt"));
    }
}
