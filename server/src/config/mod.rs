//! The operator's settings, by subject. Each is a flag; its environment variable is named after the
//! flag, and its default and its line of help stand beside it.

mod error;
mod http;
mod journal;
mod limits;
mod log;
mod operator;
mod redis;
mod sockets;
mod task;
mod tokens;
mod value;
mod variables;

use std::{env, ffi::OsString};

use clap::{Args, Command, FromArgMatches};
use engine::Limits;

pub use self::{
    error::ConfigError,
    http::{HttpConfig, MetricsAccess},
    journal::{Durability, JournalConfig},
    limits::LimitsConfig,
    log::{LogConfig, LogFormat},
    operator::{OperatorConfig, OperatorKeys, is_exposed},
    redis::RedisConfig,
    sockets::SocketConfig,
    task::Task,
    tokens::{Switch, TokenConfig, TokenIssuer},
};

/// The gateway behind POST /prospect/connectsocket: authorises websockets for prospects and
/// carries their conversation.
///
/// Started with no operator key, no public URL and no Redis, on a loopback address, it is a trial:
/// it makes its own operator key, shows it once and opens the test channel.
#[derive(Clone, Args)]
pub struct Config {
    /// Addresses, requests and the shutdown.
    #[command(flatten)]
    pub http: HttpConfig,
    /// The operator's keys and operations.
    #[command(flatten)]
    pub operator: OperatorConfig,
    /// Tokens and authorisations.
    #[command(flatten)]
    pub tokens: TokenConfig,
    /// Open sockets.
    #[command(flatten)]
    pub sockets: SocketConfig,
    /// What the gateway remembers.
    #[command(flatten)]
    pub limits: LimitsConfig,
    /// Durability without Redis.
    #[command(flatten)]
    pub journal: JournalConfig,
    /// The Redis that many gateways share.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// The log.
    #[command(flatten)]
    pub log: LogConfig,
}

impl Config {
    /// The command line with every flag and its environment variable, and the subcommands, which take
    /// the same flags.
    #[must_use]
    pub fn command() -> Command {
        let command = Command::new("connect-socket").version(env!("CONNECT_SOCKET_VERSION"));
        let command = Self::with_settings(command);
        let tasks = Task::SUBCOMMANDS.map(|task| {
            Self::with_settings(Command::new(task.name()))
                .about(task.about())
                .long_about(task.about())
        });
        command
            .subcommands(tasks)
            .args_conflicts_with_subcommands(true)
            .disable_help_subcommand(true)
    }

    fn with_settings(command: Command) -> Command {
        Self::augment_args(command).mut_args(variables::with_variable)
    }

    /// Reads what this process is to do, and its settings, from its flags and environment. Shows help
    /// or a mistake and exits where there is one, as clap does.
    #[must_use]
    pub fn parse() -> (Task, Self) {
        Self::try_parse_from(env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Reads the task and its settings from `arguments`, of which the first is the program's name, and
    /// from the environment.
    ///
    /// # Errors
    /// A mistake in a flag or a variable, or a request for help or the version.
    ///
    /// ```
    /// use server::config::{Config, Task};
    /// let (task, config) = Config::try_parse_from(["connect-socket", "check", "--token-ttl", "1h"])?;
    /// assert_eq!((task, config.tokens.token_ttl.as_secs()), (Task::Check, 3600));
    /// # Ok::<_, clap::Error>(())
    /// ```
    pub fn try_parse_from<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<(Task, Self), clap::Error> {
        let mut command = Self::command();
        let mut matches = command.try_get_matches_from_mut(arguments)?;
        let (task, mut matches) = match matches.remove_subcommand() {
            Some((name, matches)) => (Task::of(&name), matches),
            None => (Task::Start, matches),
        };
        let config = Self::from_arg_matches_mut(&mut matches);
        Ok((task, config.map_err(|error| error.format(&mut command))?))
    }

    /// Refuses environment variables that look like settings and are none: most likely misspelt.
    ///
    /// # Errors
    /// [`ConfigError::UnknownVariables`], which names them.
    pub fn refuse_unknown_variables() -> Result<(), ConfigError> {
        variables::refuse_unknown(&Self::command())
    }

    /// Whether the gateway is for trying out: it makes its own operator key. See [`Config`].
    fn allows_trial(&self) -> bool {
        self.http.public_url.is_none()
            && self.redis.redis_url.is_none()
            && self.http.listen.ip().is_loopback()
    }

    /// The operator keys: those of the settings, or a trial's own.
    ///
    /// # Errors
    /// A key is missing, too short or one too many, or the file cannot be read.
    pub fn operator_keys(&self) -> Result<OperatorKeys, ConfigError> {
        let keys = self.operator.keys()?;
        match keys.is_empty() {
            false => Ok(OperatorKeys { keys, trial: false }),
            true if self.allows_trial() => Ok(OperatorKeys::of_trial()),
            true => Err(ConfigError::KeyMissing),
        }
    }

    /// What the engine is bounded by.
    ///
    /// # Errors
    /// [`ConfigError::EventBytesTooFew`].
    pub fn engine_limits(&self) -> Result<Limits, ConfigError> {
        let (tokens, limits) = (&self.tokens, &self.limits);
        let (event_bytes, event_bytes_per_device) =
            limits.event_bytes(self.sockets.inbound_frame_bytes as usize)?;
        Ok(Limits {
            token_ttl: tokens.token_ttl,
            authorisation_ttl: tokens.authorisation_ttl,
            half_ref_memory: tokens.half_ref_memory,
            open_authorisations: tokens.open_authorisations as usize,
            authorisations_per_second: tokens.authorisations_per_second,
            record_ttl: limits.record_ttl,
            devices: limits.devices as usize,
            outbox_messages: limits.outbox_messages as usize,
            outbox_bytes: value::bytes(limits.outbox_bytes),
            idempotency_keys: limits.idempotency_keys as usize,
            event_ttl: limits.event_ttl,
            event_bytes,
            event_bytes_per_device,
            ..Limits::default()
        })
    }
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
        let command = Config::command();
        let flags = command.get_arguments().filter(|argument| argument.get_id() != "help");
        let flags: Vec<_> = flags.filter(|argument| argument.get_id() != "version").collect();
        assert!(!flags.is_empty());
        for argument in flags {
            let flag = argument.get_long().expect("every setting is a flag");
            let variable = format!("CONNECTSOCKET_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(&*variable));
        }
    }
}
