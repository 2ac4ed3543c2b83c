//! What a peer sends on a socket: whatever it is and however it is cut, the decoder says the same
//! and holds no more than it should.
#![no_main]

use libfuzzer_sys::fuzz_target;
use server::websocket::codec::{Decoder, Received, Stop};

/// The longest message. Small, so that the fuzzer gets past it.
const LIMIT: usize = 300;

/// What may be held of an unfinished message: the limit, the head of a frame, and a control frame
/// between fragments; and as much again, because buffers grow by doubling.
const HELD_AT_MOST: usize = 2 * (LIMIT + 14 + 131);

/// All that is said of `input` where it arrives in pieces of these lengths, again and again.
fn said_of(input: &[u8], pieces: &[u8]) -> (Vec<Received>, Option<Stop>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut said = Vec::new();
    let mut lengths = pieces.iter().map(|length| usize::from(*length).max(1)).cycle();
    let mut rest = input;
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(usize::MAX).min(rest.len());
        let (piece, later) = rest.split_at(length);
        decoder.push(piece);
        rest = later;
        loop {
            match decoder.next_message() {
                Ok(Some(received)) => said.push(received),
                Ok(None) => break,
                Err(stop) => {
                    decoder.push(rest);
                    assert_eq!(decoder.next_message(), Ok(None), "it stops once");
                    assert_eq!(decoder.held(), 0, "nothing is held after that");
                    return (said, Some(stop));
                }
            }
        }
        assert!(decoder.held() <= HELD_AT_MOST, "{} bytes are held", decoder.held());
    }
    (said, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = data.split_first_chunk::<4>() else { return };
    let whole = said_of(input, &[]);
    assert_eq!(said_of(input, cuts), whole);
    assert_eq!(said_of(input, &[1]), whole);
    for received in &whole.0 {
        match received {
            Received::Text(text) => {
                assert!(text.len() <= LIMIT);
                assert!(std::str::from_utf8(text).is_ok());
            }
            Received::Part(length) => assert!(*length <= LIMIT),
            Received::Ping(payload) => assert!(payload.len() <= 125),
            Received::Pong => {}
        }
    }
});
