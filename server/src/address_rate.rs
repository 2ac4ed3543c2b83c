//! Rates per client address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

/// Addresses that are counted at a time. Beyond that, requests of further addresses are refused for
/// a second; an address is dropped as soon as its rate is whole again.
const MAX_ADDRESSES: usize = 100_000;

/// How many times the rate of one address an IPv6 site may have. A site has 65,536 networks, each
/// with a rate of its own, so without a bound it would have no limit.
const SITE_FACTOR: u32 = 8;

/// The network that counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is
/// the least that one customer has.
#[must_use]
pub fn limited_address(address: IpAddr) -> IpAddr {
    prefix(address, 64)
}

/// An IPv4 address as it is, or the first `bits` bits of an IPv6 address.
fn prefix(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6((u128::from(address) & (u128::MAX << (128 - bits))).into())
        }
    }
}

/// A rate for each client address, with a burst of one second's worth.
pub struct AddressRate(Option<Limiters>);

struct Limiters {
    /// By [`limited_address`].
    networks: DefaultKeyedRateLimiter<IpAddr>,
    /// By IPv6 network of 48 bits: what a customer can have at most, as a rule.
    sites: DefaultKeyedRateLimiter<IpAddr>,
}

impl AddressRate {
    /// A rate of `per_second` requests a second; `u32::MAX` is no limit.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        if per_second == u32::MAX {
            return Self(None);
        }
        let limiter = |per_second| {
            let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_second(per_second))
        };
        let sites = limiter(per_second.saturating_mul(SITE_FACTOR));
        Self(Some(Limiters { networks: limiter(per_second), sites }))
    }

    /// Counts one request of `address`.
    ///
    /// # Errors
    /// How long to wait, when the rate is used up.
    pub fn count(&self, address: IpAddr) -> Result<(), Duration> {
        let Some(limiters) = &self.0 else { return Ok(()) };
        count(&limiters.networks, limited_address(address))?;
        match address.to_canonical() {
            IpAddr::V4(_) => Ok(()),
            IpAddr::V6(_) => count(&limiters.sites, prefix(address, 48)),
        }
    }

    /// Drops the addresses whose rate is whole again.
    pub fn drop_idle(&self) {
        if let Some(limiters) = &self.0 {
            limiters.networks.retain_recent();
            limiters.sites.retain_recent();
        }
    }
}

fn count(limiter: &DefaultKeyedRateLimiter<IpAddr>, network: IpAddr) -> Result<(), Duration> {
    if limiter.len() >= MAX_ADDRESSES {
        limiter.retain_recent();
        if limiter.len() >= MAX_ADDRESSES {
            return Err(Duration::from_secs(1));
        }
    }
    limiter.check_key(&network).map_err(|until| until.wait_time_from(limiter.clock().now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_site_does_not_multiply_the_rate_by_its_networks() {
        let rate = AddressRate::new(2);
        let accepted = |site: &str| {
            let address = |n: u32| format!("{site}:{n:x}::1").parse().unwrap();
            (0..1000).filter(|n| rate.count(address(*n)).is_ok()).count()
        };
        assert_eq!(accepted("2001:db8:1"), 2 * SITE_FACTOR as usize);
        assert_eq!(accepted("2001:db8:2"), 2 * SITE_FACTOR as usize);
    }

    #[test]
    fn the_largest_rate_is_no_limit() {
        let rate = AddressRate::new(u32::MAX);
        assert!((0..10_000).all(|_| rate.count("192.0.2.1".parse().unwrap()).is_ok()));
    }

    #[test]
    fn neighbours_in_an_ipv6_network_share_a_limit() {
        let address = |text: &str| limited_address(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff"));
        assert_ne!(address("2001:db8:0:1::1"), address("2001:db8::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
