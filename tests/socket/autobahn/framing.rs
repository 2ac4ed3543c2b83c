//! Cases 1 to 5 and 7: frames, pings, reserved bits, opcodes, fragments and closes.

use super::{Case, Cuts, HELLO, all_hold, case, close, data_for, hello_then, message, ping};
use crate::wire::{BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT, frame, text};

const FRAGMENT_1: &[u8] = b"fragment1";
const FRAGMENT_2: &[u8] = b"fragment2";

/// The reserved bits of a frame, as a number.
const fn reserved(bits: u8) -> u8 {
    bits << 4
}

/// A text message of the contract in two frames.
fn halves() -> [Vec<u8>; 2] {
    let payload = message(HELLO);
    let (one, other) = payload.split_at(payload.len() / 2);
    [frame(TEXT, one), frame(FINAL | CONTINUATION, other)]
}

#[test]
fn case_1_1_text_messages() {
    let of_length = |number: &str, length| {
        let data = data_for(length);
        case(number).sends(text(message(&data))).sees_accepted(data)
    };
    all_hold(&[
        case("1.1.1")
            .sends(text(""))
            .closed(4000)
            .differs("an empty text is no frame of the contract"),
        of_length("1.1.2", 125),
        of_length("1.1.3", 126),
        of_length("1.1.4", 127),
        of_length("1.1.5", 128),
        of_length("1.1.6", 65535),
        of_length("1.1.7", 65536),
        of_length("1.1.8", 65536).cut(Cuts::Octets(997)),
    ]);
}

#[test]
fn case_1_2_binary_messages() {
    let of_length = |number: &str, length| {
        case(number)
            .sends(frame(FINAL | BINARY, &vec![0xfe; length]))
            .closed(1003)
            .differs("the contract has only text")
    };
    all_hold(&[
        of_length("1.2.1", 0),
        of_length("1.2.2", 125),
        of_length("1.2.3", 126),
        of_length("1.2.4", 127),
        of_length("1.2.5", 128),
        of_length("1.2.6", 65535),
        of_length("1.2.7", 65536),
        of_length("1.2.8", 65536).cut(Cuts::Octets(997)),
    ]);
}

#[test]
fn case_2_pings_and_pongs() {
    let ping_of = |number: &str, payload: &[u8]| case(number).sends(ping(payload));
    let ten_pings = |number: &str| {
        let payloads = || (0..10).map(|n| format!("payload-{n}"));
        payloads().fold(case(number).sends_each(payloads().map(ping)), Case::sees_pong)
    };
    let unasked = frame(FINAL | PONG, b"unsolicited pong payload");
    all_hold(&[
        ping_of("2.1", b"").sees_pong(""),
        ping_of("2.2", b"Hello, world!").sees_pong("Hello, world!"),
        ping_of("2.3", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")
            .sees_pong(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
        ping_of("2.4", &[0xfe; 125]).sees_pong([0xfe; 125]),
        ping_of("2.5", &[0xfe; 126]).closed(1002),
        ping_of("2.6", &[0xfe; 125]).cut(Cuts::Octets(1)).sees_pong([0xfe; 125]),
        case("2.7").sends(frame(FINAL | PONG, b"")),
        case("2.8").sends(unasked.clone()),
        case("2.9").sends(unasked).sends(ping("ping payload")).sees_pong("ping payload"),
        ten_pings("2.10"),
        ten_pings("2.11").cut(Cuts::Octets(1)),
    ]);
}

#[test]
fn case_3_reserved_bits() {
    let reserved_text = |bits| frame(FINAL | reserved(bits) | TEXT, &message(HELLO));
    all_hold(&[
        case("3.1").sends(reserved_text(1)).closed(1002),
        hello_then("3.2", reserved_text(2)).closed(1002),
        hello_then("3.3", reserved_text(3)).cut(Cuts::Frames).closed(1002),
        hello_then("3.4", reserved_text(4)).cut(Cuts::Octets(1)).closed(1002),
        case("3.5").sends(frame(FINAL | reserved(5) | BINARY, b"\x00\xff")).closed(1002),
        case("3.6")
            .sends(frame(FINAL | reserved(6) | PING, b"Hello, world!"))
            .closed(1002)
            .differs("it is a ping, as its description says, where Autobahn sends binary"),
        case("3.7").sends(frame(FINAL | reserved(7) | CLOSE, b"")).closed(1002),
    ]);
}

#[test]
fn case_4_opcodes() {
    let opcode = |opcode, payload: &[u8]| frame(FINAL | opcode, payload);
    let words = b"reserved opcode payload";
    all_hold(&[
        case("4.1.1").sends(opcode(3, b"")).closed(1002),
        case("4.1.2").sends(opcode(4, words)).closed(1002),
        hello_then("4.1.3", opcode(5, b"")).closed(1002),
        hello_then("4.1.4", opcode(6, words)).closed(1002),
        hello_then("4.1.5", opcode(7, words)).cut(Cuts::Octets(1)).closed(1002),
        case("4.2.1").sends(opcode(11, b"")).closed(1002),
        case("4.2.2").sends(opcode(12, words)).closed(1002),
        hello_then("4.2.3", opcode(13, b"")).closed(1002),
        hello_then("4.2.4", opcode(14, words)).closed(1002),
        hello_then("4.2.5", opcode(15, words)).cut(Cuts::Octets(1)).closed(1002),
    ]);
}

#[test]
fn case_5_fragmentation() {
    let fragmented = |number: &str, opcode| {
        case(number)
            .sends(frame(opcode, FRAGMENT_1))
            .sends(frame(FINAL | CONTINUATION, FRAGMENT_2))
            .closed(1002)
    };
    let in_halves = |number: &str| case(number).sends_each(halves()).sees_accepted(HELLO);
    let ping_between = |number: &str| {
        let [one, other] = halves();
        case(number)
            .sends(one)
            .sends(ping("ping payload"))
            .sends(other)
            .sees_pong("ping payload")
            .sees_accepted(HELLO)
    };
    let continues_nothing = |number: &str, head| {
        case(number).sends(frame(head, FRAGMENT_1)).sends(text(message(HELLO))).closed(1002)
    };
    let continues_nothing_twice = |number: &str, head| {
        let [one, other] = halves();
        let round = [frame(head, FRAGMENT_1), one, other];
        case(number).sends_each(round.clone()).sends_each(round).closed(1002)
    };
    let two_pings_between = |number: &str| {
        let mut parts = super::fragments(&message(HELLO), message(HELLO).len().div_ceil(5));
        let last = parts.split_off(4);
        let more = parts.split_off(2);
        case(number)
            .sends_each(parts)
            .sends(ping("pongme 1!"))
            .sees_pong("pongme 1!")
            .sends_each(more)
            .sends(ping("pongme 2!"))
            .sends_each(last)
            .sees_pong("pongme 2!")
            .sees_accepted(HELLO)
            .differs("it waits for the first pong, where Autobahn waits for a second")
    };
    all_hold(&[
        fragmented("5.1", PING),
        fragmented("5.2", PONG),
        in_halves("5.3"),
        in_halves("5.4").cut(Cuts::Frames),
        in_halves("5.5").cut(Cuts::Octets(1)),
        ping_between("5.6"),
        ping_between("5.7").cut(Cuts::Frames),
        ping_between("5.8").cut(Cuts::Octets(1)),
        continues_nothing("5.9", FINAL | CONTINUATION),
        continues_nothing("5.10", FINAL | CONTINUATION).cut(Cuts::Frames),
        continues_nothing("5.11", FINAL | CONTINUATION).cut(Cuts::Octets(1)),
        continues_nothing("5.12", CONTINUATION),
        continues_nothing("5.13", CONTINUATION).cut(Cuts::Frames),
        continues_nothing("5.14", CONTINUATION).cut(Cuts::Octets(1)),
        case("5.15")
            .sends_each(halves())
            .sends(frame(CONTINUATION, FRAGMENT_1))
            .sends(text(message(HELLO)))
            .sees_accepted(HELLO)
            .closed(1002),
        continues_nothing_twice("5.16", CONTINUATION),
        continues_nothing_twice("5.17", FINAL | CONTINUATION),
        case("5.18")
            .sends(frame(TEXT, FRAGMENT_1))
            .sends(frame(FINAL | TEXT, FRAGMENT_2))
            .closed(1002),
        two_pings_between("5.19"),
        two_pings_between("5.20").cut(Cuts::Frames),
    ]);
}

const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();

#[test]
fn case_7_1_what_comes_with_a_close() {
    let long = data_for(256 * 1024);
    let [one, other] = halves();
    all_hold(&[
        case("7.1.1").sends(text(message(HELLO))).sees_accepted(HELLO),
        case("7.1.2").sends(close(1000, "")).sends(frame(FINAL | CLOSE, b"")).answered(NORMAL),
        case("7.1.3").sends(close(1000, "")).sends(ping("")).answered(NORMAL),
        case("7.1.4").sends(close(1000, "")).sends(text(message(HELLO))).answered(NORMAL),
        case("7.1.5").sends(one).sends(close(1000, "")).sends(other).answered(NORMAL),
        case("7.1.6")
            .sends(text(message(&long)))
            .sends(text(super::numbered_message(2, HELLO)))
            .sends(close(1000, ""))
            .sends(ping(""))
            .sees_accepted(long)
            .sees_accepted(HELLO)
            .answered(NORMAL)
            .differs("messages before the close are accepted, where Autobahn allows either"),
    ]);
}

#[test]
fn case_7_3_the_payload_of_a_close() {
    let longest = "*".repeat(123);
    all_hold(&[
        case("7.3.1").sends(frame(FINAL | CLOSE, b"")).answered(b""),
        case("7.3.2").sends(frame(FINAL | CLOSE, b"a")).closed(1002),
        case("7.3.3").sends(close(1000, "")).answered(NORMAL),
        case("7.3.4").sends(close(1000, "Hello World!")).answered(NORMAL),
        case("7.3.5").sends(close(1000, &longest)).answered(NORMAL),
        case("7.3.6").sends(close(1000, longest + "*")).closed(1002),
    ]);
}

#[test]
fn case_7_5_a_reason_that_is_not_utf_8() {
    let reason = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    all_hold(&[case("7.5.1")
        .sends(close(1000, reason))
        .closed(1007)
        .differs("it is 1007, where Autobahn also allows 1002")]);
}

#[test]
fn case_7_7_valid_close_codes() {
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999_u16];
    let cases = codes.into_iter().enumerate().map(|(place, code)| {
        let number = format!("7.7.{}", place + 1);
        case(number).sends(close(code, "")).answered(code.to_be_bytes())
    });
    all_hold(&cases.collect::<Vec<_>>());
}

#[test]
fn case_7_9_invalid_close_codes() {
    let codes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    let cases = codes.into_iter().enumerate().map(|(place, code)| {
        case(format!("7.9.{}", place + 1)).sends(close(code, "")).closed(1002)
    });
    all_hold(&cases.collect::<Vec<_>>());
}

#[test]
fn case_7_13_close_codes_above_all() {
    let above = |number: &str, code| {
        case(number)
            .sends(close(code, ""))
            .closed(1002)
            .differs("it is 1002, where Autobahn allows anything")
    };
    all_hold(&[above("7.13.1", 5000), above("7.13.2", 65535)]);
}
