//! Random identifiers of connections, epochs and event streams: unique, not secret.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

/// Characters of an identifier.
pub const ID_LENGTH: usize = 22;

/// A new identifier: 128 random bits in unpadded base64url, 22 characters.
///
/// # Panics
/// When the operating system has no random numbers.
#[must_use]
pub fn new_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
