//! Where the server is that an engine connects to. It can move, so the connector asks before each
//! attempt to connect.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use redis::ConnectionInfo;

use super::{connect_error::ConnectError, dialer::Dialer};

/// Finds the server. Its `Display` is what may be logged of it: no user, no password.
#[async_trait]
pub trait Locator: fmt::Display + Send + Sync {
    /// The address of the server, with user, password and database.
    ///
    /// # Errors
    /// Why it is not known where the server is.
    async fn locate(&self, dialer: &Dialer) -> Result<ConnectionInfo, ConnectError>;

    /// Whether the server is part of a Redis Cluster.
    fn is_cluster(&self) -> bool {
        false
    }

    /// Finds the server that holds a key, where keys lie on several servers.
    fn of_key(&self, _key: &str) -> Option<Arc<dyn Locator>> {
        None
    }
}

/// A server that stays where it is.
pub struct FixedAddress(pub ConnectionInfo);

#[async_trait]
impl Locator for FixedAddress {
    async fn locate(&self, _: &Dialer) -> Result<ConnectionInfo, ConnectError> {
        Ok(self.0.clone())
    }
}

impl fmt::Display for FixedAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.addr().fmt(formatter)
    }
}
