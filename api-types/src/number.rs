//! Whole numbers in JSON, which some clients write with a fraction of zero.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// The highest number up to which a 64-bit float represents every whole number exactly: 2^53.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number that JSON may write as `60`, `60.0` or `6e1`: JSON Schema takes all of them
/// as `integer`.
///
/// # Errors
/// For a fraction, a negative number, one that `T` cannot hold, or a float above 2^53.
pub fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = u64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a whole number")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
            if number.fract() == 0.0 && (0.0..=MAX_EXACT_FLOAT).contains(&number) {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                return Ok(number as u64);
            }
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    let number = deserializer.deserialize_any(Whole)?;
    T::try_from(number).map_err(|_| D::Error::custom("the number is too high"))
}

/// Reads a whole number for a field that may be left out. `null` is not the same and is refused.
///
/// # Errors
/// As [`whole`].
pub fn optional_whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    whole(deserializer).map(Some)
}
