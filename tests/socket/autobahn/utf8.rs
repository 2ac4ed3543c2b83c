//! Cases 6: texts that are UTF-8 and texts that are not, whole and in fragments.

use super::{Case, Cuts, all_hold, case, fragments, message, ping};
use crate::wire::{CONTINUATION, FINAL, TEXT, frame, text};

const WORDS: &str = "Hello-µ@ßöäüàá-UTF-8!!";
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

fn quoted(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [b"\"", bytes.as_ref(), b"\""].concat()
}

fn data(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8(quoted(bytes)).expect("UTF-8")
}

#[test]
fn case_6_1_empty_fragments() {
    let words = data("middle frame payload");
    all_hold(&[
        case("6.1.1").sends(text("")).closed(4000).differs("an empty text is no JSON"),
        case("6.1.2")
            .sends(frame(TEXT, b""))
            .sends(frame(CONTINUATION, b""))
            .sends(frame(FINAL | CONTINUATION, b""))
            .closed(4000)
            .differs("an empty text is no JSON"),
        case("6.1.3")
            .sends(frame(TEXT, b""))
            .sends(frame(CONTINUATION, &message(&words)))
            .sends(frame(FINAL | CONTINUATION, b""))
            .sees_accepted(words),
    ]);
}

#[test]
fn case_6_2_valid_utf_8_in_fragments() {
    let payload = message(data(WORDS));
    let boundary = payload.windows(2).position(|two| two == "ü".as_bytes()).expect("an ü");
    let (one, other) = payload.split_at(boundary);
    all_hold(&[
        case("6.2.1").sends(text(&payload)).sees_accepted(data(WORDS)),
        case("6.2.2")
            .sends(frame(TEXT, one))
            .sends(frame(FINAL | CONTINUATION, other))
            .sees_accepted(data(WORDS)),
        case("6.2.3").sends_each(fragments(&payload, 1)).sees_accepted(data(WORDS)),
        case("6.2.4").sends_each(fragments(&message(data(KOSME)), 1)).sees_accepted(data(KOSME)),
    ]);
}

#[test]
fn case_6_3_invalid_utf_8_in_fragments() {
    let payload = message(quoted([KOSME, b"\xed\xa0\x80edited"].concat()));
    all_hold(&[
        case("6.3.1").sends(text(&payload)).closed(1007),
        case("6.3.2").sends_each(fragments(&payload, 1)).closed(1007),
    ]);
}

/// Valid octets, those that make the text invalid, and the rest. The cut is before the first octet
/// that makes the text invalid, or after it.
fn three_parts(valid: usize, wrong: usize) -> [Vec<u8>; 3] {
    let mut octets = [KOSME, b"\xf4\x90\x80\x80edited"].concat();
    let rest = octets.split_off(valid + wrong);
    let wrong = octets.split_off(valid);
    [octets, wrong, rest]
}

#[test]
fn case_6_4_invalid_utf_8_is_refused_at_once() {
    let in_frames = |number: &str, [valid, wrong, _]: [Vec<u8>; 3]| {
        case(number)
            .sends(frame(TEXT, &valid))
            .sends(ping("A"))
            .sees_pong("A")
            .sends(frame(CONTINUATION, &wrong))
            .closed(1007)
            .differs(
                "a pong shows that the first frame was accepted, where Autobahn waits a second",
            )
    };
    let in_octets =
        |number: &str, [valid, wrong, rest]: [Vec<u8>; 3]| {
            let cut = valid.len();
            let mut frame = text([valid, wrong, rest.clone()].concat());
            frame.truncate(frame.len() - rest.len());
            case(number).cut(Cuts::Octets(cut)).sends(frame).closed(1007).differs(
                "the rest of the frame is never sent, where Autobahn sends it a second later",
            )
        };
    all_hold(&[
        in_frames("6.4.1", three_parts(11, 4)),
        in_frames("6.4.2", three_parts(12, 1)),
        in_octets("6.4.3", three_parts(11, 4)),
        in_octets("6.4.4", three_parts(12, 1)),
    ]);
}

/// What the sequences of one number after `6.` are.
enum Sequences {
    Valid(Vec<Vec<u8>>),
    Invalid(Vec<Vec<u8>>),
    /// Each with whether it is valid.
    Either(Vec<(bool, Vec<u8>)>),
}

use Sequences::{Either, Invalid, Valid};

fn all(octets: &[&[u8]]) -> Vec<Vec<u8>> {
    octets.iter().map(|octets| octets.to_vec()).collect()
}

/// The last two code points of each plane.
fn non_characters() -> Vec<Vec<u8>> {
    let astral = (0x1..=0x10).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    let all = [0xfffe, 0xffff].into_iter().chain(astral);
    all.map(|point| char::from_u32(point).expect("a scalar value").to_string().into()).collect()
}

/// Start octets, each with a space after it.
fn lonely(starts: std::ops::Range<u8>) -> Vec<u8> {
    starts.flat_map(|start| [start, b' ']).collect()
}

/// The sequences of Autobahn (after Markus Kuhn's UTF-8 test), from 6.5 on.
#[expect(clippy::too_many_lines, reason = "a table")]
fn sequences() -> Vec<Sequences> {
    let unended: &[&[u8]] = &[
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    let prefixes = (1..=KOSME.len())
        .map(|length| ([2, 5, 7, 9, 11].contains(&length), KOSME[..length].to_vec()));
    vec![
        // 6.5: some valid sequences.
        Valid(all(&[
            b"hello\x24world",
            b"hello\xc2\xa2world",
            b"hello\xe2\x82\xacworld",
            b"hello\xf0\xa4\xad\xa2world",
            KOSME,
        ])),
        // 6.6: all prefixes of a valid sequence.
        Either(prefixes.collect()),
        // 6.7: the first of each length.
        Valid(all(&[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"])),
        // 6.8: the first of five and six octets.
        Invalid(all(&[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"])),
        // 6.9: the last of each length.
        Valid(all(&[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"])),
        // 6.10: the last of four, five and six octets.
        Invalid(all(&[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"])),
        // 6.11: other boundaries.
        Either(vec![
            (true, b"\xed\x9f\xbf".to_vec()),
            (true, b"\xee\x80\x80".to_vec()),
            (true, b"\xef\xbf\xbd".to_vec()),
            (true, b"\xf4\x8f\xbf\xbf".to_vec()),
            (false, b"\xf4\x90\x80\x80".to_vec()),
        ]),
        // 6.12: continuation octets without a start.
        Invalid(all(&[
            b"\x80",
            b"\xbf",
            b"\x80\xbf",
            b"\x80\xbf\x80",
            b"\x80\xbf\x80\xbf",
            b"\x80\xbf\x80\xbf\x80",
            b"\x80\xbf\x80\xbf\x80\xbf",
            &(0x80..0xbf).collect::<Vec<_>>(),
        ])),
        // 6.13: start octets without a continuation.
        Invalid(vec![
            lonely(0xc0..0xdf),
            lonely(0xe0..0xef),
            lonely(0xf0..0xf7),
            lonely(0xf8..0xfb),
            lonely(0xfc..0xfd),
        ]),
        // 6.14: the last continuation octet is missing.
        Invalid(all(unended)),
        // 6.15: all of those in a row.
        Invalid(vec![unended.concat()]),
        // 6.16: impossible octets.
        Invalid(all(&[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"])),
        // 6.17: an overlong `/`.
        Invalid(all(&[
            b"\xc0\xaf",
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\xf8\x80\x80\x80\xaf",
            b"\xfc\x80\x80\x80\x80\xaf",
        ])),
        // 6.18: the largest overlong sequences.
        Invalid(all(&[
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf8\x87\xbf\xbf\xbf",
            b"\xfc\x83\xbf\xbf\xbf\xbf",
        ])),
        // 6.19: an overlong NUL.
        Invalid(all(&[
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf8\x80\x80\x80\x80",
            b"\xfc\x80\x80\x80\x80\x80",
        ])),
        // 6.20: single surrogates.
        Invalid(all(&[
            b"\xed\xa0\x80",
            b"\xed\xad\xbf",
            b"\xed\xae\x80",
            b"\xed\xaf\xbf",
            b"\xed\xb0\x80",
            b"\xed\xbe\x80",
            b"\xed\xbf\xbf",
        ])),
        // 6.21: surrogates in pairs.
        Invalid(all(&[
            b"\xed\xa0\x80\xed\xb0\x80",
            b"\xed\xa0\x80\xed\xbf\xbf",
            b"\xed\xad\xbf\xed\xb0\x80",
            b"\xed\xad\xbf\xed\xbf\xbf",
            b"\xed\xae\x80\xed\xb0\x80",
            b"\xed\xae\x80\xed\xbf\xbf",
            b"\xed\xaf\xbf\xed\xb0\x80",
            b"\xed\xaf\xbf\xed\xbf\xbf",
        ])),
        // 6.22: code points that are no characters.
        Valid(non_characters()),
        // 6.23: specials.
        Valid(all(&[
            b"\xef\xbf\xb9",
            b"\xef\xbf\xba",
            b"\xef\xbf\xbb",
            b"\xef\xbf\xbc",
            b"\xef\xbf\xbd",
            b"\xef\xbf\xbe",
            b"\xef\xbf\xbf",
        ])),
    ]
}

/// A sequence in a message of the contract; an invalid one also on its own, where the end of the
/// text cuts it off and not a quote.
fn cases_of(number: &str, valid: bool, sequence: &[u8]) -> Vec<Case> {
    let message = case(number).sends(text(message(quoted(sequence))));
    match sequence {
        b"\x00" => vec![message.closed(4000).differs("it is UTF-8, but JSON does not allow NUL")],
        _ if valid => vec![message.sees_accepted(data(sequence))],
        _ => {
            let bare = case(format!("{number} bare")).sends(text(sequence)).closed(1007);
            vec![message.closed(1007), bare]
        }
    }
}

#[test]
fn case_6_5_to_6_23_sequences() {
    let mut cases = Vec::new();
    for (sequences, group) in sequences().into_iter().zip(5..) {
        let sequences: Vec<_> = match sequences {
            Valid(all) => all.into_iter().map(|sequence| (true, sequence)).collect(),
            Invalid(all) => all.into_iter().map(|sequence| (false, sequence)).collect(),
            Either(all) => all,
        };
        for ((valid, sequence), place) in sequences.iter().zip(1..) {
            cases.extend(cases_of(&format!("6.{group}.{place}"), *valid, sequence));
        }
    }
    all_hold(&cases);
}
