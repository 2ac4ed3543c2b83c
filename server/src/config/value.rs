//! How the values of settings are read.

use std::{
    net::{AddrParseError, IpAddr, SocketAddr},
    num::{NonZeroUsize, ParseIntError},
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;

use crate::origin;

/// Why a value is refused, as clap shows it behind the flag and the value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The text is not a time.
    #[error("{0}; write a time such as 30s, 10m or 24h")]
    Time(#[from] humantime::DurationError),
    /// The time is out of range.
    #[error("a time lies between 1ms and 10 years")]
    TimeOutOfRange,
    /// The number is out of range, or none. The last part says what bounds it.
    #[error("must be a number from {0} to {1}{2}")]
    Number(u64, u64, &'static str),
    /// The text is not a rate.
    #[error(
        "must be a number from 1 to 1000000, because rates are counted in microseconds, or off"
    )]
    Rate,
    /// The text is not an origin.
    #[error("write an origin such as https://www.example.com, with no path")]
    Origin,
    /// The text is not the root URL of a gateway.
    #[error("write a URL such as https://gateway.example.com, with no path")]
    Url,
    /// The text is not an address with a port.
    #[error("{0}; write an address and a port such as 127.0.0.1:8080 or [::1]:8080")]
    Address(#[from] AddrParseError),
    /// The prefix would take the place of a partition's tag.
    #[error(
        "write a prefix without {{ and }}: a Redis Cluster finds the slot of a key by its part in braces, \
         which is the partition's"
    )]
    RedisPrefix,
    /// The text is not a network.
    #[error("write a network such as 10.0.0.0/8, or one address")]
    Network,
}

/// The rate that is no limit: the time between two events is below its resolution.
pub const UNLIMITED_RATE: u32 = u32::MAX;

/// The most worker threads that actix runs.
pub const MAX_WORKERS: u32 = 512;

/// The most partitions.
pub const MAX_PARTITIONS: u16 = 128;

/// The longest time of a setting.
const MAX_TIME: Duration = Duration::from_hours(10 * 366 * 24);

/// A time from 1 ms to 10 years, such as `30s`.
pub fn time(text: &str) -> Result<Duration, ValueError> {
    let time = humantime::parse_duration(text)?;
    if (Duration::from_millis(1)..=MAX_TIME).contains(&time) {
        Ok(time)
    } else {
        Err(ValueError::TimeOutOfRange)
    }
}

/// A time as [`time`] reads it, in its largest whole unit.
pub fn time_text(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if time.subsec_millis() > 0 => format!("{}ms", time.as_millis()),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

fn number<T>(text: &str, range: RangeInclusive<T>, bound: &'static str) -> Result<T, ValueError>
where
    T: FromStr<Err = ParseIntError> + PartialOrd + Copy + Into<u64>,
{
    text.parse().ok().filter(|number| range.contains(number)).ok_or(ValueError::Number(
        (*range.start()).into(),
        (*range.end()).into(),
        bound,
    ))
}

/// A count of at least one.
pub fn count(text: &str) -> Result<u32, ValueError> {
    number(text, 1..=u32::MAX, ", which is the largest of 32 bits")
}

/// A number of worker threads.
pub fn workers(text: &str) -> Result<u32, ValueError> {
    number(text, 1..=MAX_WORKERS, ", and more than one for each core gains nothing")
}

/// What the keys in Redis begin with.
pub fn redis_prefix(text: &str) -> Result<String, ValueError> {
    if text.contains(['{', '}']) { Err(ValueError::RedisPrefix) } else { Ok(text.to_owned()) }
}

/// A number of partitions.
pub fn partitions(text: &str) -> Result<NonZeroUsize, ValueError> {
    let bound = ": the id of an event has a place in each partition";
    let partitions = number(text, 1..=MAX_PARTITIONS, bound)?;
    Ok(NonZeroUsize::new(partitions.into()).unwrap_or(NonZeroUsize::MIN))
}

/// A number a second, up to the million that the microseconds of a rate can count; or `off`.
pub fn rate(text: &str) -> Result<u32, ValueError> {
    match text {
        "off" => Ok(UNLIMITED_RATE),
        _ => number(text, 1..=1_000_000, "").map_err(|_| ValueError::Rate),
    }
}

/// Bytes of one frame or body. Redis stores values of at most 512 MiB, `SQLite` of 1 GB; half leaves
/// room for what is stored with it.
pub fn size(text: &str) -> Result<u32, ValueError> {
    let bound = ": a larger one cannot be stored as one value";
    number(text, 1..=256 * 1024 * 1024, bound)
}

/// Bytes of storage.
pub fn storage(text: &str) -> Result<u64, ValueError> {
    storage_from(1, text)
}

/// Bytes of storage of which one device gets a hundredth.
pub fn shared_storage(text: &str) -> Result<u64, ValueError> {
    storage_from(100, text)
}

/// Lua in Redis counts in floating point, which is exact up to 2^53.
fn storage_from(least: u64, text: &str) -> Result<u64, ValueError> {
    number(text, least..=1 << 53, ", which is as far as Redis counts exactly")
}

/// Bytes as this machine counts them, which may hold fewer.
pub fn bytes(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// An address to listen on. `localhost` is IPv4's.
pub fn address(text: &str) -> Result<SocketAddr, ValueError> {
    let port = text.strip_prefix("localhost:");
    Ok(port.map_or_else(|| text.parse(), |port| format!("127.0.0.1:{port}").parse())?)
}

/// A network such as `10.0.0.0/8`; an address alone is a network of one.
pub fn network(text: &str) -> Result<IpNet, ValueError> {
    let text = text.trim();
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| ValueError::Network)
}

/// An origin: see [`origin::is_valid`].
pub fn origin(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    if origin::is_valid(text) { Ok(text.to_owned()) } else { Err(ValueError::Origin) }
}

/// The origin of a gateway's public URL. The gateway serves from the root, so the URL has no path.
pub fn origin_of_url(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    let text = text.strip_suffix('/').unwrap_or(text);
    if origin::is_of_page(text) { Ok(text.to_owned()) } else { Err(ValueError::Url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_be_off() {
        assert_eq!(rate("1000000").unwrap(), 1_000_000);
        assert_eq!(rate("off").unwrap(), UNLIMITED_RATE);
        for wrong in ["0", "1000001", "on", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_has_no_ceiling_but_one_that_is_explained() {
        assert_eq!(count("4294967295").unwrap(), u32::MAX);
        assert_eq!(size("268435456").unwrap(), 1 << 28);
        assert_eq!(storage("9007199254740992").unwrap(), 1 << 53);
        let refusals = [
            count("4294967296").unwrap_err().to_string(),
            size("268435457").unwrap_err().to_string(),
            storage("9007199254740993").unwrap_err().to_string(),
            shared_storage("99").unwrap_err().to_string(),
            rate("1000001").unwrap_err().to_string(),
        ];
        assert_eq!(
            refusals,
            [
                "must be a number from 1 to 4294967295, which is the largest of 32 bits",
                "must be a number from 1 to 268435456: a larger one cannot be stored as one value",
                "must be a number from 1 to 9007199254740992, which is as far as Redis counts exactly",
                "must be a number from 100 to 9007199254740992, which is as far as Redis counts exactly",
                "must be a number from 1 to 1000000, because rates are counted in microseconds, or off",
            ]
        );
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in ["24h", "10m", "30s", "90s", "1500ms"] {
            assert_eq!(time_text(time(text).unwrap()), text);
        }
    }

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        assert_eq!(network(" 10.0.0.1 ").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
    }

    #[test]
    fn localhost_is_a_loopback_address() {
        assert_eq!(address("localhost:8080").unwrap(), "127.0.0.1:8080".parse().unwrap());
        assert!(address("localhost").is_err());
    }
}
