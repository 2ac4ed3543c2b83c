//! Where a device lives: what decides the partition that holds it.

use sha2::{Digest as _, Sha256};

use crate::Digest;

/// The characters of unpadded base64url, which a token consists of.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 18 bits of a digest: of the name of a device, or of a `halfRef`. A token begins with the home of its
/// device, so that the partition of a token is known without its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home(u32);

impl Home {
    /// The characters of a token that are its home.
    pub const LENGTH: usize = 3;

    /// The home of the device with this name.
    #[must_use]
    pub fn of_device(device: &str) -> Self {
        let digest = Sha256::digest(device.as_bytes());
        Self::from_bytes([digest[0], digest[1], digest[2]])
    }

    /// The home that the bytes of a digest make.
    #[must_use]
    pub(crate) fn of_digest(digest: &Digest) -> Self {
        let [first, second, third, ..] = *digest.bytes();
        Self::from_bytes([first, second, third])
    }

    fn from_bytes([first, second, third]: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, first, second, third]) >> 6)
    }

    /// The home that a token begins with. Every text has one; of a text that is no token of this
    /// gateway it means nothing.
    ///
    /// # Example
    /// ```
    /// use engine::Home;
    ///
    /// let home = Home::of_device("phone");
    /// let token = [&home.characters()[..], b"and-61-random-characters"].concat();
    /// assert_eq!(Home::of_token(&token), home);
    /// ```
    #[must_use]
    pub fn of_token(token: &[u8]) -> Self {
        let places = token.iter().take(Self::LENGTH).map(|character| {
            let place = ALPHABET.iter().position(|known| known == character);
            place.and_then(|place| u32::try_from(place).ok()).unwrap_or(0)
        });
        Self(places.fold(0, |home, place| home << 6 | place))
    }

    /// The home as the first characters of a token.
    #[must_use]
    pub fn characters(self) -> [u8; Self::LENGTH] {
        [12, 6, 0].map(|shift| ALPHABET[(self.0 >> shift & 63) as usize])
    }

    /// The partition among so many.
    #[must_use]
    pub const fn partition(self, partitions: usize) -> usize {
        self.0 as usize % partitions
    }
}

/// A token as an engine knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenId {
    /// Its digest.
    pub digest: Digest,
    /// The home of its device.
    pub home: Home,
}

impl TokenId {
    /// The token with this text.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self { digest: Digest::of(token), home: Home::of_token(token) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_device_never_changes() {
        // Data is stored by it.
        let partitions = ["phone", "tablet", "a"].map(|it| Home::of_device(it).partition(64));
        assert_eq!(partitions, [26, 54, 30]);
    }

    #[test]
    fn devices_are_spread_over_all_partitions() {
        let mut counts = [0_u32; 64];
        for number in 0..64_000 {
            counts[Home::of_device(&format!("phone-{number}")).partition(64)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_token_without_a_home_has_some_partition() {
        for token in [&b""[..], b"a", b"\xff\xff\xff", b"___"] {
            assert!(Home::of_token(token).partition(7) < 7);
        }
    }
}
