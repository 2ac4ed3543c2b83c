//! Where heads and bodies lie in the bytes of a connection, for what must be known before actix
//! parses a head: whether one is being read, and whether its lines end as they must.
//!
//! It looks at the ends of lines and at the three headers that say what follows a head. Where a
//! request is malformed actix refuses it and reads no further, so the rest does not matter here.

use std::mem;

use memchr::memchr;

/// Stands in the place of a bare line feed in a head. No part of a head may hold it, so actix answers
/// 400.
const NO_PART_OF_A_HEAD: u8 = 0;

/// The same in a trailer, of which actix checks only that a line feed follows it.
const NO_PART_OF_A_TRAILER: u8 = b'\r';

/// Follows the bytes of a connection.
#[derive(Debug, Default)]
pub struct Framing {
    position: Position,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum Position {
    Head(Head),
    /// A body, or the data of a chunk and its line end, with so many bytes left.
    Body {
        left: u64,
        chunked: bool,
    },
    ChunkSize,
    Trailer,
    /// Nothing that is followed: frames of a websocket, or what comes after a malformed chunk.
    Other,
    /// A head or trailer that is refused. This byte stands for each further one.
    Refused(u8),
}

impl Default for Position {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

/// What is known of a head so far.
#[derive(Debug, Default)]
struct Head {
    /// Whether its request line has arrived.
    begun: bool,
    content_length: u64,
    chunked: bool,
    websocket: bool,
}

impl Framing {
    /// Whether a head has begun that has not ended.
    pub fn is_in_head(&self) -> bool {
        match &self.position {
            Position::Head(head) => head.begun || !self.line.is_empty(),
            _ => false,
        }
    }

    /// Follows the next bytes, and makes them unacceptable from a bare line feed in a head or a
    /// trailer on. Returns whether a head ended among them.
    pub fn follow(&mut self, mut bytes: &mut [u8]) -> bool {
        let mut head_ended = false;
        while !bytes.is_empty() {
            let used = match &mut self.position {
                Position::Other => return head_ended,
                Position::Refused(byte) => {
                    bytes.fill(*byte);
                    return head_ended;
                }
                Position::Body { left, chunked } => {
                    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= used as u64;
                    if *left == 0 {
                        self.position =
                            if *chunked { Position::ChunkSize } else { Position::default() };
                    }
                    used
                }
                Position::Head(_) | Position::ChunkSize | Position::Trailer => {
                    let Some(end) = memchr(b'\n', bytes) else {
                        self.line.extend_from_slice(bytes);
                        return head_ended;
                    };
                    if self.line.is_empty() {
                        head_ended |= self.end_line(&bytes[..end]);
                    } else {
                        let mut line = mem::take(&mut self.line);
                        line.extend_from_slice(&bytes[..end]);
                        head_ended |= self.end_line(&line);
                    }
                    // The line feed itself is replaced where it is refused.
                    if matches!(self.position, Position::Refused(_)) { end } else { end + 1 }
                }
            };
            bytes = &mut bytes[used..];
        }
        head_ended
    }

    /// Moves on behind a line, given without its line feed. Returns whether it ended a head.
    fn end_line(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r");
        match (&mut self.position, line) {
            (Position::Head(_), None) => self.position = Position::Refused(NO_PART_OF_A_HEAD),
            (Position::Head(head), Some(b"")) if head.begun => {
                self.position = head.followed_by();
                return true;
            }
            // Empty lines before a request line are ignored (RFC 9112, section 2.2).
            (Position::Head(_), Some(b"")) => {}
            (Position::Head(head), Some(line)) if head.begun => head.note(line),
            (Position::Head(head), Some(_)) => head.begun = true,
            (Position::Trailer, None) => self.position = Position::Refused(NO_PART_OF_A_TRAILER),
            (Position::Trailer, Some(b"")) => self.position = Position::default(),
            (Position::Trailer, Some(_)) => {}
            (_, line) => {
                self.position = match line.and_then(chunk_size) {
                    Some(0) => Position::Trailer,
                    // The data ends with a line end of its own.
                    Some(size) => Position::Body { left: size.saturating_add(2), chunked: true },
                    None => Position::Other,
                }
            }
        }
        false
    }
}

impl Head {
    /// Notes a header that says what follows the head.
    fn note(&mut self, line: &[u8]) {
        match line.first() {
            Some(b'c' | b'C') => {
                let length = value(line, b"content-length").and_then(|value| number(value, 10));
                self.content_length = length.unwrap_or(self.content_length);
            }
            Some(b't' | b'T') => {
                self.chunked |= value(line, b"transfer-encoding")
                    .is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
            }
            Some(b'u' | b'U') => {
                self.websocket |= value(line, b"upgrade")
                    .is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
            }
            _ => {}
        }
    }

    /// What follows the head, in the order in which actix decides.
    fn followed_by(&self) -> Position {
        match self.content_length {
            _ if self.chunked => Position::ChunkSize,
            _ if self.websocket => Position::Other,
            0 => Position::default(),
            left => Position::Body { left, chunked: false },
        }
    }
}

/// The value of the header on this line, if it has this name.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":").filter(|_| start.eq_ignore_ascii_case(name))?;
    Some(value.trim_ascii())
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next()?;
    number(size, 16)
}

fn number(text: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const SIZED: &str = "POST / HTTP/1.1\r\nHost: a\r\ncontent-Length:  7\r\n\r\n\n{\n\n\n}\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
                           A; x\r\n\n\n\n\n\r\n\r\n\n\n\r\n1\r\n\n\r\n0\r\nx: y\r\n\r\n";

    /// What becomes of `bytes` when they arrive in parts of this length, and whether a head is left
    /// open.
    fn followed(bytes: &str, length: usize) -> (String, bool) {
        let mut bytes = bytes.to_owned().into_bytes();
        let mut framing = Framing::default();
        for part in bytes.chunks_mut(length) {
            framing.follow(part);
        }
        (String::from_utf8(bytes).expect("text"), framing.is_in_head())
    }

    fn assert_unchanged(bytes: &str, is_in_head: bool) {
        for length in 1..=bytes.len() {
            assert_eq!(followed(bytes, length), (bytes.to_owned(), is_in_head), "{length}");
        }
    }

    #[test]
    fn bodies_may_hold_bare_line_feeds() {
        assert_unchanged(&[GET, SIZED, GET, CHUNKED, SIZED, "\r\n", GET].concat(), false);
    }

    #[test]
    fn a_head_is_open_until_its_empty_line() {
        for end in 1..GET.len() {
            assert_unchanged(&[SIZED, CHUNKED, &GET[..end]].concat(), true);
        }
    }

    #[test]
    fn everything_from_a_bare_line_feed_on_is_unacceptable() {
        for before in ["", GET, SIZED, CHUNKED] {
            for head in ["\n", "GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n"]
            {
                let bytes = [before, head, GET].concat();
                let kept = before.len()
                    + head.find('\n').filter(|at| *at == 0).unwrap_or_else(|| {
                        let bare = head.match_indices('\n');
                        let bare = bare.map(|(at, _)| at).find(|at| !head[..*at].ends_with('\r'));
                        bare.expect("one")
                    });
                for length in 1..=bytes.len() {
                    let (left, _) = followed(&bytes, length);
                    assert_eq!(left[..kept], bytes[..kept]);
                    assert!(left[kept..].bytes().all(|byte| byte == 0), "{left:?}");
                }
            }
        }
    }

    #[test]
    fn a_bare_line_feed_in_a_trailer_is_unacceptable() {
        let before = CHUNKED.strip_suffix("\r\n\r\n").expect("its end");
        let (left, _) = followed(&[before, "\n\r\n\r\n", GET].concat(), 100);
        assert!(left[before.len()..].bytes().all(|byte| byte == b'\r'), "{left:?}");
    }

    #[test]
    fn frames_of_a_websocket_are_not_followed() {
        let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n";
        assert_unchanged(&[GET, upgrade, "\n\n\u{1}\n"].concat(), false);
    }

    #[test]
    fn a_name_that_only_begins_like_a_header_is_another() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Lengths: 7\r\n\r\n";
        assert_unchanged(&[head, GET].concat(), false);
        let (left, _) = followed(&[head, "\n"].concat(), 100);
        assert!(left.ends_with('\0'));
    }

    #[test]
    fn the_end_of_a_head_is_reported() {
        let mut framing = Framing::default();
        let (one, other) = GET.split_at(20);
        assert!(!framing.follow(&mut one.to_owned().into_bytes()));
        assert!(framing.follow(&mut [other, one].concat().into_bytes()));
        assert!(framing.is_in_head());
    }
}
