//! A position in the event stream, and the opaque cursor that a reader stores of it.
//!
//! An engine has a stream for each of its partitions, so a position has a place in each. The cursor of one
//! partition is the name of its stream and the number of the last event. Of several it is, in base64url,
//! four bytes for the name of each stream and the number as a LEB128 integer.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use engine::{Digest, Events};

/// A position: the place in the stream of each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(Vec<Place>);

/// A place in the stream of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    stream: StreamName,
    /// The number of the last event before it.
    pub after: u64,
}

/// The name of a stream, as far as a cursor has it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum StreamName {
    /// The partition was not reached yet, or is not read.
    Unknown,
    Tag([u8; TAG]),
    Whole(Arc<str>),
}

/// The bytes of a cursor that stand for the name of a stream.
const TAG: usize = 4;

/// What is known of the stream of a partition.
pub struct Known {
    pub name: Arc<str>,
    pub events: Events,
}

impl Position {
    /// The beginning of what is kept, in this many partitions.
    pub fn oldest(partitions: usize) -> Self {
        Self(vec![Place::UNKNOWN; partitions])
    }

    /// The places that the last events before them leave, one for each partition.
    pub fn new(places: Vec<Place>) -> Self {
        Self(places)
    }

    /// Reads a cursor; `None` where it is none of an engine with so many partitions.
    pub fn parse(cursor: &str, partitions: usize) -> Option<Self> {
        if partitions == 1 {
            let (name, text) = cursor.rsplit_once('-')?;
            let after: u64 = text.parse().ok()?;
            let is_canonical = after < u64::MAX && after.to_string() == text;
            let place = Place { stream: StreamName::Whole(name.into()), after };
            return is_canonical.then(|| Self(vec![place]));
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let mut left = &bytes[..];
        let places = (0..partitions).map(|_| read_place(&mut left)).collect::<Option<_>>()?;
        left.is_empty().then_some(Self(places))
    }

    /// The position as a cursor.
    pub fn cursor(&self) -> String {
        if let [Place { stream: StreamName::Whole(name), after }] = &self.0[..] {
            return format!("{name}-{after}");
        }
        let mut bytes = Vec::with_capacity(self.0.len() * (TAG + 4));
        for place in &self.0 {
            write_place(place, &mut bytes);
        }
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn places(&self) -> &[Place] {
        &self.0
    }

    /// Moves the place in one partition behind an event of this number.
    pub fn advance(&mut self, partition: usize, name: &Arc<str>, after: u64) {
        self.0[partition] = Place::of(name, after);
    }
}

impl Place {
    /// In a partition that was not reached yet, or is not read.
    pub const UNKNOWN: Self = Self { stream: StreamName::Unknown, after: 0 };

    /// The place behind this event of a stream.
    pub fn of(name: &Arc<str>, after: u64) -> Self {
        Self { stream: StreamName::Whole(Arc::clone(name)), after }
    }

    /// Whether the place is in the stream of this name, as far as is known.
    pub fn is_in(&self, name: &str) -> bool {
        match &self.stream {
            StreamName::Unknown => true,
            StreamName::Tag(tag) => *tag == tag_of(name),
            StreamName::Whole(whole) => **whole == *name,
        }
    }

    /// Whether it is in a stream that was reached.
    pub fn is_known(&self) -> bool {
        self.stream != StreamName::Unknown
    }

    /// The place with the whole name of its stream, if all events after it are kept there.
    pub fn in_stream(&self, known: &Known) -> Option<Self> {
        let after = match self.stream {
            StreamName::Unknown => known.events.oldest - 1,
            _ => self.after,
        };
        let is_kept = (known.events.oldest..=known.events.next).contains(&(after + 1));
        (self.is_in(&known.name) && is_kept).then(|| Self::of(&known.name, after))
    }
}

fn tag_of(name: &str) -> [u8; TAG] {
    let [first, second, third, fourth, ..] = *Digest::of(name.as_bytes()).bytes();
    // All zeros are for a name that is not known.
    [first | 1, second, third, fourth]
}

fn write_place(place: &Place, bytes: &mut Vec<u8>) {
    bytes.extend(match &place.stream {
        StreamName::Unknown => [0; TAG],
        StreamName::Tag(tag) => *tag,
        StreamName::Whole(name) => tag_of(name),
    });
    let mut left = place.after;
    while left >= 0x80 {
        bytes.push(0x80 | left.to_le_bytes()[0]);
        left >>= 7;
    }
    bytes.push(left.to_le_bytes()[0]);
}

fn read_place(bytes: &mut &[u8]) -> Option<Place> {
    let (tag, rest) = bytes.split_first_chunk::<TAG>()?;
    let end = rest.iter().position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = rest.split_at(end + 1);
    // Numbers above are never given out.
    let is_canonical = number.len() <= 8 && (number.len() == 1 || number[end] != 0);
    let after = number.iter().rev().fold(0, |after, byte| after << 7 | u64::from(byte & 0x7f));
    *bytes = rest;
    let stream = if *tag == [0; TAG] { StreamName::Unknown } else { StreamName::Tag(*tag) };
    is_canonical.then_some(Place { stream, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(places: &[(&str, u64)]) -> Position {
        Position(places.iter().map(|(name, after)| Place::of(&Arc::from(*name), *after)).collect())
    }

    #[test]
    fn a_cursor_of_one_partition_is_name_and_number() {
        let cursor = position(&[("a-name", 7)]).cursor();
        assert_eq!(cursor, "a-name-7");
        assert_eq!(Position::parse(&cursor, 1), Some(position(&[("a-name", 7)])));
    }

    #[test]
    fn a_cursor_of_several_partitions_is_read_as_it_was_written() {
        let largest = (1 << 56) - 1;
        for numbers in [[0, 1], [127, 128], [300, largest]] {
            let written = position(&[("one", numbers[0]), ("two", numbers[1])]);
            let read = Position::parse(&written.cursor(), 2).unwrap();
            assert_eq!(read.places().iter().map(|it| it.after).collect::<Vec<_>>(), numbers);
            assert!(read.places()[0].is_in("one") && read.places()[1].is_in("two"));
            assert!(!read.places()[0].is_in("two"));
            assert_eq!(read.cursor(), written.cursor());
        }
    }

    #[test]
    fn a_cursor_of_another_number_of_partitions_is_none() {
        let cursor = position(&[("one", 1), ("two", 2)]).cursor();
        for partitions in [1, 3] {
            assert_eq!(Position::parse(&cursor, partitions), None);
        }
        for cursor in ["", "0", "?", "AAAA", "s-1"] {
            assert_eq!(Position::parse(cursor, 2), None, "{cursor}");
        }
    }

    #[test]
    fn a_place_that_was_never_reached_is_in_any_stream() {
        let cursor = Position::oldest(2).cursor();
        let read = Position::parse(&cursor, 2).unwrap();
        assert!(read.places().iter().all(|place| place.is_in("any")));
    }

    #[test]
    fn the_cursor_of_128_partitions_fits() {
        let names: Vec<_> = (0..128).map(|number| (format!("{number}"), 1 << 52)).collect();
        let places: Vec<_> = names.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        let length = position(&places).cursor().len();
        assert!(length <= api_types::event::MAX_CURSOR_LENGTH, "{length}");
    }
}
