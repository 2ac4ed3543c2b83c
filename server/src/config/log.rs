//! Settings of the log.

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::ConfigError;

/// The log.
#[derive(Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogConfig {
    /// What is logged: a level, or tracing directives such as `info,server=debug`.
    #[arg(long = "log", value_name = "FILTER", default_value = "info")]
    pub filter: String,

    /// The format of a log line.
    #[arg(long = "log-format", value_name = "FORMAT", default_value = "text")]
    pub format: LogFormat,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogConfig {
    /// The filter of log lines.
    ///
    /// # Errors
    /// It is neither a level nor a list of tracing directives.
    pub fn filter(&self) -> Result<EnvFilter, ConfigError> {
        let text = &self.filter;
        if text.parse::<LevelFilter>().is_err() && !text.contains(['=', ',']) {
            return Err(ConfigError::LogLevel(text.clone()));
        }
        let filter: EnvFilter = text
            .parse()
            .map_err(|source| ConfigError::LogFilter { filter: text.clone(), source })?;
        // These log bytes of clients that are not HTTP, and a secret may be among them.
        let silent = ["actix_http::h1::decoder=off", "actix_http::h1::dispatcher=off"];
        let silent = silent.into_iter().filter_map(|directive| directive.parse().ok());
        Ok(silent.fold(filter, EnvFilter::add_directive))
    }
}
