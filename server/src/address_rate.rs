//! Rates per client address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

/// Addresses that are counted at a time. Beyond that, requests of further addresses are refused for
/// a second; an address is dropped as soon as its rate is whole again.
const MAX_ADDRESSES: usize = 100_000;

/// The network that counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is
/// what one customer has.
#[must_use]
pub fn limited_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

/// A rate for each client address, with a burst of one second's worth.
pub struct AddressRate(DefaultKeyedRateLimiter<IpAddr>);

impl AddressRate {
    /// A rate of `per_second` requests a second.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::keyed(Quota::per_second(per_second)))
    }

    /// Counts one request of `address`.
    ///
    /// # Errors
    /// How long to wait, when the rate is used up.
    pub fn count(&self, address: IpAddr) -> Result<(), Duration> {
        if self.0.len() >= MAX_ADDRESSES {
            self.drop_idle();
            if self.0.len() >= MAX_ADDRESSES {
                return Err(Duration::from_secs(1));
            }
        }
        self.0
            .check_key(&limited_address(address))
            .map_err(|until| until.wait_time_from(self.0.clock().now()))
    }

    /// Drops the addresses whose rate is whole again.
    pub fn drop_idle(&self) {
        self.0.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_an_ipv6_network_share_a_limit() {
        let address = |text: &str| limited_address(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff"));
        assert_ne!(address("2001:db8:0:1::1"), address("2001:db8::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
