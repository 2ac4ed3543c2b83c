//! Why a connection to Redis cannot be made or used, in words for the log.

use std::borrow::Cow;

use redis::{ErrorKind, RedisError};
use thiserror::Error;

use super::{protocol::FORMAT, server_info::Unfit, tls::TlsFileError, tls_error::tls_cause};
use crate::Millis;

/// Why the gateway has no connection to Redis.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Connecting, or a command after it, failed.
    #[error("{}", connect_cause(.0))]
    Redis(#[from] RedisError),
    /// Connecting with TLS failed.
    #[error("{}", tls_cause(.0).unwrap_or_else(|| cause(.0)))]
    Tls(RedisError),
    /// A file for TLS cannot be used.
    #[error(transparent)]
    TlsFile(#[from] TlsFileError),
    /// It is not known where the server is.
    #[error(transparent)]
    Sentinels(#[from] SentinelError),
    /// The server that was found cannot be used.
    #[error("{address}: {why}")]
    Found {
        /// Where it is.
        address: String,
        /// Why.
        why: Box<ConnectError>,
    },
    /// The server cannot serve a gateway.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The data has another number of partitions.
    #[error(
        "the data in Redis was made with {stored} partitions, and the gateway was started with {given}: \
         give --redis-partitions {stored}, or start empty under another --redis-prefix; the number never \
         changes"
    )]
    OtherPartitions {
        /// The number that was written down with the data.
        stored: usize,
        /// The number that the gateway was started with.
        given: usize,
    },
    /// Another version has made the data, and stores it in another way.
    #[error(
        "the data in Redis has format {stored}, and this version reads format {FORMAT} alone: use the version that \
         made it, or start empty under another --redis-prefix"
    )]
    OtherFormat {
        /// The format that was written down with the data.
        stored: u64,
    },
    /// The partition has no data, and no other partition has shown yet how many there are.
    #[error("the partition has no data yet, and begins when the first partition can be reached")]
    Unmade,
    /// The node has no slot map, because it is a single server.
    #[error(
        "the server is not part of a Redis Cluster: write redis:// in place of redis-cluster://"
    )]
    NoCluster,
    /// No node says who holds the slot.
    #[error(
        "the Redis Cluster has given the slot of the partition to no node: redis-cli --cluster fix"
    )]
    SlotUnassigned,
    /// An answer did not come in time.
    #[error("{}", NO_ANSWER)]
    TimedOut,
    /// A call failed; its cause was logged with it.
    #[error("the connection failed while it was set up")]
    Failed,
}

/// Why the sentinels do not lead to the primary.
#[derive(Debug, Error)]
pub enum SentinelError {
    /// None of them answers, or none knows the service.
    #[error("no sentinel names the primary: {}", list(.0))]
    NoAnswer(Vec<(String, SentinelFailure)>),
}

/// Why one sentinel does not name the primary.
#[derive(Debug, Error)]
pub enum SentinelFailure {
    /// It cannot be asked.
    #[error(transparent)]
    Unreachable(Box<ConnectError>),
    /// It wants to know who asks.
    #[error(
        "{0}: it refuses who asks; sentinels have users and passwords of their own: end the URL with \
         ?sentinel_password=…, or with ?sentinel_user=…&sentinel_password=…"
    )]
    Refused(String),
    /// It watches other services.
    #[error(
        "it knows no service {0:?}; write the name that stands behind `sentinel monitor` in its \
         configuration after the hosts of the URL"
    )]
    UnknownService(String),
    /// It is a Redis.
    #[error("it is no sentinel; the port of a sentinel is usually 26379")]
    NoSentinel,
}

fn list(failures: &[(String, SentinelFailure)]) -> String {
    let lines = failures.iter().map(|(sentinel, failure)| format!("{sentinel}: {failure}"));
    lines.collect::<Vec<_>>().join("; ")
}

impl From<ConnectError> for SentinelFailure {
    fn from(error: ConnectError) -> Self {
        match &error {
            ConnectError::Redis(error) | ConnectError::Tls(error) => match error.code() {
                Some(code @ ("NOAUTH" | "WRONGPASS" | "NOPERM")) => {
                    return Self::Refused(code.to_owned());
                }
                _ if error.kind() == ErrorKind::AuthenticationFailed => {
                    return Self::Refused("WRONGPASS".to_owned());
                }
                _ if lacks_command(error) => return Self::NoSentinel,
                _ => {}
            },
            _ => {}
        }
        Self::Unreachable(Box::new(error))
    }
}

impl From<RedisError> for SentinelFailure {
    fn from(error: RedisError) -> Self {
        ConnectError::from(error).into()
    }
}

impl ConnectError {
    /// Why a gateway with so many partitions may not join.
    pub(super) fn of_join(error: RedisError, given: usize) -> Self {
        let detail = error.detail().unwrap_or_default();
        match (error.code(), detail.parse(), detail.parse()) {
            (Some("PARTITIONS"), Ok(stored), _) => Self::OtherPartitions { stored, given },
            (Some("FORMAT"), _, Ok(stored)) => Self::OtherFormat { stored },
            (Some("UNMADE"), ..) => Self::Unmade,
            _ => Self::Redis(error),
        }
    }
}

const NO_ANSWER: &str =
    "Redis does not answer in time: check the address, the network and its load";

/// The cause of an error while connecting, and what to do about it.
fn connect_cause(error: &RedisError) -> Cow<'static, str> {
    if error.code().is_none() && error.is_connection_dropped() && !error.is_connection_refusal() {
        "the server closed the connection at once, as one does that expects TLS: write the URL with \
         rediss instead of redis, or lead it to a port without TLS"
            .into()
    } else {
        cause(error)
    }
}

/// The cause of an error, and what to do about it where that is known. It never has the server's own
/// sentence, which can repeat what it was sent.
pub fn cause(error: &RedisError) -> Cow<'static, str> {
    match error.code() {
        Some("NOAUTH") => {
            "NOAUTH: Redis requires a password; write redis://:password@host or \
             redis://user:password@host"
                .into()
        }
        Some("WRONGPASS") => {
            "WRONGPASS: Redis refuses the user or password of the URL; special characters in them \
             have to be percent-encoded"
                .into()
        }
        Some("NOPERM") => {
            "NOPERM: the user lacks a right that the gateway needs; docs/redis.md lists them".into()
        }
        Some("DENIED") => {
            "DENIED: Redis is in protected mode, where it serves its own machine alone".into()
        }
        Some("READONLY") => "READONLY: Redis is a replica; the URL has to lead to the primary".into(),
        Some("OOM") => "OOM: Redis has reached its maxmemory; raise it".into(),
        Some("MISCONF") => "MISCONF: Redis cannot write to its disk; its own log says why".into(),
        Some("NOREPLICAS") => {
            "NOREPLICAS: Redis has fewer replicas than its min-replicas-to-write demands".into()
        }
        Some("LOADING") => "LOADING: Redis is loading its data; it serves when that is done".into(),
        Some("MOVED") => "MOVED: another node of the Redis Cluster holds the partition".into(),
        Some("ASK" | "TRYAGAIN") => "the partition is moving to another node of the Redis Cluster".into(),
        Some("CLUSTERDOWN") => {
            "CLUSTERDOWN: the node has lost the Redis Cluster, or no node holds the slot".into()
        }
        Some("BUSY") => "BUSY: another function occupies Redis".into(),
        Some("ERR") if lacks_command(error) => {
            "the server has no functions: use Redis 7 or newer, where FUNCTION and FCALL are neither \
             renamed nor disabled"
                .into()
        }
        Some("LATE") => "a call came to Redis after its time".into(),
        Some("GATEWAY") => "Redis asks the gateway to join again".into(),
        Some(code) if code.len() <= 20 && code.bytes().all(|it| it.is_ascii_uppercase()) => {
            format!("{code}: Redis refuses a command").into()
        }
        Some(_) => "Redis refuses a command".into(),
        None => match error.kind() {
            ErrorKind::Io if error.is_timeout() => NO_ANSWER.into(),
            ErrorKind::Io if error.is_connection_refusal() => {
                "Connection refused: no server listens at this address".into()
            }
            // The system's words, such as "failed to lookup address information".
            ErrorKind::Io => error.to_string().into(),
            ErrorKind::Parse => "the server does not speak the protocol of Redis".into(),
            ErrorKind::RESP3NotSupported => "the server is older than Redis 6: use version 7 or newer".into(),
            _ => error.category().to_owned().into(),
        },
    }
}

/// Whether the server does not know a command.
pub fn lacks_command(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("unknown command"))
}

/// Redis's time, where it refused a call that came too late.
pub fn late(error: &RedisError) -> Option<Millis> {
    (error.code() == Some("LATE")).then(|| error.detail()?.parse().ok()).flatten()
}

/// Whether Redis refused a call before it did anything, for a cause that can pass: the connection is
/// good.
pub fn refused_for_now(error: &RedisError) -> bool {
    matches!(
        error.code(),
        Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY" | "LATE" | "ASK" | "TRYAGAIN")
    )
}

/// Whether Redis refused a call before it did anything. Any other error may have come after a change.
pub fn changed_nothing(error: &RedisError) -> bool {
    let code = error.code();
    let no_function = error.detail().is_some_and(|detail| detail.contains("Function not found"));
    refused_for_now(error)
        || no_function
        || matches!(code, Some("READONLY" | "LOADING" | "MASTERDOWN" | "NOAUTH" | "GATEWAY"))
        || matches!(code, Some("MOVED" | "CLUSTERDOWN"))
}
