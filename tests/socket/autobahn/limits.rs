//! Cases 9 and 10: long messages, many messages, and messages in many pieces. Autobahn goes up to 16
//! MiB and 16,000 frames per message; the largest settings allow 1 MiB and bursts of 2,000 frames.

use super::{Case, Cuts, LARGEST, all_hold, case, data_for, fragments, message};
use crate::wire::{
    BINARY, CONTINUATION, FINAL, Frame, PING_FRAME, TEXT, announced_text, frame, text,
};

const KIB: usize = 1024;

/// The difference of a case whose message is over every limit that the settings allow.
const OVER: &str = "a message over the limit is refused as soon as its length shows it";

fn whole(number: &str, length: usize) -> Case {
    let data = data_for(length);
    case(number).sends(text(message(&data))).sees_accepted(data)
}

fn announced(number: &str, length: usize) -> Case {
    case(number).sends(announced_text(length as u64)).closed(1009).differs(OVER)
}

#[test]
fn case_9_1_long_text_messages() {
    all_hold(&[
        whole("9.1.1", 64 * KIB),
        whole("9.1.2", 256 * KIB),
        whole("9.1.3", LARGEST),
        announced("9.1.4", 4 * LARGEST),
        announced("9.1.5", 8 * LARGEST),
        announced("9.1.6", 16 * LARGEST),
    ]);
}

fn binary(number: &str, length: usize) -> Case {
    case(number)
        .sends(frame(FINAL | BINARY, &vec![0xfe; length]))
        .closed(1003)
        .differs("the contract has only text")
}

#[test]
fn case_9_2_long_binary_messages() {
    all_hold(&[
        binary("9.2.1", 64 * KIB),
        binary("9.2.2", 256 * KIB),
        binary("9.2.3", LARGEST),
        announced("9.2.4", 4 * LARGEST),
        announced("9.2.5", 8 * LARGEST),
        announced("9.2.6", 16 * LARGEST),
    ]);
}

#[test]
fn case_9_3_long_text_messages_in_fragments() {
    let fragmented = |number: &str, length, size| {
        let data = data_for(length);
        case(number)
            .sends_each(fragments(&message(&data), size))
            .sees_accepted(data)
            .differs("the message is shorter than 4 MiB")
    };
    let half = vec![b' '; LARGEST / 2];
    all_hold(&[
        fragmented("9.3.1", 64 * KIB, 64),
        fragmented("9.3.2", 256 * KIB, 256),
        fragmented("9.3.3", LARGEST, KIB),
        fragmented("9.3.4", LARGEST, 4 * KIB),
        fragmented("9.3.5", LARGEST, 16 * KIB),
        fragmented("9.3.6", LARGEST, 64 * KIB),
        fragmented("9.3.7", LARGEST, 256 * KIB),
        fragmented("9.3.8", LARGEST, LARGEST),
        announced("9.3.9", 4 * LARGEST),
        case("9.3 over the limit")
            .sends(frame(TEXT, &half))
            .sends(frame(CONTINUATION, &half))
            .sends(frame(CONTINUATION, b" "))
            .closed(1009)
            .differs(OVER),
    ]);
}

#[test]
fn case_9_4_long_binary_messages_in_fragments() {
    let sizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, LARGEST];
    let cases = sizes.into_iter().zip(1..).map(|(size, place)| {
        case(format!("9.4.{place}"))
            .sends(frame(BINARY, &vec![0xfe; size]))
            .closed(1003)
            .differs("the contract has only text: the first fragment is refused")
    });
    let mut cases: Vec<_> = cases.collect();
    cases.push(announced("9.4.9", 4 * LARGEST));
    all_hold(&cases);
}

const CHOPS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];

#[test]
fn case_9_5_long_text_messages_in_chops() {
    let chopped = |(size, place)| whole(&format!("9.5.{place}"), LARGEST).cut(Cuts::Octets(size));
    all_hold(&CHOPS.into_iter().zip(1..).map(chopped).collect::<Vec<_>>());
}

#[test]
fn case_9_6_long_binary_messages_in_chops() {
    let chopped = |(size, place)| binary(&format!("9.6.{place}"), LARGEST).cut(Cuts::Octets(size));
    all_hold(&CHOPS.into_iter().zip(1..).map(chopped).collect::<Vec<_>>());
}

const SIZES: [usize; 6] = [0, 16, 64, 256, 1024, 4096];

#[test]
fn case_9_7_many_text_messages() {
    let pong = || Frame { head: FINAL | TEXT, payload: br#"{"type":"pong"}"#.to_vec() };
    let many = |(size, place)| {
        let mut padded = PING_FRAME.to_vec();
        padded.resize(size, b' ');
        let rounds = case(format!("9.7.{place}"));
        (0..100).fold(rounds, |rounds, _| rounds.sends(text(&padded)).sees(pong()))
    };
    let mut cases: Vec<_> = SIZES.into_iter().zip(1..).skip(1).map(many).collect();
    for case in &mut cases {
        case.differs = "there are 100 ping frames of the contract, where Autobahn has 1000 texts";
    }
    cases.push(case("9.7.1").sends(text("")).closed(4000).differs("an empty text is no JSON"));
    all_hold(&cases);
}

#[test]
fn case_9_8_many_binary_messages() {
    let many = |(size, place)| binary(&format!("9.8.{place}"), size);
    all_hold(&SIZES.into_iter().zip(1..).map(many).collect::<Vec<_>>());
}

#[test]
fn case_10_1_a_message_in_automatic_fragments() {
    let data = data_for(64 * KIB);
    let frames = fragments(&message(&data), 1300);
    all_hold(&[case("10.1.1").sends_each(frames).sees_accepted(data)]);
}
