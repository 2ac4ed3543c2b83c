//! Cases 12 and 13: no offered extension is accepted, so a compressed message is a breach.

use super::{HELLO, message};
use crate::{
    authorised,
    wire::{FINAL, Frame, Handshake, TEXT, frame, text},
};
use tests::Gateway;

/// In the first byte: the message is compressed (RFC 7692).
const COMPRESSED: u8 = 0x40;

/// What Autobahn's client offers, by number of the case. The cases of one number differ only in the
/// messages that they compress, and none is compressed here.
const OFFERS: [(&str, &str); 8] = [
    ("12", "permessage-deflate; client_no_context_takeover; client_max_window_bits"),
    ("13.1", "permessage-deflate; client_no_context_takeover; client_max_window_bits"),
    (
        "13.2",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits; \
         server_no_context_takeover",
    ),
    (
        "13.3",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits; \
         server_max_window_bits=9",
    ),
    (
        "13.4",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits; \
         server_max_window_bits=15",
    ),
    (
        "13.5",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits; \
         server_no_context_takeover; server_max_window_bits=9",
    ),
    (
        "13.6",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits; \
         server_no_context_takeover; server_max_window_bits=15",
    ),
    (
        "13.7",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9, \
         permessage-deflate; server_no_context_takeover, permessage-deflate",
    ),
];

#[test]
fn case_12_and_13_compression() {
    let gateway = Gateway::trial();
    for (number, offer) in OFFERS {
        let device = format!("case-{number}");
        let (answer, mut peer) = Handshake::of(&gateway, &authorised(&gateway, &device))
            .with("sec-websocket-extensions", offer)
            .send(&gateway);
        assert_eq!(answer.status, 101, "case {number}");
        assert!(!answer.headers.contains_key("sec-websocket-extensions"), "case {number}");
        peer.hello();
        peer.send(&text(message(HELLO)));
        let accepted = br#"{"type":"accepted","id":"1"}"#.to_vec();
        assert_eq!(peer.frame(), Frame { head: FINAL | TEXT, payload: accepted }, "case {number}");
        peer.send(&frame(FINAL | COMPRESSED | TEXT, &message(HELLO)));
        assert_eq!(peer.closed(), (1002, None), "case {number}");
    }
}
