//! What a conformance test needs: an engine of each kind, a clock that only the test moves, and a
//! listener that records notifications.
//!
//! Tokens, `halfRef`s and connections have short names here: the engine gets the digest of the name
//! in place of a secret's.

mod backend;
mod merged;
mod notifications;
mod operations;
mod phones;
mod test_engine;

use std::time::Duration;

use engine::{ConnectionId, Digest};

pub use self::{
    backend::Backend,
    phones::{full_phone, heavy_phone, open_phone, open_phone_with, phone, phone_with, send_up_to},
    test_engine::TestEngine,
};

/// The smallest step of time.
pub const MOMENT: Duration = Duration::from_millis(1);

pub const SECOND: Duration = Duration::from_secs(1);

/// The default lifetime of an authorisation.
pub const AUTHORISATION: Duration = Duration::from_secs(30);

/// How long a spent, expired or revoked `halfRef` is remembered by default.
pub const MEMORY: Duration = Duration::from_mins(10);

/// The default lifetime of a token, and of a record without one.
pub const DAY: Duration = Duration::from_hours(24);

/// The lifetime that [`TestEngine::send`] gives a message.
pub const MESSAGE: Duration = Duration::from_hours(1);

/// The last moment before `time` has passed.
pub fn just_before(time: Duration) -> Duration {
    time.saturating_sub(MOMENT)
}

/// The partitions of an engine that has several.
pub const PARTITIONS: usize = 6;

/// The digest of the secret with this name.
pub fn secret(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The connection with this name.
pub fn connection(name: &str) -> ConnectionId {
    ConnectionId(name.into())
}

/// Declares a test and runs it on every engine: `module::name::memory`, `::journal`, `::redis` and
/// `::partitions`. A limit of all devices and events is divided among partitions: a test of one on several
/// devices says `in_one_partition`, and its last run has one alone.
///
/// ```ignore
/// conformance!(a_claimed_device_has_a_token, async |backend| {
///     let engine = TestEngine::new(backend).await;
///     engine.claim("phone", "token").await.unwrap();
///     assert_eq!(engine.check_token("token").await, Ok(()));
/// });
/// ```
macro_rules! conformance {
    ($name:ident, async |$backend:ident| $body:block) => {
        conformance!($name, crate::harness::PARTITIONS, async |$backend| $body);
    };
    ($name:ident, in_one_partition, async |$backend:ident| $body:block) => {
        conformance!($name, 1, async |$backend| $body);
    };
    ($name:ident, $partitions:expr, async |$backend:ident| $body:block) => {
        mod $name {
            use super::*;
            use crate::harness::Backend;

            async fn test($backend: Backend) $body

            #[tokio::test]
            async fn memory() {
                test(Backend::Memory).await;
            }

            #[tokio::test]
            async fn journal() {
                test(Backend::Journal).await;
            }

            #[tokio::test]
            #[ignore = "needs redis-server"]
            async fn redis() {
                test(Backend::Redis).await;
            }

            #[tokio::test]
            #[ignore = "needs redis-server"]
            async fn partitions() {
                test(Backend::Partitions($partitions)).await;
            }
        }
    };
}

pub(crate) use conformance;
