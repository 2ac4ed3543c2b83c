//! The frames of RFC 6455, the server's side: bytes to messages and back.
//!
//! Written here rather than taken from a library, for the memory of a socket: the decoder holds the
//! frame or message that is incomplete, and nothing between two messages. It knows no stream, so
//! bytes may come from anywhere and be cut anywhere.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| length      | length, 16 or 64 bits         |
//! |I|S|S|S|       |A| 0..=125, or | (if the 7 bits are 126 or     |
//! |N|V|V|V|       |S| 126 or 127  | 127)                          |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! | masking key, 32 bits (if MASK; always from a client)          |
//! +---------------------------------------------------------------+
//! | payload, each byte XORed with the key's byte of its position  |
//! +---------------------------------------------------------------+
//! ```

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;

use super::{
    close_code::CloseCode,
    utf8::{InvalidUtf8, Utf8Validator},
};

/// In the first byte of a frame: it is the last of its message.
const FINAL: u8 = 0x80;

/// In the first byte of a frame: the bits of extensions, of which none is negotiated.
const RESERVED: u8 = 0x70;

/// In the first byte of a frame: the opcode.
const OPCODE: u8 = 0x0F;

/// In the second byte of a frame: the payload is masked.
const MASKED: u8 = 0x80;

/// In the second byte of a frame: the length is in the two bytes after it.
const TWO_BYTES: u8 = 0x7E;

/// In the second byte of a frame: the length is in the eight bytes after it.
const EIGHT_BYTES: u8 = 0x7F;

/// The longest head of a frame that is not masked, in bytes.
const LONGEST_HEAD: usize = 10;

/// The longest payload of a control frame, in bytes (RFC 6455, section 5.5).
const LONGEST_CONTROL: u8 = 125;

/// What a frame carries (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message that is incomplete.
    Continuation = 0x0,
    /// A text message, or the first fragment of one.
    Text = 0x1,
    /// A binary message, or the first fragment of one.
    Binary = 0x2,
    /// The last frame of a side.
    Close = 0x8,
    /// To be answered with a pong of the same payload.
    Ping = 0x9,
    /// The answer to a ping.
    Pong = 0xA,
}

impl Opcode {
    fn parse(byte: u8) -> Option<Self> {
        let known =
            [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        known.into_iter().find(|opcode| *opcode as u8 == byte & OPCODE)
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text message, which is UTF-8.
    Text(Bytes),
    /// A fragment of a text message, but for its last, of this many bytes.
    Fragment(usize),
    /// A ping, to be answered.
    Ping(Bytes),
    /// A pong.
    Pong,
}

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadEnd {
    /// The client broke a rule: the gateway closes with this code.
    Violation(CloseCode),
    /// The client closed, with this code if it gave one.
    Closed(Option<u16>),
}

impl From<InvalidUtf8> for ReadEnd {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::Violation(CloseCode::NotUtf8)
    }
}

/// Decodes what one client sends.
///
/// ```
/// use server::websocket::codec::{FrameDecoder, Received};
///
/// let mut decoder = FrameDecoder::new(4096);
/// decoder.push(&[0x81, 0x82, 1, 2, 3, 4, b'H' ^ 1]);
/// assert_eq!(decoder.next_message(), Ok(None));
/// decoder.push(&[b'i' ^ 2]);
/// assert_eq!(decoder.next_message(), Ok(Some(Received::Text("Hi".into()))));
/// ```
pub struct FrameDecoder {
    /// What arrived and is not decoded yet, without the head in `frame`.
    input: BytesMut,
    /// Whether payloads were split off `input`, so that more is allocated than it shows.
    is_split: bool,
    /// The frame whose payload is incomplete.
    frame: Option<Frame>,
    /// The fragments of the message that is incomplete.
    message: Option<BytesMut>,
    /// Of the text message that is incomplete.
    utf8: Utf8Validator,
    /// The longest message, in bytes.
    limit: usize,
    ended: bool,
}

/// The head of a frame, and how far its payload is decoded.
#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    length: usize,
    key: [u8; 4],
    /// Bytes of the payload that are unmasked already.
    unmasked: usize,
}

impl FrameDecoder {
    /// A decoder of messages of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            input: BytesMut::new(),
            is_split: false,
            frame: None,
            message: None,
            utf8: Utf8Validator::default(),
            limit,
            ended: false,
        }
    }

    /// Takes bytes as they arrive, and copies them: the buffer they arrived in is shared.
    ///
    /// Call [`next_message`](Self::next_message) until there is none before taking more. After the
    /// read end, bytes are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.ended {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The next message or fragment, if it has arrived.
    ///
    /// # Errors
    /// The read end, once. After it there is never a message.
    pub fn next_message(&mut self) -> Result<Option<Received>, ReadEnd> {
        if self.ended {
            return Ok(None);
        }
        let next = self.decode();
        match &next {
            Err(_) => {
                self.ended = true;
                (self.input, self.message) = (BytesMut::new(), None);
            }
            Ok(None) => self.shrink(),
            Ok(Some(_)) => {}
        }
        next
    }

    /// How many bytes are allocated for what is incomplete: 0 between two messages.
    #[must_use]
    pub fn held(&self) -> usize {
        self.input.capacity() + self.message.as_ref().map_or(0, BytesMut::capacity)
    }

    /// Frees what is decoded: an allocation lives for as long as any part of it is kept, even an
    /// empty one.
    fn shrink(&mut self) {
        if self.is_split || self.input.is_empty() {
            self.input = BytesMut::from(&self.input[..]);
            self.is_split = false;
        }
    }

    fn decode(&mut self) -> Result<Option<Received>, ReadEnd> {
        let mut frame = match self.frame.take() {
            Some(frame) => frame,
            None => match self.take_head().map_err(ReadEnd::Violation)? {
                Some(frame) => frame,
                None => return Ok(None),
            },
        };
        let arrived = frame.length.min(self.input.len());
        let new = &mut self.input[frame.unmasked..arrived];
        unmask(new, frame.key, frame.unmasked);
        if !frame.opcode.is_control() {
            self.utf8.push(new)?;
        }
        frame.unmasked = arrived;
        if arrived < frame.length {
            self.frame = Some(frame);
            return Ok(None);
        }
        let payload = self.input.split_to(frame.length);
        self.is_split = true;
        match frame.opcode {
            Opcode::Ping => Ok(Some(Received::Ping(payload.freeze()))),
            Opcode::Pong => Ok(Some(Received::Pong)),
            Opcode::Close => Err(close(&payload)),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                self.append(frame, payload).map(Some)
            }
        }
    }

    /// Takes the head of the next frame, once it is complete. What it breaks is refused as soon as
    /// its bytes show it, before the payload arrives.
    fn take_head(&mut self) -> Result<Option<Frame>, CloseCode> {
        let [first, second, ref rest @ ..] = self.input[..] else { return Ok(None) };
        let is_final = first & FINAL != 0;
        let opcode = Opcode::parse(first).ok_or(CloseCode::Protocol)?;
        let length = second & !MASKED;
        let is_allowed = match opcode {
            Opcode::Continuation => self.message.is_some(),
            Opcode::Text | Opcode::Binary => self.message.is_none(),
            Opcode::Close | Opcode::Ping | Opcode::Pong => is_final && length <= LONGEST_CONTROL,
        };
        if first & RESERVED != 0 || second & MASKED == 0 || !is_allowed {
            return Err(CloseCode::Protocol);
        }
        let (length, rest) = match length {
            TWO_BYTES => match rest.split_first_chunk() {
                Some((length, rest)) => (u16::from_be_bytes(*length).into(), rest),
                None => return Ok(None),
            },
            EIGHT_BYTES => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (short.into(), rest),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let before = self.message.as_ref().map_or(0, BytesMut::len);
        if !opcode.is_control() && length > self.limit - before {
            return Err(CloseCode::TooBig);
        }
        if opcode == Opcode::Binary {
            return Err(CloseCode::Binary);
        }
        let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let frame = Frame { opcode, is_final, length, key: *key, unmasked: 0 };
        let head = self.input.len() - rest.len();
        self.input.advance(head);
        Ok(Some(frame))
    }

    /// Adds the payload of a text frame or of a continuation to its message.
    fn append(&mut self, frame: Frame, payload: BytesMut) -> Result<Received, ReadEnd> {
        // A message in one frame is not copied.
        let message = match self.message.take() {
            None if frame.is_final => payload,
            message => {
                let mut message = message.unwrap_or_default();
                message.extend_from_slice(&payload);
                message
            }
        };
        if !frame.is_final {
            self.message = Some(message);
            return Ok(Received::Fragment(frame.length));
        }
        self.utf8.finish()?;
        Ok(Received::Text(message.freeze()))
    }
}

/// Unmasks a part of a payload that begins at `offset` in it (RFC 6455, section 5.3).
fn unmask(part: &mut [u8], mut key: [u8; 4], offset: usize) {
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = part.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// The read end of a close frame with this payload (RFC 6455, sections 5.5.1 and 7.4).
fn close(payload: &[u8]) -> ReadEnd {
    let (code, reason) = match payload {
        [] => return ReadEnd::Closed(None),
        [_] => return ReadEnd::Violation(CloseCode::Protocol),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if std::str::from_utf8(reason).is_err() {
        return ReadEnd::Violation(CloseCode::NotUtf8);
    }
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => ReadEnd::Closed(Some(code)),
        _ => ReadEnd::Violation(CloseCode::Protocol),
    }
}

/// A frame to the client: final and not masked.
///
/// ```
/// use server::websocket::codec::{EncodedFrame, Opcode};
///
/// assert_eq!(EncodedFrame::new(Opcode::Pong, b"1").bytes(), [0x8A, 1, b'1']);
/// ```
pub struct EncodedFrame {
    /// Room for the longest head, and the payload.
    buffer: Vec<u8>,
    /// Where the head begins.
    start: usize,
}

impl EncodedFrame {
    /// A frame with this payload.
    #[must_use]
    pub fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(LONGEST_HEAD + payload.len());
        buffer.resize(LONGEST_HEAD, 0);
        buffer.extend_from_slice(payload);
        Self::with_head(opcode, buffer)
    }

    /// A text frame with the JSON of `value`.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON.
    pub fn json(value: &impl Serialize) -> serde_json::Result<Self> {
        let mut buffer = Vec::with_capacity(128);
        buffer.resize(LONGEST_HEAD, 0);
        serde_json::to_writer(&mut buffer, value)?;
        Ok(Self::with_head(Opcode::Text, buffer))
    }

    /// A close frame, with a code and a reason of at most 123 bytes.
    #[must_use]
    pub fn close(code_and_reason: Option<(u16, &str)>) -> Self {
        let payload = code_and_reason
            .map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat())
            .unwrap_or_default();
        Self::new(Opcode::Close, &payload)
    }

    /// The frame as it is sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Writes the head in front of the payload, whose length is known only now.
    fn with_head(opcode: Opcode, mut buffer: Vec<u8>) -> Self {
        let length = buffer.len() - LONGEST_HEAD;
        let mut head = [0; LONGEST_HEAD];
        head[0] = FINAL | opcode as u8;
        let head = match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ 0..TWO_BYTES), _) => {
                head[1] = length;
                &head[..2]
            }
            (_, Ok(length)) => {
                head[1] = TWO_BYTES;
                head[2..4].copy_from_slice(&length.to_be_bytes());
                &head[..4]
            }
            _ => {
                head[1] = EIGHT_BYTES;
                head[2..].copy_from_slice(&(length as u64).to_be_bytes());
                &head[..]
            }
        };
        let start = LONGEST_HEAD - head.len();
        buffer[start..LONGEST_HEAD].copy_from_slice(head);
        Self { buffer, start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100;

    const CONTINUATION: u8 = Opcode::Continuation as u8;
    const TEXT: u8 = Opcode::Text as u8;
    const BINARY: u8 = Opcode::Binary as u8;
    const CLOSE: u8 = Opcode::Close as u8;

    const PROTOCOL: Result<Option<Received>, ReadEnd> =
        Err(ReadEnd::Violation(CloseCode::Protocol));
    const TOO_BIG: Result<Option<Received>, ReadEnd> = Err(ReadEnd::Violation(CloseCode::TooBig));

    /// A masked frame; a mask of zeros changes nothing.
    fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short frame");
        [&[head, MASKED | length, 0, 0, 0, 0], payload].concat()
    }

    /// What follows when `head` arrives after `before` was decoded without an error.
    fn after(before: &[u8], head: &[u8]) -> Result<Option<Received>, ReadEnd> {
        let mut decoder = FrameDecoder::new(LIMIT);
        decoder.push(before);
        while decoder.next_message().expect("nothing wrong").is_some() {}
        decoder.push(head);
        decoder.next_message()
    }

    #[test]
    fn nothing_is_held_between_two_messages() {
        let mut decoder = FrameDecoder::new(LIMIT);
        decoder.push(&frame(FINAL | TEXT, &[b' '; LIMIT]));
        assert!(matches!(decoder.next_message(), Ok(Some(Received::Text(_)))));
        assert_eq!(decoder.next_message(), Ok(None));
        assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn little_is_held_of_a_frame_whose_payload_does_not_arrive() {
        let mut decoder = FrameDecoder::new(1 << 20);
        decoder.push(&[
            FINAL | TEXT,
            MASKED | EIGHT_BYTES,
            0,
            0,
            0,
            0,
            0,
            8,
            0,
            0,
            0,
            0,
            0,
            0,
            b'"',
        ]);
        assert_eq!(decoder.next_message(), Ok(None));
        assert!(decoder.held() <= 16, "{}", decoder.held());
    }

    #[test]
    fn what_follows_a_breach_is_not_held() {
        let mut decoder = FrameDecoder::new(LIMIT);
        decoder.push(&frame(FINAL | 0x3, b""));
        assert_eq!(decoder.next_message(), PROTOCOL);
        for _ in 0..1000 {
            decoder.push(&[0; 1000]);
            assert_eq!(decoder.next_message(), Ok(None));
        }
        assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn a_frame_is_refused_as_soon_as_its_head_shows_the_breach() {
        let begun = frame(TEXT, &[b' '; 60]);
        assert_eq!(after(b"", &[CONTINUATION, MASKED | 1]), PROTOCOL);
        assert_eq!(after(&begun, &[TEXT, MASKED | 1]), PROTOCOL);
        assert_eq!(after(b"", &[CLOSE, MASKED | 1]), PROTOCOL);
        assert_eq!(after(b"", &[FINAL | CLOSE, MASKED | TWO_BYTES]), PROTOCOL);
        assert_eq!(after(b"", &[FINAL | TEXT, 1]), PROTOCOL);
        assert_eq!(after(b"", &[FINAL | 0x10 | TEXT, MASKED | 1]), PROTOCOL);
        assert_eq!(after(b"", &[TEXT, MASKED + 101]), TOO_BIG);
        assert_eq!(after(b"", &[TEXT, MASKED | TWO_BYTES, 1, 0]), TOO_BIG);
        assert_eq!(after(b"", &[TEXT, MASKED | EIGHT_BYTES, 0, 0, 1, 0, 0, 0, 0, 0]), TOO_BIG);
        assert_eq!(after(&begun, &[CONTINUATION, MASKED + 41]), TOO_BIG);
        assert_eq!(after(&begun, &[CONTINUATION, MASKED + 40]), Ok(None));
        let binary = Err(ReadEnd::Violation(CloseCode::Binary));
        assert_eq!(after(b"", &[FINAL | BINARY, MASKED | 1]), binary);
        assert_eq!(after(b"", &[FINAL | BINARY, MASKED + 101]), TOO_BIG);
    }

    #[test]
    fn a_text_is_refused_at_its_first_byte_that_is_not_utf_8() {
        let not_utf8 = Err(ReadEnd::Violation(CloseCode::NotUtf8));
        let head = [FINAL | TEXT, MASKED | 8, 0, 0, 0, 0];
        assert_eq!(after(&[&head[..], b"\xce\xba\xf4"].concat(), b"\x90"), not_utf8);
        let parts = [frame(TEXT, b"\xce"), frame(FINAL | 0x9, b"\xff")].concat();
        assert_eq!(after(&parts, &frame(FINAL | CONTINUATION, b"")), not_utf8);
    }

    #[test]
    fn a_payload_is_unmasked_wherever_it_is_cut() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..50).collect();
        let masked: Vec<u8> =
            plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for cut in 0..=plain.len() {
            let mut part = masked.clone();
            let (one, other) = part.split_at_mut(cut);
            unmask(one, key, 0);
            unmask(other, key, cut);
            assert_eq!(part, plain);
        }
    }

    #[test]
    fn an_encoded_frame_has_the_shortest_head() {
        let encoded = |length| {
            let frame = EncodedFrame::new(Opcode::Text, &vec![b'x'; length]);
            let head = frame.bytes().len() - length;
            frame.bytes()[..head].to_vec()
        };
        assert_eq!(encoded(0), [0x81, 0]);
        assert_eq!(encoded(125), [0x81, 125]);
        assert_eq!(encoded(126), [0x81, 126, 0, 126]);
        assert_eq!(encoded(65_535), [0x81, 126, 0xff, 0xff]);
        assert_eq!(encoded(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_close_frame_carries_its_code_and_reason() {
        assert_eq!(EncodedFrame::close(None).bytes(), [0x88, 0]);
        let close = EncodedFrame::close(Some((1000, "bye")));
        assert_eq!(close.bytes(), [0x88, 5, 0x03, 0xe8, b'b', b'y', b'e']);
    }
}
