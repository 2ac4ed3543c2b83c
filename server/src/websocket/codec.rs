//! What a peer sends, as websocket messages (RFC 6455, the server's side): bytes in, messages out.
//!
//! It knows no stream, so bytes may come from anywhere and in any cuts. It holds what is unfinished
//! and nothing else.

use actix_codec::Decoder as _;
use actix_http::ws::{CloseReason, Codec, Frame, Item, ProtocolError};
use bytes::{Bytes, BytesMut};

use super::close_code::CloseCode;

/// In the first byte of a frame: it is the last of its message.
const FINAL: u8 = 0x80;

/// In the second byte of a frame: the payload is masked.
const MASKED: u8 = 0x80;

/// In the second byte of a frame: the length is in the two bytes after it.
const TWO_BYTES: u8 = 0x7E;

/// In the second byte of a frame: the length is in the eight bytes after it.
const EIGHT_BYTES: u8 = 0x7F;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;

/// The longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_AT_MOST: u8 = 125;

/// What a peer sends, put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text message, which is UTF-8.
    Text(Bytes),
    /// A part of a text message that is not its last, of so many bytes.
    Part(usize),
    /// A ping, to be answered.
    Ping(Bytes),
    /// A pong.
    Pong,
}

/// Why nothing more is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The gateway closes, because of what the peer sent.
    Close(CloseCode),
    /// The peer closes, saying this.
    Closed(Option<CloseReason>),
}

/// Puts the messages of one peer together.
pub struct Decoder {
    codec: Codec,
    /// What arrived and is not yet a frame.
    input: BytesMut,
    fragments: Option<Fragments>,
    /// The longest message.
    limit: usize,
    stopped: bool,
}

/// What arrived of a message in fragments.
#[derive(Default)]
struct Fragments {
    text: BytesMut,
    /// How much of it is whole characters.
    whole: usize,
}

impl Decoder {
    /// Takes messages of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let codec = Codec::new().max_size(limit);
        Self { codec, input: BytesMut::new(), fragments: None, limit, stopped: false }
    }

    /// Takes bytes as they arrive. They are copied, because what they arrived in is larger.
    ///
    /// Once the peer is refused or has closed, what it still sends is dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.stopped {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The next message or part of one, if it has arrived.
    ///
    /// # Errors
    /// Why there is no next one. It is said once.
    pub fn next_message(&mut self) -> Result<Option<Received>, Stop> {
        if self.stopped {
            return Ok(None);
        }
        let next = self.decode();
        if next.is_err() {
            self.stopped = true;
            (self.input, self.fragments) = (BytesMut::new(), None);
        }
        next
    }

    /// How many bytes are allocated for what is unfinished.
    #[must_use]
    pub fn held(&self) -> usize {
        let fragments = self.fragments.as_ref().map_or(0, |fragments| fragments.text.capacity());
        self.input.capacity() + fragments
    }

    fn decode(&mut self) -> Result<Option<Received>, Stop> {
        self.judge_head()?;
        let said = closing_words(&self.input);
        if said.is_some_and(|said| std::str::from_utf8(&said).is_err()) {
            return Err(Stop::Close(CloseCode::NotUtf8));
        }
        let frame =
            self.codec.decode(&mut self.input).map_err(|error| Stop::Close(breach(&error)))?;
        let Some(frame) = frame else {
            self.judge_length()?;
            // An allocation lives for as long as any part of it is kept, even an empty one.
            if self.input.is_empty() || self.input.capacity() > 2 * self.input.len() {
                self.input = BytesMut::from(&self.input[..]);
            }
            return Ok(None);
        };
        match frame {
            Frame::Text(text) => match std::str::from_utf8(&text) {
                Ok(_) => Ok(Some(Received::Text(text))),
                Err(_) => Err(Stop::Close(CloseCode::NotUtf8)),
            },
            Frame::Continuation(Item::FirstText(part) | Item::Continue(part)) => {
                let fragments = self.fragments.get_or_insert_default();
                fragments.append(&part, self.limit)?;
                Ok(Some(Received::Part(part.len())))
            }
            Frame::Continuation(Item::Last(part)) => {
                let mut fragments = self.fragments.take().unwrap_or_default();
                fragments.append(&part, self.limit)?;
                fragments.finish().map(Some)
            }
            Frame::Binary(_) | Frame::Continuation(Item::FirstBinary(_)) => {
                Err(Stop::Close(CloseCode::Binary))
            }
            Frame::Ping(payload) => Ok(Some(Received::Ping(payload))),
            Frame::Pong(_) => Ok(Some(Received::Pong)),
            Frame::Close(reason) => Err(Stop::Closed(reason)),
        }
    }

    /// Refuses a frame as soon as its first two bytes show that it breaks the protocol: the codec
    /// waits for the whole frame, and writes an error to the log for some.
    fn judge_head(&self) -> Result<(), Stop> {
        let [first, second, ..] = self.input[..] else { return Ok(()) };
        let breaks = match first & 0xF {
            CONTINUATION => self.fragments.is_none(),
            TEXT | BINARY => self.fragments.is_some(),
            // A control frame.
            CLOSE.. => first & FINAL == 0 || second & !MASKED > CONTROL_AT_MOST,
            _ => false,
        };
        if breaks { Err(Stop::Close(CloseCode::Protocol)) } else { Ok(()) }
    }

    /// Refuses a frame that says it is longer than its message may be: the codec waits for it.
    fn judge_length(&self) -> Result<(), Stop> {
        let [head, length, rest @ ..] = &self.input[..] else { return Ok(()) };
        let length = match length & !MASKED {
            TWO_BYTES => rest.first_chunk().map(|length| u16::from_be_bytes(*length).into()),
            EIGHT_BYTES => rest.first_chunk().map(|length| u64::from_be_bytes(*length)),
            short => Some(short.into()),
        };
        let Some(length) = length else { return Ok(()) };
        let before = match &self.fragments {
            Some(fragments) if head & 0xF == CONTINUATION => fragments.text.len(),
            _ => 0,
        };
        if length > (self.limit - before) as u64 {
            return Err(Stop::Close(CloseCode::TooBig));
        }
        Ok(())
    }
}

impl Fragments {
    /// Puts `part` after what arrived before it, and looks at no character twice.
    fn append(&mut self, part: &[u8], limit: usize) -> Result<(), Stop> {
        if self.text.len() + part.len() > limit {
            return Err(Stop::Close(CloseCode::TooBig));
        }
        self.text.extend_from_slice(part);
        match std::str::from_utf8(&self.text[self.whole..]) {
            Ok(rest) => self.whole += rest.len(),
            // The rest of the character may come with the next part.
            Err(error) if error.error_len().is_none() => self.whole += error.valid_up_to(),
            Err(_) => return Err(Stop::Close(CloseCode::NotUtf8)),
        }
        Ok(())
    }

    fn finish(self) -> Result<Received, Stop> {
        if self.whole < self.text.len() {
            return Err(Stop::Close(CloseCode::NotUtf8));
        }
        Ok(Received::Text(self.text.freeze()))
    }
}

/// The reason in a whole and masked close frame at the start of `input`: the codec does not tell a
/// reason that is not UTF-8 from other breaches.
fn closing_words(input: &[u8]) -> Option<Vec<u8>> {
    const FINAL_CLOSE: u8 = FINAL | CLOSE;
    let [FINAL_CLOSE, length, a, b, c, d, payload @ ..] = input else { return None };
    let length = usize::from(length.checked_sub(MASKED)?);
    let payload = payload.get(..length).filter(|payload| payload.len() > 2)?;
    let unmasked =
        payload.iter().zip([a, b, c, d].into_iter().cycle()).map(|(byte, mask)| byte ^ mask);
    Some(unmasked.skip(2).collect())
}

fn breach(error: &ProtocolError) -> CloseCode {
    match error {
        ProtocolError::Overflow => CloseCode::TooBig,
        _ => CloseCode::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100;

    /// A masked frame; a mask of zeros changes nothing.
    fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short frame");
        [&[head, MASKED | length, 0, 0, 0, 0], payload].concat()
    }

    #[test]
    fn nothing_is_held_while_nothing_is_unfinished() {
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(&frame(FINAL | TEXT, &[b' '; LIMIT]));
        assert!(matches!(decoder.next_message(), Ok(Some(Received::Text(_)))));
        assert_eq!(decoder.next_message(), Ok(None));
        assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn what_follows_a_breach_is_not_held() {
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(&frame(FINAL | 0x3, b""));
        assert_eq!(decoder.next_message(), Err(Stop::Close(CloseCode::Protocol)));
        for _ in 0..1000 {
            decoder.push(&[0; 1000]);
            assert_eq!(decoder.next_message(), Ok(None));
        }
        assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn what_its_head_shows_is_not_waited_for() {
        let refused = |before: &[u8], head: &[u8]| {
            let mut decoder = Decoder::new(LIMIT);
            decoder.push(before);
            while decoder.next_message().expect("nothing wrong").is_some() {}
            decoder.push(head);
            decoder.next_message()
        };
        let begun = frame(TEXT, &[b' '; 60]);
        let protocol = Err(Stop::Close(CloseCode::Protocol));
        let too_big = Err(Stop::Close(CloseCode::TooBig));
        assert_eq!(refused(b"", &[CONTINUATION, MASKED | 1]), protocol);
        assert_eq!(refused(&begun, &[TEXT, MASKED | 1]), protocol);
        assert_eq!(refused(b"", &[CLOSE, MASKED | 1]), protocol);
        assert_eq!(refused(b"", &[FINAL | CLOSE, MASKED | TWO_BYTES]), protocol);
        assert_eq!(refused(b"", &[TEXT, MASKED + 101]), too_big);
        assert_eq!(refused(b"", &[TEXT, MASKED | TWO_BYTES, 1, 0]), too_big);
        assert_eq!(refused(b"", &[TEXT, MASKED | EIGHT_BYTES, 0, 0, 1, 0, 0, 0, 0, 0]), too_big);
        assert_eq!(refused(&begun, &[CONTINUATION, MASKED + 41]), too_big);
        assert_eq!(refused(&begun, &[CONTINUATION, MASKED + 40]), Ok(None));
    }
}
