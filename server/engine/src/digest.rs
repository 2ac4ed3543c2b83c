//! Digests of secrets: an engine stores no token, `halfRef` or idempotency key itself.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 of a secret. A stolen store of digests opens nothing, because the secrets are long and
/// random. `==` is for looking one up; a secret that is compared with a known one is to use
/// [`Digest::matches`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret as it was sent.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether both are the same, found out in constant time: the duration says nothing of the secret.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Hashes a part, which is as random as the whole.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (parts, _) = self.0.as_chunks();
        state.write_u64(u64::from_ne_bytes(parts[0]));
    }
}

/// Hides the digest, so that logs have none.
impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_digest() {
        assert_eq!(format!("{:?}", Digest::of(b"secret")), "Digest(..)");
    }
}
