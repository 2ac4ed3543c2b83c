//! The bytes of a client on a socket: whatever they are and however they are cut, the decoder
//! returns the same and holds no more than its limit allows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use server::websocket::codec::{FrameDecoder, ReadEnd, Received};

/// The longest message, in bytes: small, so that the fuzzer gets past it.
const LIMIT: usize = 300;

/// The most that an incomplete message takes: the limit, the head of a frame, and a control frame
/// between two fragments; and as much again, because buffers grow by doubling.
const MOST_HELD: usize = 2 * (LIMIT + 14 + 131);

/// Everything that is decoded from `input` when it arrives in pieces of these lengths, repeated.
fn decode(input: &[u8], pieces: &[u8]) -> (Vec<Received>, Option<ReadEnd>) {
    let mut decoder = FrameDecoder::new(LIMIT);
    let mut messages = Vec::new();
    let mut lengths = pieces.iter().map(|length| usize::from(*length).max(1)).cycle();
    let mut rest = input;
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(usize::MAX).min(rest.len());
        let (piece, later) = rest.split_at(length);
        decoder.push(piece);
        rest = later;
        loop {
            match decoder.next_message() {
                Ok(Some(received)) => messages.push(received),
                Ok(None) => break,
                Err(end) => {
                    decoder.push(rest);
                    assert_eq!(decoder.next_message(), Ok(None), "the read end comes once");
                    assert_eq!(decoder.held(), 0, "nothing is held after the read end");
                    return (messages, Some(end));
                }
            }
        }
        assert!(decoder.held() <= MOST_HELD, "{} bytes are held", decoder.held());
    }
    (messages, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = data.split_first_chunk::<4>() else { return };
    let whole = decode(input, &[]);
    assert_eq!(decode(input, cuts), whole);
    assert_eq!(decode(input, &[1]), whole);
    for received in &whole.0 {
        match received {
            Received::Text(text) => {
                assert!(text.len() <= LIMIT);
                assert!(std::str::from_utf8(text).is_ok());
            }
            Received::Fragment(length) => assert!(*length <= LIMIT),
            Received::Ping(payload) => assert!(payload.len() <= 125),
            Received::Pong => {}
        }
    }
});
