//! Times at which clients return that are refused or closed together: each gets another one, so that they
//! do not return together.

use std::ops::RangeInclusive;

/// A number of this range at random; its least where the operating system has no random numbers.
#[must_use]
pub fn spread(range: RangeInclusive<u64>) -> u64 {
    let (least, most) = range.into_inner();
    least + getrandom::u64().unwrap_or_default() % (most - least + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_range_comes_and_no_other() {
        let mut found: Vec<u64> = (0..1000).map(|_| spread(10..=13)).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [10, 11, 12, 13]);
        assert_eq!(spread(0..=0), 0);
    }
}
