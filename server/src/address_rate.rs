//! Rates per client address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use engine::{Rate, RateState};

/// Addresses that are counted at a time. Beyond that, requests of further addresses are refused; an
/// address is dropped within half a second of its rate being whole again.
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
    networks: Limiter,
    /// By IPv6 network of 48 bits: what a customer can have at most, as a rule.
    sites: Limiter,
}

impl AddressRate {
    /// A rate of `per_second` requests a second; `u32::MAX` is no limit.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        if per_second == u32::MAX {
            return Self(None);
        }
        let networks = Limiter::new(per_second);
        let sites = Limiter::new(per_second.saturating_mul(SITE_FACTOR));
        Self(Some(Limiters { networks, sites }))
    }

    /// Counts one request of `address`.
    ///
    /// # Errors
    /// How long to wait, when the rate is used up.
    pub fn count(&self, address: IpAddr) -> Result<(), Duration> {
        let Some(limiters) = &self.0 else { return Ok(()) };
        limiters.networks.count(limited_address(address))?;
        match address.to_canonical() {
            IpAddr::V4(_) => Ok(()),
            IpAddr::V6(_) => limiters.sites.count(prefix(address, 48)),
        }
    }

    /// Drops the addresses whose rate is whole again.
    pub fn drop_idle(&self) {
        if let Some(limiters) = &self.0 {
            limiters.networks.drop_idle();
            limiters.sites.drop_idle();
        }
    }
}

/// One rate for each key.
struct Limiter {
    rate: Rate,
    started: Instant,
    states: Mutex<HashMap<IpAddr, RateState>>,
}

impl Limiter {
    fn new(per_second: u32) -> Self {
        let rate = Rate::per_second(per_second, Duration::from_secs(1));
        Self { rate, started: Instant::now(), states: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, RateState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the limiter was made.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn count(&self, network: IpAddr) -> Result<(), Duration> {
        let now = self.now();
        let mut states = self.lock();
        if states.len() >= MAX_ADDRESSES && !states.contains_key(&network) {
            return Err(Duration::from_secs(1));
        }
        states.entry(network).or_default().try_count(self.rate, now)
    }

    fn drop_idle(&self) {
        let now = self.now();
        let mut states = self.lock();
        states.retain(|_, state| !state.ahead(now).is_zero());
        // A flood does not keep its memory.
        if states.capacity() > 4 * states.len() {
            states.shrink_to_fit();
        }
    }
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
