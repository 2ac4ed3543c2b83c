//! The cases of the Autobahn test suite for RFC 6455, by its numbers, for a server that is no echo.
//!
//! Where Autobahn sends a text and expects it back, a case sends a message of the contract, expects
//! `accepted`, and the operator gets the text byte for byte. Where Autobahn expects a clean close, a
//! case closes, and expects its code in return and no other frame before. A case that expects
//! something else than Autobahn says so (`differs`).

mod compression;
mod framing;
mod limits;
mod utf8;

use std::slice;

use tests::{Event, Gateway, Operator};

use crate::{
    authorised,
    wire::{CLOSE, CONTINUATION, FINAL, Frame, Handshake, PING, PONG, Peer, TEXT, frame, text},
};

/// How the bytes of a case are cut into segments.
#[derive(Clone, Copy)]
enum Cuts {
    /// All in one.
    Together,
    /// After each frame.
    Frames,
    /// After this many octets.
    Octets(usize),
}

/// How a case ends.
enum End {
    /// The client closes with 1000, and the gateway answers it.
    Clean,
    /// The gateway answers the close frame of the case with this payload.
    Answered(Vec<u8>),
    /// The gateway closes with this code.
    Closed(u16),
}

enum Step {
    Send(Vec<u8>),
    See(Frame),
}

/// One case of the suite.
struct Case {
    number: String,
    cuts: Cuts,
    steps: Vec<Step>,
    /// The data of the messages that the operator gets, byte for byte.
    messages: Vec<String>,
    end: End,
    /// How it differs from what Autobahn sends or expects.
    differs: &'static str,
}

fn case(number: impl Into<String>) -> Case {
    let (cuts, end) = (Cuts::Together, End::Clean);
    Case { number: number.into(), cuts, steps: Vec::new(), messages: Vec::new(), end, differs: "" }
}

impl Case {
    fn cut(mut self, cuts: Cuts) -> Self {
        self.cuts = cuts;
        self
    }

    fn sends(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    fn sends_each(self, frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        frames.into_iter().fold(self, Self::sends)
    }

    fn sees(mut self, frame: Frame) -> Self {
        self.steps.push(Step::See(frame));
        self
    }

    fn sees_pong(self, payload: impl AsRef<[u8]>) -> Self {
        self.sees(Frame { head: FINAL | PONG, payload: payload.as_ref().to_vec() })
    }

    /// The gateway accepts the next message, whose data is this.
    fn sees_accepted(mut self, data: impl Into<String>) -> Self {
        self.messages.push(data.into());
        let payload = format!(r#"{{"type":"accepted","id":"{}"}}"#, self.messages.len());
        self.sees(Frame { head: FINAL | TEXT, payload: payload.into_bytes() })
    }

    fn closed(mut self, code: u16) -> Self {
        self.end = End::Closed(code);
        self
    }

    /// The gateway answers the close frame of the case with this payload.
    fn answered(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.end = End::Answered(payload.as_ref().to_vec());
        self
    }

    fn differs(mut self, how: &'static str) -> Self {
        self.differs = how;
        self
    }

    /// Runs the case with a device that is named after it.
    fn run(&self, gateway: &Gateway) {
        let device = self.device();
        let mut peer = Handshake::of(gateway, &authorised(gateway, &device)).opened(gateway);
        peer.hello();
        let mut unsent: Vec<&[u8]> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Send(bytes) => unsent.push(bytes),
                Step::See(frame) => {
                    self.flush(&mut peer, &mut unsent);
                    self.assert_next(&mut peer, frame);
                }
            }
        }
        self.flush(&mut peer, &mut unsent);
        match &self.end {
            End::Clean => {
                let payload = 1000_u16.to_be_bytes().to_vec();
                peer.send(&frame(FINAL | CLOSE, &payload));
                self.assert_next(&mut peer, &Frame { head: FINAL | CLOSE, payload });
            }
            End::Answered(payload) => {
                let answer = Frame { head: FINAL | CLOSE, payload: payload.clone() };
                self.assert_next(&mut peer, &answer);
            }
            End::Closed(code) => {
                if *code >= 4000 {
                    let bye = peer.frame().json();
                    assert_eq!((&bye["type"], &bye["code"]), (&"bye".into(), &(*code).into()));
                }
                assert_eq!(peer.frame().close_code(), *code, "{self}");
            }
        }
        assert!(peer.is_ended(), "{self}: nothing follows a close frame");
    }

    fn flush(&self, peer: &mut Peer, unsent: &mut Vec<&[u8]>) {
        match self.cuts {
            Cuts::Together => peer.send(&unsent.concat()),
            Cuts::Frames => unsent.iter().for_each(|frame| peer.send(frame)),
            Cuts::Octets(count) => unsent.concat().chunks(count).for_each(|cut| peer.send(cut)),
        }
        unsent.clear();
    }

    fn assert_next(&self, peer: &mut Peer, expected: &Frame) {
        assert_eq!(&peer.frame(), expected, "{self}");
    }

    fn device(&self) -> String {
        format!("case-{}", self.number.replace(' ', "-"))
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let differs = if self.differs.is_empty() { "" } else { ", but " };
        write!(formatter, "case {}{differs}{}", self.number, self.differs)
    }
}

/// A gateway with the largest limits for messages and rate that its settings allow.
fn generous() -> Gateway {
    Gateway::builder()
        .flag("--inbound-frame-bytes", &LARGEST.to_string())
        .flag("--frames-per-second", "1000")
        .start()
}

/// The largest limit of a message that the settings allow, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Asserts that each case holds, and that the operator gets its messages and no others.
fn all_hold(cases: &[Case]) {
    let gateway = generous();
    for case in cases {
        case.run(&gateway);
    }
    let history = Operator::of(&gateway).history();
    for case in cases {
        let device = case.device();
        let of_case = |event: &&Event| event.kind == "message" && event.device() == device;
        let messages: Vec<_> = history.iter().filter(of_case).map(Event::message_data).collect();
        // Not `assert_eq!`, which would print a MiB.
        assert!(messages == case.messages, "{case}: the operator gets the messages");
    }
}

/// A message of the contract with this number in its case.
fn numbered_message(id: usize, data: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!(r#"{{"type":"message","id":"{id}","data":"#);
    [head.as_bytes(), data.as_ref(), b"}"].concat()
}

fn message(data: impl AsRef<[u8]>) -> Vec<u8> {
    numbered_message(1, data)
}

/// The data of a message of this length, without a repetition in it.
fn data_for(length: usize) -> String {
    let digits = (0..).flat_map(|place: u32| place.to_string().into_bytes()).map(char::from);
    let inside = length - message("\"\"").len();
    format!("\"{}\"", digits.take(inside).collect::<String>())
}

/// The frames of a text message in fragments of at most `size` octets.
fn fragments(payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut parts = payload.chunks(size).peekable();
    let mut opcode = TEXT;
    let mut frames = Vec::new();
    while let Some(part) = parts.next() {
        let last = if parts.peek().is_none() { FINAL } else { 0 };
        frames.push(frame(last | opcode, part));
        opcode = CONTINUATION;
    }
    frames
}

fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FINAL | PING, payload.as_ref())
}

/// A close with a code and the bytes of a reason.
fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FINAL | CLOSE, &[&code.to_be_bytes(), reason.as_ref()].concat())
}

/// Autobahn's text, as data.
const HELLO: &str = r#""Hello, world!""#;

/// A valid message, a breach after it, and a ping that stays unanswered.
fn hello_then(number: &str, wrong: Vec<u8>) -> Case {
    case(number).sends(text(message(HELLO))).sends(wrong).sends(ping("")).sees_accepted(HELLO)
}

#[test]
fn the_fragments_of_the_cases_follow_the_rfc() {
    let frames = fragments(b"Hello", 2);
    let heads: Vec<_> = frames.iter().map(|frame| frame[0]).collect();
    assert_eq!(heads, [TEXT, CONTINUATION, FINAL | CONTINUATION]);
    assert_eq!(slice::from_ref(&frame(FINAL | TEXT, b"Hello")), fragments(b"Hello", 5));
}
