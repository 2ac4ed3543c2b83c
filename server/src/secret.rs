//! Secrets: tokens and operator keys, their form and how they are made.

use api_types::token::TOKEN_LENGTH;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use engine::Home;

/// A new token for a device that lives there, in base64url: the home of its device, and 366 random bits.
/// Only its digest is stored.
#[must_use]
pub fn new_token(home: Home) -> String {
    let home = home.characters().map(char::from);
    home.into_iter().chain(random::<48>().chars().skip(Home::LENGTH)).collect()
}

/// Whether `text` has the form of a token.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    text.len() == TOKEN_LENGTH
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A new operator key, for a trial.
#[must_use]
pub fn new_operator_key() -> String {
    random::<32>()
}

/// The shortest operator key, in characters.
pub const MIN_OPERATOR_KEY_LENGTH: usize = 32;

/// Two keys at a time, so that one can be rotated.
pub const MAX_OPERATOR_KEYS: usize = 2;

/// Whether `text` may serve as an operator key: long enough, and nothing that a header cannot carry.
#[must_use]
pub fn is_operator_key(text: &str) -> bool {
    text.len() >= MIN_OPERATOR_KEY_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn random<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tokens_are_well_formed_and_unique() {
        let home = Home::of_device("phone");
        let (one, other) = (new_token(home), new_token(home));
        assert!(is_token(one.as_bytes()));
        assert_ne!(one, other);
        assert_eq!(Home::of_token(one.as_bytes()), home);
    }
}
