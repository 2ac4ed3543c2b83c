//! Rates per client address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use engine::{Micros, Rate, RateState};

/// Addresses that are counted at a time. Beyond that, requests of further addresses are refused; an
/// address is dropped within half a second of its rate being whole again.
const MAX_ADDRESSES: usize = 100_000;

/// The longest wait of a client whose address is over its rate.
const LONGEST_TURN: Duration = Duration::from_mins(2);

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
    /// The same rate, for the turns of what is refused.
    turns: Rate,
    started: Instant,
    states: Mutex<HashMap<IpAddr, Counted>>,
}

/// How much of its rate an address has used.
#[derive(Default)]
struct Counted {
    accepted: RateState,
    /// What was refused, each with a turn of its own.
    refused: RateState,
}

impl Limiter {
    fn new(per_second: u32) -> Self {
        let rate = Rate::per_second(per_second, Duration::from_secs(1));
        let turns = Rate::per_second(per_second, LONGEST_TURN);
        Self { rate, turns, started: Instant::now(), states: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Counted>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the limiter was made.
    fn now(&self) -> Micros {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn count(&self, network: IpAddr) -> Result<(), Duration> {
        self.count_at(network, self.now())
    }

    fn count_at(&self, network: IpAddr, now: Micros) -> Result<(), Duration> {
        let mut states = self.lock();
        if states.len() >= MAX_ADDRESSES && !states.contains_key(&network) {
            return Err(Duration::from_secs(1));
        }
        let counted = states.entry(network).or_default();
        counted.accepted.try_count(self.rate, now).map_err(|wait| {
            // Many clients may share the address. With the same wait they would all return at once,
            // most of them in vain. Past the longest turn there is no other to give.
            let _ = counted.refused.try_count(self.turns, now);
            wait.max(counted.refused.ahead(now))
        })
    }

    fn drop_idle(&self) {
        let now = self.now();
        let mut states = self.lock();
        let is_idle = |state: RateState| state.ahead(now).is_zero();
        states.retain(|_, counted| !is_idle(counted.accepted) || !is_idle(counted.refused));
        // A flood does not keep its memory.
        if states.capacity() > 4 * states.len() {
            states.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
    fn a_thousand_clients_of_one_address_return_by_turns() {
        let limiter = Limiter::new(10);
        let address = IpAddr::from([192, 0, 2, 1]);
        // How many call in each second, as `Retry-After` told them.
        let mut calls = BTreeMap::from([(0, 1000)]);
        let (mut accepted, mut attempts) = (0, 0);
        while let Some((second, clients)) = calls.pop_first() {
            assert!(second == 0 || clients <= 20, "{clients} at {second}");
            for _ in 0..clients {
                attempts += 1;
                match limiter.count_at(address, second * 1_000_000) {
                    Ok(()) => accepted += 1,
                    Err(wait) => {
                        let wait = Micros::try_from(wait.as_micros()).expect("short");
                        *calls.entry(second + wait.div_ceil(1_000_000)).or_default() += 1;
                    }
                }
            }
        }
        assert_eq!(accepted, 1000);
        assert!(attempts <= 2000, "{attempts}");
    }

    #[test]
    fn a_flood_does_not_put_off_the_others_of_its_address_for_long() {
        let limiter = Limiter::new(10);
        let address = IpAddr::from([192, 0, 2, 1]);
        let longest = (0..100_000).filter_map(|_| limiter.count_at(address, 0).err()).max();
        assert_eq!(longest, Some(LONGEST_TURN));
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
