//! Why the gateway refuses its settings.

use std::{io, path::PathBuf};

use engine::redis::{InvalidRedisUrl, TlsFileError};

use crate::secret::{MAX_OPERATOR_KEYS, MIN_OPERATOR_KEY_LENGTH};

/// A mistake in the settings. Each message names the setting to change; none repeats a key or the
/// URL of Redis, which are secrets.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file of `--operator-key-file` cannot be read.
    #[error(
        "The operator key file {} cannot be read: {source}; give --operator-key-file a text file that \
         the gateway's user may read.",
        file.display()
    )]
    KeyFileUnreadable {
        /// The file.
        file: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The file of `--operator-key-file` has no key.
    #[error(
        "The operator key file {} holds no key: write one or two into it, a line each (openssl rand \
         -hex 32 makes one).",
        .0.display()
    )]
    KeyFileEmpty(PathBuf),
    /// Flags, variable and file together have too many keys.
    #[error(
        "There are {0} operator keys in flags, environment and file together; remove some, at most \
         {MAX_OPERATOR_KEYS} can be given."
    )]
    TooManyKeys(usize),
    /// A key is too short, or has characters that no header can carry.
    #[error(
        "An operator key must have at least {MIN_OPERATOR_KEY_LENGTH} visible ASCII characters, and \
         no comma: openssl rand -hex 32 makes one."
    )]
    KeyMalformed,
    /// There is no key, and the gateway is no trial.
    #[error(
        "An operator key is needed: give --operator-key-file or CONNECTSOCKET_OPERATOR_KEY. Only a \
         trial, on a loopback address and with no --public-url and no --redis-url, does without."
    )]
    KeyMissing,
    /// A gateway could be declared dead while it waits for one answer of Redis.
    #[error(
        "--redis-lease must be at least twice --redis-timeout: raise the one or lower the other."
    )]
    RedisLeaseTooShort,
    /// One device with a full outbox would not fit into the event stream.
    #[error(
        "--event-bytes must be at least {0}, with this --outbox-messages and --inbound-frame-bytes."
    )]
    EventBytesTooFew(usize),
    /// `--redis-url` is not a URL of a Redis.
    #[error("--redis-url is {0}.")]
    RedisUrl(#[from] InvalidRedisUrl),
    /// There are files for TLS, and a URL without.
    #[error(
        "--redis-ca, --redis-cert and --redis-key are for a --redis-url with TLS, which begins with \
         rediss:// or rediss+sentinel://."
    )]
    RedisWithoutTls,
    /// A file for TLS cannot be used.
    #[error("{0}; see --redis-ca, --redis-cert and --redis-key.")]
    RedisTlsFile(#[from] TlsFileError),
    /// A single word that is no level would count as the name of a module, and nothing would be
    /// logged.
    #[error("--log {0:?} is no level: off, error, warn, info, debug or trace.")]
    LogLevel(String),
    /// `--log` is not a filter.
    #[error("--log {filter:?} is no filter: {source}; write directives such as info,server=debug.")]
    LogFilter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Variables have the prefix of the settings and belong to none.
    #[error("No setting is called {}; correct or remove the variable, --help lists all.", .0.join(", "))]
    UnknownVariables(Vec<String>),
}
