//! Every setting, once: its flag, its environment variable, its default and its line of help.

use std::{
    env, fs,
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use actix_web::http::Uri;
use clap::{CommandFactory, Parser, ValueEnum};
use ipnet::IpNet;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use engine::{
    Limits,
    redis::{self, RedisOptions},
};

use crate::secret;

/// What the environment variables begin with.
pub const ENV_PREFIX: &str = "CONNECTSOCKET_";

/// The shortest operator key.
const OPERATOR_KEY_LENGTH: usize = 32;

/// Two keys at a time, so that one can be rotated.
const OPERATOR_KEYS: usize = 2;

/// The gateway behind POST /prospect/connectsocket: authorises websockets for prospects and
/// carries their conversation.
///
/// Started with no operator key, no public URL and no Redis, on a loopback address, it is a trial:
/// it makes its own operator key, shows it once and opens the test channel.
#[derive(Clone, Parser)]
#[command(version)]
pub struct Config {
    /// The address and port to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "CONNECTSOCKET_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,

    /// The URL under which browsers reach the gateway; its origin may open sockets.
    #[arg(long, env = "CONNECTSOCKET_PUBLIC_URL", value_name = "URL", value_parser = origin_of_url)]
    pub public_url: Option<String>,

    /// An origin whose pages may call the gateway and open sockets; can be given again and again,
    /// in the environment with commas between.
    #[arg(
        long = "allowed-origin",
        env = "CONNECTSOCKET_ALLOWED_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = origin
    )]
    pub allowed_origins: Vec<String>,

    /// A key of the operator's, at least 32 characters; can be given twice, to rotate. Other users
    /// of the machine can see flags: prefer the file or the environment.
    #[arg(
        long = "operator-key",
        env = "CONNECTSOCKET_OPERATOR_KEY",
        value_name = "KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub operator_keys: Vec<String>,

    /// A file with one or two operator keys, a line each.
    #[arg(long, env = "CONNECTSOCKET_OPERATOR_KEY_FILE", value_name = "FILE")]
    pub operator_key_file: Option<PathBuf>,

    /// The folder of the journal, which has the gateway go on after a restart where it was; without
    /// one a restart forgets everything.
    #[arg(long, env = "CONNECTSOCKET_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// What an answered request survives, given a journal.
    #[arg(
        long,
        env = "CONNECTSOCKET_DURABILITY",
        value_name = "WHAT",
        default_value = "process",
        requires = "data_dir"
    )]
    pub durability: Durability,

    /// The Redis that many gateways share, such as `redis://user:password@host:6379/0`; it keeps
    /// all that they know. Other users of the machine can see flags: prefer the environment.
    #[arg(
        long,
        env = "CONNECTSOCKET_REDIS_URL",
        value_name = "URL",
        hide_env_values = true,
        conflicts_with = "data_dir"
    )]
    pub redis_url: Option<String>,

    /// What every key and channel in Redis begins with.
    #[arg(
        long,
        env = "CONNECTSOCKET_REDIS_PREFIX",
        value_name = "TEXT",
        default_value = redis::PREFIX
    )]
    pub redis_prefix: String,

    /// How long a gateway that Redis does not hear of is not taken for gone; then its sockets end.
    #[arg(long, env = "CONNECTSOCKET_REDIS_LEASE", value_name = "TIME", default_value = "10s", value_parser = lifetime)]
    pub redis_lease: Duration,

    /// How long Redis may take to answer.
    #[arg(long, env = "CONNECTSOCKET_REDIS_TIMEOUT", value_name = "TIME", default_value = "2s", value_parser = lifetime)]
    pub redis_timeout: Duration,

    /// Who gets tokens: every prospect that asks, or the operator's backend alone.
    #[arg(long, env = "CONNECTSOCKET_TOKEN_ISSUER", value_name = "WHO", default_value = "open")]
    pub token_issuer: TokenIssuer,

    /// Whether the channel `test` gives tokens; on in a trial, else off.
    #[arg(long, env = "CONNECTSOCKET_TEST_CHANNEL", value_name = "SWITCH")]
    pub test_channel: Option<Switch>,

    /// How long a token lives.
    #[arg(long, env = "CONNECTSOCKET_TOKEN_TTL", value_name = "TIME", default_value = "24h", value_parser = lifetime)]
    pub token_ttl: Duration,

    /// How long an authorisation waits for its socket.
    #[arg(long, env = "CONNECTSOCKET_AUTHORISATION_TTL", value_name = "TIME", default_value = "30s", value_parser = lifetime)]
    pub authorisation_ttl: Duration,

    /// How long a spent or dead halfRef is remembered.
    #[arg(long, env = "CONNECTSOCKET_HALF_REF_MEMORY", value_name = "TIME", default_value = "10m", value_parser = lifetime)]
    pub half_ref_memory: Duration,

    /// How long a device's record outlives its last token, socket and message.
    #[arg(long, env = "CONNECTSOCKET_RECORD_TTL", value_name = "TIME", default_value = "24h", value_parser = lifetime)]
    pub record_ttl: Duration,

    /// Devices known at a time.
    #[arg(long, env = "CONNECTSOCKET_DEVICES", value_name = "N", default_value_t = 1_000_000, value_parser = positive)]
    pub devices: u32,

    /// Open authorisations per device.
    #[arg(long, env = "CONNECTSOCKET_OPEN_AUTHORISATIONS", value_name = "N", default_value_t = 3, value_parser = positive)]
    pub open_authorisations: u32,

    /// Authorisations per second and device.
    #[arg(long, env = "CONNECTSOCKET_AUTHORISATIONS_PER_SECOND", value_name = "N", default_value_t = 10, value_parser = rate)]
    pub authorisations_per_second: u32,

    /// Token requests per second and address.
    #[arg(long, env = "CONNECTSOCKET_TOKEN_REQUESTS_PER_SECOND", value_name = "N", default_value_t = 10, value_parser = rate)]
    pub token_requests_per_second: u32,

    /// Wrong operator keys per second and address.
    #[arg(long, env = "CONNECTSOCKET_WRONG_KEYS_PER_SECOND", value_name = "N", default_value_t = 10, value_parser = rate)]
    pub wrong_keys_per_second: u32,

    /// Open sockets per address.
    #[arg(long, env = "CONNECTSOCKET_SOCKETS_PER_ADDRESS", value_name = "N", default_value_t = 50, value_parser = positive)]
    pub sockets_per_address: u32,

    /// The largest request body, in bytes.
    #[arg(long, env = "CONNECTSOCKET_BODY_BYTES", value_name = "N", default_value_t = 16 * 1024, value_parser = size)]
    pub body_bytes: u32,

    /// The largest request body of a message to a prospect, in bytes.
    #[arg(
        long,
        env = "CONNECTSOCKET_MESSAGE_BODY_BYTES",
        value_name = "N",
        default_value_t = 64 * 1024,
        value_parser = size
    )]
    pub message_body_bytes: u32,

    /// Messages in a device's outbox.
    #[arg(
        long,
        env = "CONNECTSOCKET_OUTBOX_MESSAGES",
        value_name = "N",
        default_value_t = 1000,
        value_parser = positive
    )]
    pub outbox_messages: u32,

    /// Bytes of messages in a device's outbox.
    #[arg(
        long,
        env = "CONNECTSOCKET_OUTBOX_BYTES",
        value_name = "N",
        default_value_t = 1024 * 1024,
        value_parser = positive
    )]
    pub outbox_bytes: u32,

    /// Idempotency keys remembered per device, each for 24 hours.
    #[arg(
        long,
        env = "CONNECTSOCKET_IDEMPOTENCY_KEYS",
        value_name = "N",
        default_value_t = 10_000,
        value_parser = positive
    )]
    pub idempotency_keys: u32,

    /// Bytes of events kept for the operator; one device may take a hundredth.
    #[arg(
        long,
        env = "CONNECTSOCKET_EVENT_BYTES",
        value_name = "N",
        default_value_t = 1024 * 1024 * 1024,
        value_parser = bytes
    )]
    pub event_bytes: u64,

    /// How long an event is kept for the operator.
    #[arg(long, env = "CONNECTSOCKET_EVENT_TTL", value_name = "TIME", default_value = "24h", value_parser = lifetime)]
    pub event_ttl: Duration,

    /// How long a message sent with `?wait=ack` waits for the prospect at the most.
    #[arg(long, env = "CONNECTSOCKET_ACK_WAIT", value_name = "TIME", default_value = "30s", value_parser = lifetime)]
    pub ack_wait: Duration,

    /// Event streams open at a time.
    #[arg(
        long,
        env = "CONNECTSOCKET_EVENT_STREAMS",
        value_name = "N",
        default_value_t = 8,
        value_parser = positive
    )]
    pub event_streams: u32,

    /// How long a request body may take to arrive.
    #[arg(long, env = "CONNECTSOCKET_BODY_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = lifetime)]
    pub body_timeout: Duration,

    /// The largest frame from a prospect, in bytes.
    #[arg(long, env = "CONNECTSOCKET_INBOUND_FRAME_BYTES", value_name = "N", default_value_t = 4 * 1024, value_parser = size)]
    pub inbound_frame_bytes: u32,

    /// Frames from a prospect per second; twice as many in a burst.
    #[arg(
        long,
        env = "CONNECTSOCKET_FRAMES_PER_SECOND",
        value_name = "N",
        default_value_t = 20,
        value_parser = rate
    )]
    pub frames_per_second: u32,

    /// How often an open socket is pinged.
    #[arg(long, env = "CONNECTSOCKET_HEARTBEAT", value_name = "TIME", default_value = "25s", value_parser = lifetime)]
    pub heartbeat: Duration,

    /// How long a socket has to answer a ping, or to take what is sent to it.
    #[arg(long, env = "CONNECTSOCKET_PONG_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = lifetime)]
    pub pong_timeout: Duration,

    /// How long a shutdown waits for requests and sockets to end.
    #[arg(long, env = "CONNECTSOCKET_DRAIN_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = lifetime)]
    pub drain_timeout: Duration,

    /// A network of reverse proxies whose X-Forwarded-For is believed; can be given again and
    /// again, in the environment with commas between.
    #[arg(
        long = "trusted-proxy",
        env = "CONNECTSOCKET_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// Who may read /metrics: the operator alone, or everyone.
    #[arg(long, env = "CONNECTSOCKET_METRICS", value_name = "WHO", default_value = "operator")]
    pub metrics: MetricsAccess,

    /// What is logged: a level, or tracing directives such as `info,server=debug`.
    #[arg(long, env = "CONNECTSOCKET_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How a log line looks.
    #[arg(long, env = "CONNECTSOCKET_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Worker threads; as many as the machine has cores when not given.
    #[arg(long, env = "CONNECTSOCKET_WORKERS", value_name = "N", value_parser = positive)]
    pub workers: Option<u32>,
}

/// What an answered request survives, given a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// The end of the process, however it ends.
    Process,
    /// The end of the machine's power as well, at the price of an fsync for each commit.
    Power,
}

impl From<Durability> for engine::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Process => Self::Process,
            Durability::Power => Self::Power,
        }
    }
}

/// Who gets tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenIssuer {
    /// Every prospect that asks.
    Open,
    /// The operator's backend alone.
    Operator,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Who may read the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricsAccess {
    /// Whoever has an operator key.
    Operator,
    /// Everyone.
    Open,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The operator keys of a start, and where they come from.
pub struct OperatorKeys {
    /// One or two keys.
    pub keys: Vec<String>,
    /// Whether the gateway made the key itself, for a trial.
    pub trial: bool,
}

impl Config {
    /// Whether nothing but the test channel's own switch speaks against a trial.
    fn may_be_a_trial(&self) -> bool {
        self.public_url.is_none() && self.redis_url.is_none() && self.listen.ip().is_loopback()
    }

    /// The operator keys: those of the settings, or a trial's own.
    ///
    /// # Errors
    /// A sentence, when a key is missing, too short, or the file cannot be read.
    pub fn operator_keys(&self) -> Result<OperatorKeys, String> {
        let mut keys = self.operator_keys.clone();
        if let Some(file) = &self.operator_key_file {
            let text = fs::read_to_string(file).map_err(|error| {
                format!("The operator key file {} cannot be read: {error}.", file.display())
            })?;
            keys.extend(
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into),
            );
            if keys.is_empty() {
                return Err(format!("The operator key file {} holds no key.", file.display()));
            }
        }
        if keys.len() > OPERATOR_KEYS {
            return Err(format!(
                "There are {} operator keys; at most {OPERATOR_KEYS} can be given.",
                keys.len()
            ));
        }
        if keys.iter().any(|key| {
            key.len() < OPERATOR_KEY_LENGTH || !key.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            return Err(format!(
                "An operator key must have at least {OPERATOR_KEY_LENGTH} visible ASCII characters, \
                 and no comma."
            ));
        }
        match keys.is_empty() {
            false => Ok(OperatorKeys { keys, trial: false }),
            true if self.may_be_a_trial() => {
                Ok(OperatorKeys { keys: vec![secret::new_operator_key()], trial: true })
            }
            true => Err("An operator key is needed: give --operator-key-file or \
                 CONNECTSOCKET_OPERATOR_KEY. Only a trial, on a loopback address and with no \
                 --public-url and no --redis-url, does without."
                .to_owned()),
        }
    }

    /// The Redis that is shared with other gateways, if one is.
    ///
    /// # Errors
    /// A sentence, when its URL is none or the times do not go together.
    pub fn redis(&self) -> Result<Option<RedisOptions>, String> {
        let Some(url) = &self.redis_url else { return Ok(None) };
        if self.redis_lease < 2 * self.redis_timeout {
            return Err("--redis-lease must be at least twice --redis-timeout.".to_owned());
        }
        let mut settings =
            RedisOptions::new(url).map_err(|error| format!("--redis-url is {error}."))?;
        settings.prefix.clone_from(&self.redis_prefix);
        settings.lease = self.redis_lease;
        settings.timeout = self.redis_timeout;
        Ok(Some(settings))
    }

    /// What is logged.
    ///
    /// # Errors
    /// A sentence, when the filter is none; a single word that is no level would be taken for the
    /// name of a module, and nothing would be logged.
    pub fn log_filter(&self) -> Result<EnvFilter, String> {
        let level = self.log.parse::<LevelFilter>().is_ok();
        if !level && !self.log.contains(['=', ',']) {
            return Err(format!(
                "--log {:?} is no level: off, error, warn, info, debug or trace.",
                self.log
            ));
        }
        let filter: EnvFilter = self
            .log
            .parse()
            .map_err(|error| format!("--log {:?} is no filter: {error}.", self.log))?;
        // These log what clients send that is no HTTP: it may be anything, a secret among it.
        let silent = ["actix_http::h1::decoder=off", "actix_http::h1::dispatcher=off"];
        let silent = silent.into_iter().filter_map(|directive| directive.parse().ok());
        Ok(silent.fold(filter, EnvFilter::add_directive))
    }

    /// What the engine needs of the settings.
    #[must_use]
    pub fn engine(&self) -> Limits {
        Limits {
            token_ttl: self.token_ttl,
            authorisation_ttl: self.authorisation_ttl,
            half_ref_memory: self.half_ref_memory,
            record_ttl: self.record_ttl,
            devices: self.devices as usize,
            open_authorisations: self.open_authorisations as usize,
            authorisations_per_second: self.authorisations_per_second,
            outbox_messages: self.outbox_messages as usize,
            outbox_bytes: self.outbox_bytes as usize,
            idempotency_keys: self.idempotency_keys as usize,
            event_ttl: self.event_ttl,
            event_bytes: usize::try_from(self.event_bytes).unwrap_or(usize::MAX),
            event_bytes_per_device: usize::try_from(self.event_bytes / 100).unwrap_or(usize::MAX),
            ..Limits::default()
        }
    }

    /// The environment variables that look like settings and are none: most likely misspelt.
    ///
    /// # Errors
    /// A sentence that names them.
    pub fn refuse_unknown_variables() -> Result<(), String> {
        let command = Self::command();
        let known: Vec<_> =
            command.get_arguments().filter_map(|argument| argument.get_env()).collect();
        let unknown: Vec<_> = env::vars_os()
            .map(|(name, _)| name)
            .filter(|name| {
                name.to_string_lossy().starts_with(ENV_PREFIX) && !known.contains(&name.as_os_str())
            })
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(format!("No setting is called {}; --help lists them.", unknown.join(", ")))
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a time such as 30s, 10m or 24h"))?;
    let years = Duration::from_hours(87840);
    if time < Duration::from_millis(1) || time > years {
        return Err("a time lies between 1ms and 10 years".to_owned());
    }
    Ok(time)
}

fn bounded(text: &str, at_most: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (1..=at_most).contains(&number) => Ok(number),
        _ => Err(format!("must be a number from 1 to {at_most}")),
    }
}

fn positive(text: &str) -> Result<u32, String> {
    bounded(text, 100_000_000)
}

fn bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (100..=1 << 40).contains(&number) => Ok(number),
        _ => Err("must be a number from 100 to 1099511627776".to_owned()),
    }
}

fn rate(text: &str) -> Result<u32, String> {
    bounded(text, 1000)
}

fn size(text: &str) -> Result<u32, String> {
    bounded(text, 1024 * 1024)
}

/// An origin as browsers send it: scheme, host and, where it is not the scheme's own, port.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || "write an origin such as https://www.example.com, with no path".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    let port = authority.port_u16();
    let own_port = matches!((scheme, port), ("http", Some(80)) | ("https", Some(443)));
    let host = authority.host();
    let named = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_of_a_host_name),
    };
    // Browsers send it in this one way, and it is compared as text.
    let rendered = match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    let fits = matches!(scheme, "http" | "https") && named && !own_port && rendered == text;
    if fits { Ok(text.to_owned()) } else { Err(wrong()) }
}

fn is_of_a_host_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
}

/// The origin of the public URL. The gateway serves from the root, so the URL has no path.
fn origin_of_url(text: &str) -> Result<String, String> {
    origin(text.strip_suffix('/').unwrap_or(text))
        .map_err(|_| "write a URL such as https://gateway.example.com, with no path".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        for argument in Config::command().get_arguments() {
            let Some(flag) =
                argument.get_long().filter(|flag| !matches!(*flag, "help" | "version"))
            else {
                continue;
            };
            let variable = format!("{ENV_PREFIX}{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(&*variable));
        }
    }

    #[test]
    fn an_origin_has_no_path_no_capitals_and_no_default_port() {
        assert!(origin("https://www.example.com").is_ok());
        assert!(origin("http://localhost:3000").is_ok());
        for wrong in [
            "*",
            "null",
            "https://",
            "https://a/b",
            "https://A.b",
            "https://a:443",
            "ftp://a",
            "https://a\"b",
            "https://[::1",
            "https://a:",
            "https://a:99999",
            "https://u@a",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
