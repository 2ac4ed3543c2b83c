//! Secrets as the gateway keeps them: digests only, compared in constant time, never shown.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 of a secret. A stolen store of digests opens nothing, because the secrets are long
/// and random.
#[derive(Clone, Copy, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret as it was sent.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The digest itself, for a store to keep.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In constant time.
impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(..)")
    }
}

/// The length of a token: 48 random bytes, 384 bits, in unpadded base64url.
pub const TOKEN_LENGTH: usize = 64;

/// A new token. The caller hands it out and keeps its digest.
#[must_use]
pub fn new_token() -> String {
    random::<48>()
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

/// A new name for a connection or an epoch: not a secret, but never given twice.
#[must_use]
pub fn new_id() -> String {
    random::<16>()
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
    fn a_token_has_the_form_of_a_token_and_comes_once() {
        let (one, other) = (new_token(), new_token());
        assert!(is_token(one.as_bytes()));
        assert_ne!(one, other);
    }

    #[test]
    fn a_digest_does_not_show_itself() {
        assert_eq!(format!("{:?}", Digest::of(b"secret")), "Digest(..)");
    }
}
