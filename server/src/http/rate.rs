//! Rates per address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use super::client_address::limited_address;

/// Addresses that are counted at a time. Past that, strangers wait until some are forgotten.
const ADDRESSES: usize = 100_000;

/// So many a second for each address, with a burst of one second's worth.
pub struct AddressRate(DefaultKeyedRateLimiter<IpAddr>);

impl AddressRate {
    /// A rate of `per_second`.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::keyed(Quota::per_second(per_second)))
    }

    /// Counts one request.
    ///
    /// # Errors
    /// How long to wait, when the rate is used up.
    pub fn count(&self, address: IpAddr) -> Result<(), Duration> {
        if self.0.len() >= ADDRESSES {
            self.forget_the_quiet();
            if self.0.len() >= ADDRESSES {
                return Err(Duration::from_secs(1));
            }
        }
        self.0
            .check_key(&limited_address(address))
            .map_err(|until| until.wait_time_from(self.0.clock().now()))
    }

    /// Forgets the addresses whose rate is whole again.
    pub fn forget_the_quiet(&self) {
        self.0.retain_recent();
    }
}
