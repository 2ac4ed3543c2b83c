//! The changes of a state as the journal stores them.
//!
//! They are encoded by `postcard`, which knows positions and no names. Any change of these types or
//! of those inside them is a new journal format, with a number of its own: see [`FORMAT`].

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};

use super::{
    outbox::Conversation,
    record::{HalfRef, Holder, Record, Socket, Token},
    segments::StoredEvent,
};
use crate::{Digest, Idempotency, Millis};

/// The number of the journal's format: the first line of `format.txt`. The rest of that file is the
/// encoding of one change of each kind, which a test compares and, with `FORMAT=write`, writes.
pub const FORMAT: i32 = number_of(include_bytes!("format.txt"));

const fn number_of(text: &[u8]) -> i32 {
    let (mut number, mut at) = (0, 0);
    while text[at] != b'\n' {
        number = number * 10 + (text[at] - b'0') as i32;
        at += 1;
    }
    number
}

/// One change.
#[derive(Serialize, Deserialize)]
pub enum Change<'a> {
    /// The event stream's name, and the numbers of its oldest and of its next event.
    Stream { name: Cow<'a, str>, oldest: u64, next: u64 },
    /// A device's record but for its conversation and its device data. Another epoch makes it another record.
    Record(#[serde(borrow)] RecordImage<'a>),
    /// The device has no record any more.
    RecordDeleted { device: Cow<'a, str> },
    /// A device's whole conversation.
    Conversation { device: Cow<'a, str>, conversation: Cow<'a, Conversation> },
    /// A message was queued, perhaps under an idempotency key.
    Queued {
        device: Cow<'a, str>,
        seq: u64,
        expires: Millis,
        data: Cow<'a, str>,
        key: Option<QueuedKey>,
    },
    /// The prospect acknowledged every message up to a number.
    Acknowledged { device: Cow<'a, str>, seq: u64 },
    /// A message expired.
    MessageExpired { device: Cow<'a, str>, seq: u64 },
    /// A prospect's message with this id was accepted.
    Accepted { device: Cow<'a, str>, id: Cow<'a, str> },
    /// A `halfRef` as it is now.
    HalfRef(Digest, Cow<'a, HalfRef>),
    /// A `halfRef` is not remembered any more.
    HalfRefForgotten(Digest),
    /// An event was appended.
    Event(Cow<'a, StoredEvent>),
    /// The events up to a number were released, or expired.
    Released { through: u64 },
    /// What a device has said of itself, as a part of its record.
    DeviceData { device: Cow<'a, str>, data: Cow<'a, str> },
    /// A device was erased, or a part of it: what is left are the numbers of its events. What it said
    /// is in the journal until a compaction that begins after this has ended.
    Erased { events: Vec<u64> },
}

impl<'a> Change<'a> {
    /// The change of what a device has said of itself.
    pub const fn device_data(device: &'a str, data: &'a str) -> Self {
        Self::DeviceData { device: Cow::Borrowed(device), data: Cow::Borrowed(data) }
    }
}

/// The idempotency key under which a message was queued.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct QueuedKey {
    pub request: Idempotency,
    /// Whether the device had a socket when the message was queued.
    pub connected: bool,
    /// Until when the key is remembered.
    pub expires: Millis,
}

/// A device's record but for its conversation and what it has said of itself.
#[derive(Serialize, Deserialize)]
pub struct RecordImage<'a> {
    pub device: Cow<'a, str>,
    pub epoch: Cow<'a, str>,
    pub claimed: bool,
    /// In the order of [`Holder::tokens`].
    pub tokens: Vec<TokenImage>,
    pub socket: Option<Cow<'a, Socket>>,
    pub last_seen: Option<Millis>,
    pub expires: Millis,
}

impl<'a> RecordImage<'a> {
    /// The image of a record; `tokens` has the expiries of its tokens.
    pub fn of(device: &'a str, record: &'a Record, tokens: &HashMap<Digest, Token>) -> Self {
        let image = |token: &Digest| {
            let (expires, key) = tokens.get(token).map_or((0, None), |it| (it.expires, it.key));
            TokenImage { token: *token, expires, key }
        };
        Self {
            device: Cow::Borrowed(device),
            epoch: Cow::Borrowed(&record.epoch),
            claimed: matches!(record.holder, Holder::Claim(_)),
            tokens: record.holder.tokens().iter().map(image).collect(),
            socket: record.socket.as_ref().map(Cow::Borrowed),
            last_seen: record.last_seen,
            expires: record.expires,
        }
    }

    /// Whose tokens speak for the device; `None` for a claim without a token.
    pub fn holder(&self) -> Option<Holder> {
        let tokens: Vec<_> = self.tokens.iter().map(|image| image.token).collect();
        match self.claimed {
            true if tokens.is_empty() => None,
            true => Some(Holder::Claim(tokens)),
            false => Some(Holder::Test(tokens)),
        }
    }
}

/// A token of a record.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct TokenImage {
    pub token: Digest,
    pub expires: Millis,
    /// The idempotency key of the request that got it, until the token is used.
    pub key: Option<Digest>,
}

#[cfg(test)]
mod tests {
    use std::{env, fmt::Write, fs, path::Path};

    use super::{super::record::HalfRefState, *};
    use crate::{ConnectionId, Event, EventData, RedeemError};

    /// One change of each kind.
    fn changes() -> Vec<Change<'static>> {
        let digest = Digest::of(b"a secret");
        let socket = Socket {
            connection: ConnectionId("connection".into()),
            since: 1,
            linkinjected: Some("link".into()),
            token: digest,
        };
        let half_ref = |state| HalfRef { device: "phone".into(), state, expires: 2, order: 3 };
        let pending = HalfRefState::Pending { token: digest, linkinjected: None };
        let mut conversation = Conversation::default();
        conversation.restore(1, 2, "3");
        conversation.restore(2, 3, "4");
        conversation.acknowledge(1);
        conversation.expire(2, 1);
        conversation.accept("id", 1);
        let request = Idempotency { key: digest, body: digest };
        conversation.remember_key(request, true, 4);
        let why = [RedeemError::Spent, RedeemError::Expired, RedeemError::Revoked];
        let mut changes = vec![
            Change::Stream { name: "stream".into(), oldest: 200, next: 300 },
            Change::Record(RecordImage {
                device: "phone".into(),
                epoch: "epoch".into(),
                claimed: true,
                tokens: vec![
                    TokenImage { token: digest, expires: 5, key: None },
                    TokenImage { token: digest, expires: 6, key: Some(digest) },
                ],
                socket: Some(Cow::Owned(socket)),
                last_seen: Some(7),
                expires: 6,
            }),
            Change::RecordDeleted { device: "phone".into() },
            Change::Conversation { device: "phone".into(), conversation: Cow::Owned(conversation) },
            Change::Queued {
                device: "phone".into(),
                seq: 7,
                expires: 8,
                data: "9".into(),
                key: Some(QueuedKey { request, connected: false, expires: 10 }),
            },
            Change::Acknowledged { device: "phone".into(), seq: 11 },
            Change::MessageExpired { device: "phone".into(), seq: 12 },
            Change::Accepted { device: "phone".into(), id: "id".into() },
            Change::HalfRef(digest, Cow::Owned(half_ref(pending))),
            Change::HalfRefForgotten(digest),
            Change::Released { through: 13 },
            Change::device_data("phone", "{}"),
            Change::Erased { events: vec![18, 300] },
        ];
        changes.extend(
            why.map(|why| Change::HalfRef(digest, Cow::Owned(half_ref(HalfRefState::Ended(why))))),
        );
        changes.extend(EventData::samples().into_iter().map(|data| {
            let connection = match data {
                EventData::Expired { .. } => None,
                _ => Some(ConnectionId("connection".into())),
            };
            let event = Event { n: 14, device: "phone".into(), connection, at: 15, data };
            Change::Event(Cow::Owned(StoredEvent { event, appended: 17 }))
        }));
        changes
    }

    /// Journals outlive the version that wrote them, so the encoding of a format never changes.
    /// `FORMAT=write` gives a new encoding the next number.
    #[test]
    fn the_encoding_of_the_format_is_unchanged() {
        let written = changes().iter().fold(String::new(), |mut written, change| {
            let bytes = postcard::to_stdvec(change).expect("written");
            let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            let _ = writeln!(written, "{hex}");
            written
        });
        let known = include_str!("format.txt").split_once('\n').expect("a number").1;
        if written != known && env::var_os("FORMAT").is_some_and(|value| value == "write") {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/memory/format.txt");
            fs::write(file, format!("{}\n{written}", FORMAT + 1)).expect("written");
            return;
        }
        assert_eq!(written, known, "a new format? FORMAT=write cargo test -p engine format");
    }
}
