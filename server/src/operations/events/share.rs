//! The share of the event stream that one of several parallel consumers reads.
//!
//! A share is some of the partitions, and not some devices of one stream: events are released up to a
//! number, so a consumer of half a stream would release what the other half has not dealt with. Nor does
//! a consumer read events from Redis that are not for it.

use api_types::{parameter::EventShare, problem::ProblemKind};

/// Which partitions a consumer reads: every `of`-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The first one.
    first: usize,
    of: usize,
}

impl Share {
    /// All partitions.
    pub const WHOLE: Self = Self { first: 0, of: 1 };

    /// Reads a share such as `2/4`, where there are so many partitions.
    ///
    /// # Errors
    /// It is none, or there are fewer partitions than shares.
    pub fn parse(text: &str, partitions: usize) -> Result<Self, ProblemKind> {
        let numbers = text.split_once('/').filter(|_| EventShare::accepts(text));
        let numbers = numbers.and_then(|(share, of)| Some((share.parse().ok()?, of.parse().ok()?)));
        let (share, of): (usize, usize) = numbers.ok_or(ProblemKind::InvalidParameter)?;
        if share > of {
            Err(ProblemKind::InvalidParameter)
        } else if of > partitions {
            Err(ProblemKind::TooManyShares)
        } else {
            Ok(Self { first: share - 1, of })
        }
    }

    /// Whether a partition is part of it.
    pub const fn has(self, partition: usize) -> bool {
        partition % self.of == self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_a_stream_have_each_partition_once() {
        for of in 1..=6 {
            let share = |share| Share::parse(&format!("{share}/{of}"), 6).unwrap();
            let shares: Vec<_> = (1..=of).map(share).collect();
            for partition in 0..6 {
                assert_eq!(shares.iter().filter(|share| share.has(partition)).count(), 1);
            }
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "1", "/", "0/1", "1/0", "2/1", "+1/2", "1/ 2", "1/2/3", "01/2", "1/1000"] {
            assert_eq!(Share::parse(text, 128), Err(ProblemKind::InvalidParameter), "{text}");
        }
    }

    #[test]
    fn more_shares_than_partitions_are_refused() {
        assert_eq!(Share::parse("1/2", 1), Err(ProblemKind::TooManyShares));
        assert_eq!(Share::parse("1/1", 1), Ok(Share::WHOLE));
    }
}
